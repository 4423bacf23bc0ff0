//! The client of a case: sends as the case says, and collects what comes with the times of its coming.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::corpus::Step;
use super::wire::{self, Kind, Message};
use super::{PATIENCE, pause};

/// A connection to the proxy.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    received: Arc<(Mutex<Received>, Condvar)>,
    /// Whether each request sent so far was a HEAD.
    heads: Vec<bool>,
    pub began: Instant,
    pub half_closed: bool,
}

#[derive(Debug, Default, Clone)]
pub struct Received {
    pub bytes: Vec<u8>,
    /// When so many bytes were there.
    pub times: Vec<(Instant, usize)>,
    pub closed: bool,
    pub reset: bool,
}

/// What the bytes say.
#[derive(Debug, Default)]
pub struct Responses {
    pub interim: Vec<u16>,
    /// Final ones; of an unfinished one as much as there is.
    pub responses: Vec<Message>,
    /// What follows a 101.
    pub tunnel: Option<Vec<u8>>,
    /// Not HTTP/1.
    pub malformed: Option<String>,
    /// Where the last response begins.
    last: usize,
}

impl Client {
    pub fn connect(proxy: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&proxy, PATIENCE).with_context(|| format!("connect to {proxy}"))?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let received = Arc::new((Mutex::new(Received::default()), Condvar::new()));
        let (mut reading, shared) = (stream.try_clone()?, Arc::clone(&received));
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            loop {
                let read = reading.read(&mut buffer);
                let mut received = lock(&shared.0);
                match read {
                    Ok(length @ 1..) => {
                        received.bytes.extend_from_slice(&buffer[..length]);
                        let total = received.bytes.len();
                        received.times.push((Instant::now(), total));
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    end => {
                        received.closed = true;
                        received.reset = end.is_err();
                    }
                }
                shared.1.notify_all();
                if received.closed {
                    return;
                }
            }
        });
        Ok(Self { stream, received, heads: Vec::new(), began: Instant::now(), half_closed: false })
    }

    /// Sends; that the proxy has closed meanwhile is no error of the case.
    pub fn send(&mut self, bytes: &[u8]) {
        self.note_methods(bytes);
        let _ = self.stream.write_all(bytes);
    }

    /// Good enough for what the corpus sends: a HEAD at the beginning of what is sent or behind an empty line.
    fn note_methods(&mut self, bytes: &[u8]) {
        let begins = |at: usize| at == 0 || bytes[..at].ends_with(b"\r\n\r\n");
        let request_lines = (0..bytes.len()).filter(|at| begins(*at)).map(|at| &bytes[at..]);
        for line in request_lines.filter(|line| line.first().is_some_and(u8::is_ascii_uppercase)) {
            self.heads.push(line.starts_with(b"HEAD "));
        }
    }

    pub fn step(&mut self, step: &Step) -> Result<()> {
        if let Some(bytes) = &step.send {
            self.send(&bytes.0);
        } else if let Some(bytes) = &step.send_bytewise {
            self.note_methods(&bytes.0);
            for byte in &bytes.0 {
                let _ = self.stream.write_all(&[*byte]);
                pause(step.pause_ms.unwrap_or(0));
            }
        } else if let Some(status) = step.await_status {
            let within = step.within_ms.map_or(PATIENCE, Duration::from_millis);
            self.wait(within, |responses, _| {
                let finals = responses.responses.iter().map(Message::status);
                finals.chain(responses.interim.iter().copied()).any(|seen| seen == status)
            });
        } else if let Some(millis) = step.pause_ms {
            pause(millis);
        }
        if step.half_close {
            self.half_closed = true;
            let _ = self.stream.shutdown(Shutdown::Write);
        }
        Ok(())
    }

    /// Waits until what has come is as wanted, the connection is closed, or time is up; whether it was as wanted.
    pub fn wait(&self, within: Duration, wanted: impl Fn(&Responses, &Received) -> bool) -> bool {
        let end = Instant::now() + within;
        let mut received = lock(&self.received.0);
        loop {
            if wanted(&self.parse(&received), &received) {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || received.closed {
                return false;
            }
            received = self.received.1.wait_timeout(received, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub fn received(&self) -> Received {
        lock(&self.received.0).clone()
    }

    pub fn responses(&self) -> Responses {
        self.parse(&lock(&self.received.0))
    }

    /// When the first byte of the last response's body came, since the beginning.
    pub fn first_body_byte(&self) -> Option<Duration> {
        let received = lock(&self.received.0);
        let responses = self.parse(&received);
        let body = responses.last + responses.responses.last()?.head_length;
        let (time, _) = received.times.iter().find(|(_, total)| *total > body)?;
        Some(*time - self.began)
    }

    fn parse(&self, received: &Received) -> Responses {
        let mut responses = Responses::default();
        let mut at = 0;
        while at < received.bytes.len() {
            let rest = &received.bytes[at..];
            let to_head = self.heads.get(responses.responses.len()).copied().unwrap_or(false);
            match wire::read(rest, Kind::Response { to_head }, received.closed && !received.reset) {
                Ok(Some((message, used))) => {
                    let status = message.status();
                    if !message.line.starts_with("HTTP/1.1 ") || status < 100 {
                        responses.malformed = Some(format!("status line {:?}", message.line));
                        return responses;
                    }
                    if status == 101 {
                        responses.tunnel = Some(rest[used..].to_vec());
                        responses.responses.push(message);
                        return responses;
                    }
                    if status < 200 {
                        responses.interim.push(status);
                    } else {
                        responses.last = at;
                        responses.responses.push(message);
                    }
                    at += used;
                }
                Ok(None) => {
                    if received.closed {
                        responses.malformed = Some(format!("a cut head: {}", wire::show(rest)));
                    }
                    return responses;
                }
                Err(error) => {
                    responses.malformed = Some(error);
                    return responses;
                }
            }
        }
        responses
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Ends the thread that reads.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

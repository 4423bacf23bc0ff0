//! A server that records complete requests and answers each with `ok`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

use super::wire::{self, Kind, Message};

/// What has come since the last look.
#[derive(Debug, Default)]
pub struct Seen {
    pub requests: Vec<Message>,
    /// Connections that ended within a request.
    pub partial: usize,
    /// What was no HTTP/1.
    pub malformed: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub struct Recorder(Arc<Mutex<Seen>>);

impl Recorder {
    /// Serves until the process ends.
    ///
    /// # Errors
    /// When the address is taken.
    pub fn start(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address).with_context(|| format!("serve on {address}"))?;
        let recorder = Self::default();
        let shared = recorder.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let recorder = shared.clone();
                std::thread::spawn(move || recorder.serve(stream));
            }
        });
        Ok(recorder)
    }

    pub fn take(&self) -> Seen {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn serve(&self, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let _ = stream.set_write_timeout(Some(Duration::from_secs(5)));
        let (mut input, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
        loop {
            match wire::read(&input, Kind::Request, false) {
                Ok(Some((message, used))) if message.complete => {
                    input.drain(..used);
                    let is_head = message.line.starts_with("HEAD ");
                    self.note(|seen| seen.requests.push(message));
                    let body = if is_head { "" } else { "ok" };
                    if stream
                        .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{body}").as_bytes())
                        .is_err()
                    {
                        return;
                    }
                    continue;
                }
                Ok(_) => {}
                Err(error) => return self.note(|seen| seen.malformed.push(error)),
            }
            let Ok(length @ 1..) = stream.read(&mut buffer) else {
                if !input.is_empty() {
                    self.note(|seen| seen.partial += 1);
                }
                return;
            };
            input.extend_from_slice(&buffer[..length]);
        }
    }

    fn note(&self, what: impl FnOnce(&mut Seen)) {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

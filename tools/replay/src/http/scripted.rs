//! A server that answers requests by a script, and `GET /next` on whatever connection it comes.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

use super::corpus::{Script, ScriptEnd, Step};
use super::wire::{self, Kind};
use super::{PATIENCE, pause};

const NEXT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext";

/// What has happened in a case.
#[derive(Debug, Default, Clone)]
pub struct Played {
    /// The connection that the script was played on.
    pub connection: Option<u64>,
    pub script_done: bool,
    /// The connection that the follow-up came on.
    pub next_connection: Option<u64>,
    pub malformed: Vec<String>,
}

#[derive(Debug)]
struct State {
    script: Option<Script>,
    played: Played,
    /// Counts cases: what comes late from an old one is not of this one.
    case: u64,
}

#[derive(Debug, Clone)]
pub struct Scripted(Arc<(Mutex<State>, Condvar)>);

impl Scripted {
    /// Serves until the process ends.
    ///
    /// # Errors
    /// When the address is taken.
    pub fn start(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address).with_context(|| format!("serve on {address}"))?;
        let state = State { script: None, played: Played::default(), case: 0 };
        let scripted = Self(Arc::new((Mutex::new(state), Condvar::new())));
        let shared = scripted.clone();
        std::thread::spawn(move || {
            for (id, stream) in (0..).zip(listener.incoming().flatten()) {
                let scripted = shared.clone();
                std::thread::spawn(move || scripted.serve(id, stream));
            }
        });
        Ok(scripted)
    }

    /// A new case.
    pub fn prepare(&self, script: &Script) {
        let mut state = self.lock();
        *state = State { script: Some(script.clone()), played: Played::default(), case: state.case + 1 };
    }

    /// Waits until the script has been played.
    pub fn wait_played(&self) -> Played {
        let state = self.lock();
        let waited = self.0.1.wait_timeout_while(state, PATIENCE, |state| !state.played.script_done);
        waited.unwrap_or_else(PoisonError::into_inner).0.played.clone()
    }

    pub fn played(&self) -> Played {
        self.lock().played.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, id: u64, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let _ = stream.set_write_timeout(Some(PATIENCE));
        let (mut input, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
        // The script has been played before the whole request was there: its body is still to come.
        let mut early = false;
        loop {
            match wire::read(&input, Kind::Request, false) {
                Ok(Some((message, used))) => {
                    let is_next = message.path() == "/next";
                    let script = if is_next || early { None } else { self.script_for(message.complete) };
                    if let Some((case, script)) = script {
                        early = !message.complete;
                        if message.complete {
                            input.drain(..used);
                        }
                        if !self.play(case, id, &mut stream, &script) {
                            return;
                        }
                        continue;
                    }
                    if message.complete {
                        input.drain(..used);
                        if is_next {
                            self.lock().played.next_connection = Some(id);
                            if stream.write_all(NEXT).is_err() {
                                return;
                            }
                        }
                        early = false;
                        continue;
                    }
                }
                Ok(None) => {}
                Err(error) => return self.lock().played.malformed.push(error),
            }
            match stream.read(&mut buffer) {
                Ok(length @ 1..) => input.extend_from_slice(&buffer[..length]),
                _ => return,
            }
        }
    }

    fn script_for(&self, complete: bool) -> Option<(u64, Script)> {
        let state = self.lock();
        // Each time it is asked: the proxy may try again on another connection.
        let script = state.script.clone().filter(|script| complete || script.start.as_deref() == Some("head"))?;
        Some((state.case, script))
    }

    /// Plays; false when the connection has ended with it.
    fn play(&self, case: u64, id: u64, stream: &mut TcpStream, script: &Script) -> bool {
        self.lock().played.connection = Some(id);
        let only = script.send.clone().map(|send| Step { send: Some(send), ..Step::default() });
        let mut upgraded = false;
        for step in only.iter().chain(&script.steps) {
            if let Some(bytes) = &step.send {
                upgraded = upgraded || bytes.0.starts_with(b"HTTP/1.1 101 ");
                let _ = stream.write_all(&bytes.0);
            } else if let Some(millis) = step.pause_ms {
                pause(millis);
            }
        }
        match script.end {
            ScriptEnd::Keep => {}
            ScriptEnd::Fin => drop(stream.shutdown(Shutdown::Write)),
            ScriptEnd::Rst => {
                // Linux lets the other side read what came before the reset.
                let _ = socket2::SockRef::from(&*stream).set_linger(Some(Duration::ZERO));
            }
        }
        let mut state = self.lock();
        if state.case == case {
            state.played.script_done = true;
        }
        drop(state);
        self.0.1.notify_all();
        match script.end {
            ScriptEnd::Keep if upgraded => {
                echo(stream);
                false
            }
            ScriptEnd::Keep => true,
            // Reads on, so that the close does not become a reset.
            ScriptEnd::Fin => {
                while matches!(stream.read(&mut [0; 4096]), Ok(1..)) {}
                false
            }
            ScriptEnd::Rst => false,
        }
    }
}

/// Sends everything back until the other side ends.
fn echo(stream: &mut TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}

//! The admin endpoint: HTTP for scrapers, health probes and people. It only reads, and what it says is what the control socket says.
//!
//! * `listener`: the socket and its clients, none of whom can hold up the others
//! * `respond`: what each path answers; `query`: its parameters
//! * [`metrics`](metrics()): all numbers as Prometheus reads them, written by `exposition`
//! * `page`: the status page
//! * [`Overview`]: what the last two show

mod exposition;
mod listener;
mod metrics;
mod overview;
mod page;
mod query;
mod respond;

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::sync::mpsc;

use crate::socket::{Call, Caller, calls};
use listener::Listening;

pub use listener::ListenError;
pub use metrics::metrics;
pub use overview::Overview;

/// The daemon's end.
#[derive(Debug)]
pub struct Admin {
    caller: Caller,
    calls: mpsc::Receiver<Call>,
    listening: Option<Listening>,
}

impl Default for Admin {
    /// Listens nowhere.
    fn default() -> Self {
        let (caller, calls) = calls();
        Self { caller, calls, listening: None }
    }
}

impl Admin {
    /// Goes over to another address, or to none.
    ///
    /// # Errors
    /// Then it listens where it did, or nowhere if the old address had to be given up to try.
    pub async fn follow(&mut self, wanted: Option<SocketAddr>) -> Result<(), ListenError> {
        if self.listening.as_ref().map(Listening::address) == wanted {
            return Ok(());
        }
        let opened = match wanted.map(|address| Listening::open(address, &self.caller)).transpose() {
            // 127.0.0.1:9180 and 0.0.0.0:9180 exclude each other.
            Err(error) if error.source.kind() == ErrorKind::AddrInUse && self.is_at_port(error.address.port()) => {
                self.close().await;
                Some(Listening::open(error.address, &self.caller)?)
            }
            opened => opened?,
        };
        self.close().await;
        self.listening = opened;
        if let Some(address) = wanted {
            tracing::info!(%address, "admin endpoint");
        }
        Ok(())
    }

    /// The next question of any client. May be dropped while waiting (in `select!`) without losing one.
    pub async fn next(&mut self) -> Option<Call> {
        self.calls.recv().await
    }

    async fn close(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.close().await;
        }
    }

    fn is_at_port(&self, port: u16) -> bool {
        self.listening.as_ref().is_some_and(|listening| listening.address().port() == port)
    }
}

#[cfg(test)]
mod tests;

//! Connections to servers that wait for their next request: per worker, the one used last first.

use std::cell::RefCell;
use std::net::SocketAddr;

use rustc_hash::FxHashMap;

use crate::stream::Stream;

/// Milliseconds that a connection may wait. Servers commonly close theirs after a minute or more; nginx as a server after 75 s.
const LONGEST: u64 = 60_000;

/// Address of the server, and which TLS is spoken to it; 0 for none.
pub type Key = (SocketAddr, u64);

/// Nobody outside chooses the keys: a quick hash will do.
#[derive(Debug, Default)]
pub struct Idle(RefCell<FxHashMap<Key, Vec<(Stream, u64)>>>);

impl Idle {
    /// One that is still fit for use.
    pub fn take(&self, server: Key, now: u64) -> Option<Stream> {
        let mut all = self.0.borrow_mut();
        let waiting = all.get_mut(&server)?;
        while let Some((stream, since)) = waiting.pop() {
            if now.saturating_sub(since) < LONGEST && stream.is_quiet() {
                return Some(stream);
            }
        }
        None
    }

    /// Keeps a connection, unless there are `most` already.
    pub fn put(&self, server: Key, stream: Stream, most: usize, now: u64) {
        let mut all = self.0.borrow_mut();
        let waiting = all.entry(server).or_default();
        if waiting.len() < most {
            waiting.push((stream, now));
        }
    }

    /// Closes what has waited too long or was closed by its server.
    pub fn sweep(&self, now: u64) {
        self.0.borrow_mut().retain(|_, waiting| {
            waiting.retain(|(stream, since)| now.saturating_sub(*since) < LONGEST && stream.is_quiet());
            !waiting.is_empty()
        });
    }
}

//! Requests that wait until a server may take one more.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// The queue of an upstream, shared by all workers. Who has waited longest is told first.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: AtomicUsize,
    freed: Notify,
    queued: AtomicU64,
    timed_out: AtomicU64,
    refused: AtomicU64,
}

/// A request that waits. It is gone from the queue when it is dropped.
#[derive(Debug)]
pub struct Place<'a>(&'a Queue);

/// How many requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub waiting: u64,
    /// That had to wait.
    pub queued: u64,
    /// That waited in vain.
    pub timed_out: u64,
    /// That found it full.
    pub refused: u64,
}

impl Queue {
    /// A place at its end; `None` when there are `most` already.
    pub fn enter(&self, most: usize) -> Option<Place<'_>> {
        let room = |waiting: usize| (waiting < most).then_some(waiting + 1);
        if self.waiting.fetch_update(SeqCst, SeqCst, room).is_err() {
            self.refused.fetch_add(1, Relaxed);
            return None;
        }
        self.queued.fetch_add(1, Relaxed);
        Some(Place(self))
    }

    /// A request has ended. Costs a look where nobody waits.
    pub fn has_room(&self) {
        // Whoever enters counts itself before it looks for a server, and that is after this server's request has ended, or before.
        if self.waiting.load(SeqCst) > 0 {
            self.freed.notify_one();
        }
    }

    pub fn is_used(&self) -> bool {
        self.waiting.load(Relaxed) > 0
    }

    pub fn count_timed_out(&self) {
        self.timed_out.fetch_add(1, Relaxed);
    }

    pub fn counts(&self) -> Counts {
        Counts {
            waiting: self.waiting.load(Relaxed) as u64,
            queued: self.queued.load(Relaxed),
            timed_out: self.timed_out.load(Relaxed),
            refused: self.refused.load(Relaxed),
        }
    }
}

impl Place<'_> {
    /// Ready when it is worth looking for a server. To be enabled before the look that finds none.
    pub fn freed(&self) -> Notified<'_> {
        self.0.freed.notified()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests;

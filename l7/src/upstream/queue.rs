//! Requests that wait for a server to have room. Who ends a request hands its place on to the first in line that may have it, so that
//! nobody who comes later gets in between.

use std::collections::VecDeque;
use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::server::{Record, Server};

/// The line of an upstream, shared by all workers. It outlives configurations.
#[derive(Debug, Default)]
pub struct Queue {
    /// Its length: all that a request looks at while nobody waits. A request that waits counts itself before it looks for room a last
    /// time, one that ends makes room before it looks here (both in one total order, hence `SeqCst`): one of them sees the other.
    waiting: AtomicU32,
    line: Mutex<VecDeque<Arc<Waiter>>>,
    queued: AtomicU64,
    timed_out: AtomicU64,
    refused: AtomicU64,
}

#[derive(Debug)]
struct Waiter {
    /// Servers that it has asked in vain.
    tried: Vec<Arc<Record>>,
    turn: Mutex<Turn>,
}

#[derive(Debug)]
enum Turn {
    Waits(Option<Waker>),
    Called(Called),
}

/// What a waiting request is told.
#[derive(Debug)]
pub enum Called {
    /// It has a place, and has left the line.
    Place(Place),
    /// There may be room: it has to look for itself, and stays in line.
    Look,
}

/// A request in flight on a server that nobody has begun yet; if nobody does there is room for another.
#[derive(Debug)]
pub struct Place {
    record: Arc<Record>,
    queue: Arc<Queue>,
    taken: bool,
}

/// A request's place in the line; it leaves when this is dropped.
#[derive(Debug)]
pub struct Ticket {
    queue: Arc<Queue>,
    waiter: Arc<Waiter>,
}

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
    pub fn counts(&self) -> Counts {
        Counts {
            waiting: self.waiting.load(Relaxed).into(),
            queued: self.queued.load(Relaxed),
            timed_out: self.timed_out.load(Relaxed),
            refused: self.refused.load(Relaxed),
        }
    }

    pub(super) fn count_timed_out(&self) {
        self.timed_out.fetch_add(1, Relaxed);
    }

    /// Gets in line, unless there are `most` already. Room may have come just before: the request has to look again before it waits.
    pub(super) fn join(self: &Arc<Self>, tried: Vec<Arc<Record>>, most: usize) -> Option<Ticket> {
        let waiter = Arc::new(Waiter { tried, turn: Mutex::new(Turn::Waits(None)) });
        let mut line = self.line();
        if line.len() >= most {
            self.refused.fetch_add(1, Relaxed);
            return None;
        }
        line.push_back(Arc::clone(&waiter));
        self.waiting.fetch_add(1, SeqCst);
        self.queued.fetch_add(1, Relaxed);
        Some(Ticket { queue: Arc::clone(self), waiter })
    }

    /// A request at this server has ended.
    pub(super) fn hand_on(&self, server: &Server) {
        if self.waiting.load(SeqCst) == 0 {
            return;
        }
        if !server.is_fit() {
            return self.look();
        }
        let mut line = self.line();
        let first = line.iter().position(|waiter| !waiter.has_tried(server.record()));
        // Without a place somebody else was quicker, and will hand it on.
        if let Some(first) = first.filter(|_| server.begin())
            && let Some(waiter) = line.remove(first)
        {
            self.waiting.fetch_sub(1, SeqCst);
            let before = waiter.call(Called::Place(Place::new(server)));
            drop(line);
            match before {
                Turn::Waits(waker) => waker.into_iter().for_each(Waker::wake),
                // It was to look, and will not: now another one is first.
                Turn::Called(_) => self.look(),
            }
        }
    }

    /// There may be room that nobody has left: the first in line looks. If some servers are of no use to it the next one does too.
    pub(super) fn look(&self) {
        if self.waiting.load(SeqCst) == 0 {
            return;
        }
        let mut wakers = Vec::new();
        let line = self.line();
        for waiter in &*line {
            if let Turn::Waits(Some(waker)) = waiter.call(Called::Look) {
                wakers.push(waker);
            }
            if waiter.tried.is_empty() {
                break;
            }
        }
        drop(line);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn line(&self) -> MutexGuard<'_, VecDeque<Arc<Waiter>>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    fn has_tried(&self, record: &Arc<Record>) -> bool {
        self.tried.iter().any(|tried| Arc::ptr_eq(tried, record))
    }

    /// Only for who holds the line. Returns what was before.
    fn call(&self, called: Called) -> Turn {
        std::mem::replace(&mut *self.turn(), Turn::Called(called))
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Ready when the request is called.
    pub fn poll(&self, context: &mut Context<'_>) -> Poll<Called> {
        let mut turn = self.waiter.turn();
        match std::mem::replace(&mut *turn, Turn::Waits(None)) {
            Turn::Called(called) => Poll::Ready(called),
            Turn::Waits(known) => {
                let waker = known.filter(|known| known.will_wake(context.waker()));
                *turn = Turn::Waits(Some(waker.unwrap_or_else(|| context.waker().clone())));
                Poll::Pending
            }
        }
    }

    /// Leaves the line; with the place that it may have been given at the last moment.
    pub(super) fn leave(&self) -> Option<Place> {
        let mut line = self.queue.line();
        if let Some(at) = line.iter().position(|waiter| Arc::ptr_eq(waiter, &self.waiter)) {
            line.remove(at);
            self.queue.waiting.fetch_sub(1, SeqCst);
        }
        drop(line);
        let turn = std::mem::replace(&mut *self.waiter.turn(), Turn::Waits(None));
        match turn {
            Turn::Called(Called::Place(place)) => Some(place),
            Turn::Called(Called::Look) => {
                // Somebody has to, and now another one is first.
                self.queue.look();
                None
            }
            Turn::Waits(_) => None,
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        drop(self.leave());
    }
}

impl Place {
    fn new(server: &Server) -> Self {
        Self { record: Arc::clone(server.record()), queue: Arc::clone(server.queue()), taken: false }
    }

    /// Begins the request, if `server` is the one that the place is on.
    pub(super) fn take(&mut self, server: &Server) -> bool {
        self.taken = Arc::ptr_eq(&self.record, server.record());
        self.taken
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.taken {
            self.record.end();
            self.queue.look();
        }
    }
}

#[cfg(test)]
mod tests;

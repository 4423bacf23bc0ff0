//! Deadlines of connections. Each connection has one slot; setting it is a store. A sweep looks at all slots of the thread a few times a second
//! and wakes whoever is late, so that no request touches a timer wheel.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::sync::Notify;

use crate::clock::millis;

/// How late a deadline may be noticed, or early.
pub const GRAIN: Duration = Duration::from_millis(50);

/// The deadlines of a thread.
#[derive(Debug, Default)]
pub struct Timers {
    /// The time of the last sweep, in [`millis`]: near enough for deadlines, and no question to the system.
    now: Rc<Cell<u64>>,
    slots: RefCell<Vec<Weak<Slot>>>,
    /// Told when there is a first slot.
    used: Notify,
}

#[derive(Debug)]
struct Slot {
    /// In [`millis`].
    at: Cell<u64>,
    /// What is waited for is not urgent: see [`Timers::end_idle`].
    idle: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

/// The deadline of one task.
#[derive(Debug)]
pub struct Deadline {
    slot: Rc<Slot>,
    now: Rc<Cell<u64>>,
}

/// The deadline has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Late;

impl Timers {
    pub fn deadline(&self) -> Deadline {
        let slot = Rc::new(Slot { at: Cell::new(u64::MAX), idle: Cell::new(false), waiting: RefCell::default() });
        let mut slots = self.slots.borrow_mut();
        if slots.is_empty() {
            // Nobody has swept for a while.
            self.now.set(millis());
            self.used.notify_one();
        }
        slots.push(Rc::downgrade(&slot));
        Deadline { slot, now: Rc::clone(&self.now) }
    }

    /// The time, at most some [`GRAIN`]s old while there are deadlines; in [`millis`].
    pub fn now(&self) -> u64 {
        self.now.get()
    }

    /// Wakes who is late, for as long as the thread lives.
    pub async fn sweep(&self) {
        loop {
            if self.slots.borrow().is_empty() {
                self.used.notified().await;
            }
            tokio::time::sleep(GRAIN).await;
            self.now.set(millis());
            self.sweep_once(self.now.get());
        }
    }

    /// Has all idle deadlines pass now.
    pub fn end_idle(&self) {
        for slot in self.slots.borrow().iter().filter_map(Weak::upgrade).filter(|slot| slot.idle.get()) {
            slot.at.set(0);
        }
        self.sweep_once(self.now.get());
    }

    fn sweep_once(&self, now: u64) {
        self.slots.borrow_mut().retain(|slot| {
            let Some(slot) = slot.upgrade() else { return false };
            if slot.at.get() <= now
                && let Some(waker) = slot.waiting.take()
            {
                waker.wake();
            }
            true
        });
    }
}

impl Deadline {
    /// So long from now; [`Duration::MAX`] for none.
    pub fn set(&self, after: Duration) {
        let after = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        self.slot.at.set(self.now.get().saturating_add(after));
        self.slot.idle.set(false);
    }

    /// The same, of a task that waits for nothing in particular.
    pub fn set_idle(&self, after: Duration) {
        self.set(after);
        self.slot.idle.set(true);
    }

    /// The future's output, if it comes before the deadline.
    pub fn within<F: Future>(&self, future: F) -> Within<'_, F> {
        Within { deadline: self, future }
    }
}

pin_project! {
    /// By hand: an `async fn` would keep room for the future twice, in each connection that waits.
    pub struct Within<'a, F> {
        deadline: &'a Deadline,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Within<'_, F> {
    type Output = Result<F::Output, Late>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(context) {
            return Poll::Ready(Ok(output));
        }
        let Deadline { slot, now } = this.deadline;
        let mut waiting = slot.waiting.borrow_mut();
        match &*waiting {
            Some(known) if known.will_wake(context.waker()) => {}
            _ => *waiting = Some(context.waker().clone()),
        }
        if slot.at.get() <= now.get() { Poll::Ready(Err(Late)) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests;

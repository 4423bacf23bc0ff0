//! The end of a ring that reads entries.

use super::{Entry, Ring};

/// Reads entries; the slots go back to the other side with [`Consumer::release`].
#[derive(Debug)]
pub(crate) struct Consumer<E> {
    pub(super) ring: Ring<E>,
    /// Next slot to read.
    next: u32,
    /// Slots before this one were given back.
    released: u32,
    /// The producer's index when it was last read.
    produced: u32,
}

impl<E: Entry> Consumer<E> {
    pub(super) fn new(ring: Ring<E>) -> Self {
        let next = ring.load_consumer();
        let produced = ring.load_producer();
        Self { ring, next, released: next, produced }
    }

    pub(crate) fn size(&self) -> u32 {
        self.ring.size
    }

    /// Entries to read. Reads the producer's index only when fewer than `wanted` are known.
    #[inline]
    pub(crate) fn available(&mut self, wanted: u32) -> u32 {
        let known = self.ready();
        if known >= wanted {
            return known;
        }
        self.produced = self.ring.load_producer();
        self.ready()
    }

    /// The next entry.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<E> {
        if self.available(1) == 0 {
            return None;
        }
        // SAFETY: the entry is published, and the producer leaves the slot alone until `release`.
        let entry = unsafe { self.ring.read(self.next) };
        self.next = self.next.wrapping_add(1);
        Some(entry)
    }

    /// Gives the slots of all read entries back.
    #[inline]
    pub(crate) fn release(&mut self) {
        if self.released != self.next {
            self.ring.store_consumer(self.next);
            self.released = self.next;
        }
    }

    /// Tells the other side whether this one waits for a system call, as the kernel does.
    pub(crate) fn set_needs_wakeup(&self, needed: bool) {
        self.ring.set_needs_wakeup(needed);
    }

    /// A producer's index beyond the ring would be a bug of the other side; never read more slots than there are.
    #[inline]
    fn ready(&self) -> u32 {
        self.produced.wrapping_sub(self.next).min(self.ring.size)
    }
}

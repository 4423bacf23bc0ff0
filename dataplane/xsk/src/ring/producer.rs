//! The end of a ring that writes entries.

use super::{Entry, Ring};

/// Writes entries; they become visible to the other side with [`Producer::publish`].
#[derive(Debug)]
pub(crate) struct Producer<E> {
    pub(super) ring: Ring<E>,
    /// Next slot to write.
    next: u32,
    /// Entries before this one are visible to the other side.
    published: u32,
    /// The consumer's index when it was last read.
    consumed: u32,
}

impl<E: Entry> Producer<E> {
    pub(super) fn new(ring: Ring<E>) -> Self {
        let next = ring.load_producer();
        let consumed = ring.load_consumer();
        Self { ring, next, published: next, consumed }
    }

    pub(crate) fn size(&self) -> u32 {
        self.ring.size
    }

    /// Free slots. Reads the consumer's index only when fewer than `wanted` are known to be free.
    #[inline]
    pub(crate) fn room(&mut self, wanted: u32) -> u32 {
        let known = self.free();
        if known >= wanted {
            return known;
        }
        self.consumed = self.ring.load_consumer();
        self.free()
    }

    /// Writes an entry, not yet visible; gives it back when the ring is full.
    #[inline]
    pub(crate) fn push(&mut self, entry: E) -> Result<(), E> {
        if self.room(1) == 0 {
            return Err(entry);
        }
        // SAFETY: there is room, so the consumer has released this slot, and it is not published before `publish`.
        unsafe { self.ring.write(self.next, entry) };
        self.next = self.next.wrapping_add(1);
        Ok(())
    }

    /// Shows all written entries to the other side.
    #[inline]
    pub(crate) fn publish(&mut self) {
        if self.published != self.next {
            self.ring.store_producer(self.next);
            self.published = self.next;
        }
    }

    /// Published entries the other side has not taken yet.
    #[inline]
    pub(crate) fn outstanding(&mut self) -> u32 {
        self.consumed = self.ring.load_consumer();
        self.published.wrapping_sub(self.consumed)
    }

    /// Whether the kernel waits for a system call before it looks at the ring.
    #[inline]
    pub(crate) fn needs_wakeup(&self) -> bool {
        self.ring.needs_wakeup()
    }

    #[inline]
    fn free(&self) -> u32 {
        self.ring.size.saturating_sub(self.next.wrapping_sub(self.consumed))
    }
}

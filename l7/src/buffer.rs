//! Read buffers. A connection holds one only while there is data in it; all others of the thread wait in a free list, so that an idle
//! connection costs no memory and a busy thread uses the same hot few.

use std::cell::RefCell;

/// Bytes of a buffer: as much as one read brings at most.
pub const SIZE: usize = 64 << 10;
/// Buffers that a thread keeps.
const KEPT: usize = 64;

thread_local! {
    static FREE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes that were read and not yet used.
#[derive(Debug, Default)]
pub struct Buffer {
    memory: Option<Box<[u8]>>,
    begin: usize,
    end: usize,
}

impl Buffer {
    pub fn data(&self) -> &[u8] {
        match &self.memory {
            Some(memory) => &memory[self.begin..self.end],
            None => &[],
        }
    }

    pub fn is_empty(&self) -> bool {
        self.begin == self.end
    }

    /// Where a read may write, at least one byte unless the buffer is full of data.
    pub fn space(&mut self) -> &mut [u8] {
        let memory = self.memory.get_or_insert_with(take);
        if self.begin > 0 && self.end == memory.len() {
            memory.copy_within(self.begin..self.end, 0);
            self.end -= self.begin;
            self.begin = 0;
        }
        &mut memory[self.end..]
    }

    pub fn is_full(&self) -> bool {
        self.begin == 0 && self.memory.as_ref().is_some_and(|memory| self.end == memory.len())
    }

    /// So many bytes of [`Self::space`] hold data now.
    pub fn filled(&mut self, length: usize) {
        self.end += length;
    }

    /// So many bytes of the data have been used.
    pub fn consume(&mut self, length: usize) {
        self.begin += length;
        debug_assert!(self.begin <= self.end, "more used than there was");
        if self.is_empty() {
            self.release();
        }
    }

    /// More room for a head that does not fit, up to `most` bytes; whether there is any.
    pub fn grow(&mut self, most: usize) -> bool {
        let Some(memory) = &self.memory else { return true };
        if memory.len() >= most {
            return false;
        }
        let mut larger = vec![0; (memory.len() * 2).min(most)].into_boxed_slice();
        let length = self.end - self.begin;
        larger[..length].copy_from_slice(&memory[self.begin..self.end]);
        (self.begin, self.end) = (0, length);
        self.memory = Some(larger);
        true
    }

    /// Gives the memory back if there is no data in it.
    pub fn release(&mut self) {
        if !self.is_empty() {
            return;
        }
        (self.begin, self.end) = (0, 0);
        if let Some(memory) = self.memory.take() {
            give(memory);
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.take() {
            give(memory);
        }
    }
}

fn take() -> Box<[u8]> {
    FREE.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; SIZE].into_boxed_slice())
}

fn give(memory: Box<[u8]>) {
    // A thread that ends has no list any more.
    let _ = FREE.try_with(|free| {
        let mut free = free.borrow_mut();
        if memory.len() == SIZE && free.len() < KEPT {
            free.push(memory);
        }
    });
}

#[cfg(test)]
mod tests;

//! The chunks a port has given to the kernel: one bit per chunk of the UMEM.

use std::sync::Arc;

use crate::umem::Area;

/// A set of chunks. When it is dropped, its chunks count as home: with it goes the only way to make frames of them.
#[derive(Debug)]
pub(crate) struct Held {
    bits: Box<[u64]>,
    len: usize,
    area: Arc<Area>,
}

impl Held {
    pub(crate) fn none_of(area: Arc<Area>) -> Self {
        let words = (area.frames() as usize).div_ceil(64);
        Self { bits: vec![0; words].into_boxed_slice(), len: 0, area }
    }

    /// Adds a chunk that the caller gives to a ring.
    ///
    /// # Panics
    /// When the chunk is beyond the UMEM.
    #[inline]
    pub(crate) fn insert(&mut self, chunk: u32) {
        let (word, bit) = place(chunk);
        debug_assert!(self.bits[word] & bit == 0, "chunk {chunk} was given to the kernel twice");
        self.bits[word] |= bit;
        self.len += 1;
    }

    /// Takes a chunk out; false when it was not held, and then the caller gets nothing.
    #[inline]
    pub(crate) fn remove(&mut self, chunk: u32) -> bool {
        let (word, bit) = place(chunk);
        let held = self.bits[word] & bit != 0;
        self.bits[word] &= !bit;
        self.len -= usize::from(held);
        held
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Hands all chunks to `take`. Only for rings that are closed.
    pub(crate) fn drain(&mut self, mut take: impl FnMut(u32)) {
        for (index, word) in self.bits.iter_mut().enumerate() {
            while *word != 0 {
                take(index as u32 * 64 + word.trailing_zeros());
                *word &= *word - 1;
            }
        }
        self.len = 0;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.area.came_home(self.len);
    }
}

#[inline]
fn place(chunk: u32) -> (usize, u64) {
    ((chunk / 64) as usize, 1 << (chunk % 64))
}

//! The free chunks of a UMEM, last in first out: the chunk used last is the one still in the cache.

use std::sync::Arc;

use super::{Area, HEADROOM};
use crate::frame::Frame;

/// The free chunks of one UMEM. One per UMEM, owned by its worker.
#[derive(Debug)]
pub struct FramePool {
    /// Indexes of the chunks this pool holds; each at most once.
    free: Vec<u32>,
    area: Arc<Area>,
}

impl FramePool {
    /// # Safety
    /// Nobody else MUST hold a chunk of `area`.
    pub(super) unsafe fn full(area: Arc<Area>) -> Self {
        Self { free: (0..area.frames()).rev().collect(), area }
    }

    /// An empty frame at the standard headroom; `None` when all chunks are under way.
    #[inline]
    pub fn alloc(&mut self) -> Option<Frame> {
        let chunk = self.free.pop()?;
        // SAFETY: the pool held the chunk until this `pop`; the headroom is smaller than any frame size.
        Some(unsafe { self.area.frame(chunk, HEADROOM as u16, 0) })
    }

    /// Takes a frame back.
    ///
    /// # Panics
    /// When the frame is of another UMEM.
    #[inline]
    pub fn free(&mut self, frame: Frame) {
        let chunk = self.area.index(&frame);
        self.put(chunk.expect("a frame goes back to the pool of its own UMEM"));
    }

    /// Chunks free now.
    #[inline]
    pub fn available(&self) -> usize {
        self.free.len()
    }

    /// All chunks of the UMEM, free or not.
    pub fn total(&self) -> usize {
        self.area.frames() as usize
    }

    /// Hands a chunk to a ring.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<u32> {
        self.free.pop()
    }

    /// Takes a chunk that the caller held. The list never grows beyond the number of chunks, which it was made for.
    #[inline]
    pub(crate) fn put(&mut self, chunk: u32) {
        debug_assert!(self.free.len() < self.total(), "a chunk was freed twice");
        self.free.push(chunk);
    }

    /// Whether this is the pool of that memory.
    pub(crate) fn is_of(&self, area: &Arc<Area>) -> bool {
        Arc::ptr_eq(&self.area, area)
    }
}

impl Drop for FramePool {
    fn drop(&mut self) {
        self.area.came_home(self.free.len());
    }
}

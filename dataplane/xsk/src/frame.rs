//! A packet buffer inside a chunk of the UMEM.
//!
//! ```text
//!  chunk (2048 or 4096 bytes, aligned to its size)
//!  ├──────── headroom ────────┼─────── packet ───────┼──── tailroom ────┤
//!  0                        start               start + len           size
//! ```
//!
//! A received packet starts at 256 (`XDP_PACKET_HEADROOM`), which leaves room for tunnel headers in front of it. Every chunk is in
//! exactly one place: a [`FramePool`](crate::FramePool), the rings of one [`Port`](crate::Port), or one `Frame`. That is why a frame
//! is neither `Clone` nor `Copy`, and why no bounds are checked twice: `start + len <= size` holds for every frame there is.
//!
//! Bytes that a frame grows over hold whatever an earlier packet left there; write them before they are sent.

use std::ptr::NonNull;

use crate::HEADROOM;

/// A packet and the chunk it lies in, owned.
///
/// A frame that is dropped instead of given back (to its pool, or to a port for transmission) is lost to its UMEM until the UMEM
/// itself is gone, and the memory is then leaked rather than unmapped. It has no `Drop` on purpose: the packet path moves frames
/// through several vectors, and a destructor would cost a branch at each of them.
#[derive(Debug)]
#[must_use = "a dropped frame is lost to its UMEM: free it or transmit it"]
pub struct Frame {
    chunk: NonNull<u8>,
    size: u16,
    start: u16,
    len: u16,
}

// SAFETY: a frame is the only owner of its chunk (see `Frame::new`), like a box; the memory belongs to the process, not to a thread.
unsafe impl Send for Frame {}
// SAFETY: a shared frame only allows reads.
unsafe impl Sync for Frame {}

impl Frame {
    /// # Safety
    /// The caller MUST own the chunk of `size` bytes at `chunk`: it is mapped and initialised, no other frame and no ring refers to
    /// it, and it stays mapped for as long as the frame exists. `start + len <= size` MUST hold.
    pub(crate) unsafe fn new(chunk: NonNull<u8>, size: u16, start: u16, len: u16) -> Self {
        debug_assert!(u32::from(start) + u32::from(len) <= u32::from(size));
        Self { chunk, size, start, len }
    }

    /// The packet.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `start + len <= size`, the chunk is ours alone while `self` exists and initialised (contract of `new`).
        unsafe { std::slice::from_raw_parts(self.chunk.as_ptr().add(usize::from(self.start)), usize::from(self.len)) }
    }

    /// The packet, to be rewritten in place.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; the exclusive borrow of the frame is the exclusive borrow of its chunk.
        unsafe {
            std::slice::from_raw_parts_mut(self.chunk.as_ptr().add(usize::from(self.start)), usize::from(self.len))
        }
    }

    /// Length of the packet in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether the frame holds no packet.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes free in front of the packet.
    #[inline]
    pub fn headroom(&self) -> usize {
        usize::from(self.start)
    }

    /// Bytes free behind the packet.
    #[inline]
    pub fn tailroom(&self) -> usize {
        usize::from(self.size - self.start - self.len)
    }

    /// Grows the packet by `n` bytes at its front and returns just these; `None` (and no change) when the headroom is smaller.
    #[inline]
    #[must_use]
    pub fn push_front(&mut self, n: usize) -> Option<&mut [u8]> {
        if n > self.headroom() {
            return None;
        }
        self.start -= n as u16;
        self.len += n as u16;
        self.bytes_mut().get_mut(..n)
    }

    /// Takes `n` bytes off the front; `None` (and no change) when the packet is shorter.
    #[inline]
    #[must_use]
    pub fn pull_front(&mut self, n: usize) -> Option<()> {
        if n > self.len() {
            return None;
        }
        self.start += n as u16;
        self.len -= n as u16;
        Some(())
    }

    /// Grows the packet by `n` bytes at its end and returns just these; `None` (and no change) when the tailroom is smaller.
    #[inline]
    #[must_use]
    pub fn extend(&mut self, n: usize) -> Option<&mut [u8]> {
        if n > self.tailroom() {
            return None;
        }
        let old = self.len();
        self.len += n as u16;
        self.bytes_mut().get_mut(old..)
    }

    /// Cuts the packet to at most `len` bytes.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.len = len.min(self.len()) as u16;
    }

    /// Makes the packet `len` bytes long, shorter or longer, at the same start; `None` (and no change) when the chunk ends before.
    #[inline]
    #[must_use]
    pub fn set_len(&mut self, len: usize) -> Option<()> {
        if len > self.len() + self.tailroom() {
            return None;
        }
        self.len = len as u16;
        Some(())
    }

    /// Empties the frame and moves its start back to the standard headroom of 256 bytes.
    #[inline]
    pub fn reset(&mut self) {
        self.start = HEADROOM as u16;
        self.len = 0;
    }

    /// Replaces the packet by a copy of `packet` at the standard headroom; `None` leaves the frame empty when it does not fit.
    #[must_use]
    pub fn copy_from(&mut self, packet: &[u8]) -> Option<()> {
        self.reset();
        self.extend(packet.len())?.copy_from_slice(packet);
        Some(())
    }

    /// Asks the processor to bring the first cache line of the packet closer; a hint without effect on behaviour.
    #[inline(always)]
    pub fn prefetch(&self) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a prefetch reads nothing architecturally, and `start <= size` keeps the address inside the chunk or at its end.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<{ _MM_HINT_T0 }>(self.chunk.as_ptr().add(usize::from(self.start)).cast());
        }
    }

    /// First byte of the chunk.
    pub(crate) fn chunk(&self) -> NonNull<u8> {
        self.chunk
    }
}

#[cfg(test)]
mod tests;

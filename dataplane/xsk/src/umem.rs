//! The packet memory of one worker, and the list of its free chunks.
//!
//! ```text
//!             Umem (one mapping, chunk 0 … chunk n-1)
//!   FramePool ──alloc──▶ Frame ──transmit──▶ tx ▶ kernel ▶ completion ──reap──▶ FramePool
//!       └─────refill──▶ fill ▶ kernel ▶ rx ──receive──▶ Frame ──free──▶ FramePool
//! ```
//!
//! When the pool and all ports are dropped, the mapping is unmapped if every chunk came home to one of them, and leaked if a
//! [`Frame`] is still out: a frame may never point to memory that is gone. Chunks are counted home only when an owner is dropped, so
//! the packet path pays nothing for it.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::XskError;
use crate::frame::Frame;
use crate::map::Mapping;
use crate::words::Pages;

mod pool;

pub use pool::FramePool;

/// Bytes in front of a received packet (`XDP_PACKET_HEADROOM` of the kernel).
pub const HEADROOM: usize = 256;

/// How large a UMEM shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UmemConfig {
    /// Bytes per chunk: 2048, or 4096 where the MTU asks for it.
    pub frame_size: u32,
    /// Number of chunks. Two rings' worth per port is right: one waits in the fill ring, one is under way.
    pub frames: u32,
    /// Try huge pages first.
    pub huge_pages: bool,
}

/// The packet memory of one worker; a handle, the memory lives as long as any pool, port or handle does.
#[derive(Debug, Clone)]
pub struct Umem {
    area: Arc<Area>,
}

impl Umem {
    /// Reserves the memory and returns it with the pool that holds all its chunks.
    pub fn new(config: UmemConfig) -> Result<(Self, FramePool), XskError> {
        if !matches!(config.frame_size, 2048 | 4096) {
            return Err(XskError::FrameSize { size: config.frame_size });
        }
        let bytes = config.frames as usize * config.frame_size as usize;
        if bytes == 0 {
            return Err(XskError::NoFrames);
        }
        let (mapping, pages) =
            Mapping::anonymous(bytes, config.huge_pages).map_err(|source| XskError::Memory { bytes, source })?;
        let area = Arc::new(Area {
            mapping: Some(mapping),
            frame_size: config.frame_size,
            frames: config.frames,
            pages,
            home: AtomicUsize::new(0),
        });
        // SAFETY: the mapping is new, so no chunk of it is anywhere yet.
        let pool = unsafe { FramePool::full(area.clone()) };
        Ok((Self { area }, pool))
    }

    /// Bytes per chunk.
    pub fn frame_size(&self) -> u32 {
        self.area.frame_size
    }

    /// Number of chunks.
    pub fn frames(&self) -> u32 {
        self.area.frames
    }

    /// The pages that back the memory.
    pub fn pages(&self) -> Pages {
        self.area.pages
    }

    pub(crate) fn area(&self) -> &Arc<Area> {
        &self.area
    }
}

/// The mapping and its geometry. Chunks are named by their index in it; who holds which chunk is known to pools, ports and frames.
#[derive(Debug)]
pub(crate) struct Area {
    /// Always present until `drop`.
    mapping: Option<Mapping>,
    frame_size: u32,
    frames: u32,
    pages: Pages,
    /// Chunks held by pools and ports that were dropped: nobody can make a frame of them any more.
    home: AtomicUsize,
}

impl Area {
    pub(crate) fn frame_size(&self) -> u32 {
        self.frame_size
    }

    pub(crate) fn frames(&self) -> u32 {
        self.frames
    }

    /// Address of the first byte.
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.mapping.as_ref().map_or(NonNull::dangling(), Mapping::base)
    }

    /// Bytes of all chunks together.
    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.frames) * u64::from(self.frame_size)
    }

    /// The chunk an offset of the kernel lies in, and the offset inside the chunk; `None` beyond the last chunk.
    #[inline]
    pub(crate) fn locate(&self, address: u64) -> Option<(u32, u16)> {
        if address >= self.bytes() {
            return None;
        }
        let chunk = address >> self.frame_size.trailing_zeros();
        Some((chunk as u32, (address & u64::from(self.frame_size - 1)) as u16))
    }

    /// Offset of a chunk's first byte, as the kernel counts it.
    #[inline]
    pub(crate) fn address(&self, chunk: u32) -> u64 {
        u64::from(chunk) * u64::from(self.frame_size)
    }

    /// The index of a frame's chunk; `None` for a frame of another UMEM.
    #[inline]
    pub(crate) fn index(&self, frame: &Frame) -> Option<u32> {
        let offset = (frame.chunk().as_ptr() as usize).wrapping_sub(self.base().as_ptr() as usize) as u64;
        self.locate(offset).map(|(chunk, _)| chunk)
    }

    /// First byte of a chunk.
    ///
    /// # Panics
    /// When there is no such chunk; indexes come from `locate`, which checks.
    #[inline]
    pub(crate) fn chunk(&self, chunk: u32) -> NonNull<u8> {
        assert!(chunk < self.frames, "chunk {chunk} of {}", self.frames);
        // SAFETY: the chunk lies inside the mapping, which is at least `frames * frame_size` bytes long.
        unsafe { self.base().add(chunk as usize * self.frame_size as usize) }
    }

    /// Makes the frame of a chunk, with the packet at `start .. start + len`.
    ///
    /// # Safety
    /// The caller MUST hold the chunk and give up its claim with this call. `start + len` MUST NOT exceed the frame size.
    #[inline]
    pub(crate) unsafe fn frame(&self, chunk: u32, start: u16, len: u16) -> Frame {
        // SAFETY: the chunk is mapped and initialised (anonymous memory starts as zeroes) and stays mapped while a frame of it is
        // out, see `drop`; sole ownership and bounds are the caller's promise.
        unsafe { Frame::new(self.chunk(chunk), self.frame_size as u16, start, len) }
    }

    /// Counts chunks whose holder is going away together with its claim to them.
    pub(crate) fn came_home(&self, chunks: usize) {
        self.home.fetch_add(chunks, Ordering::Relaxed);
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // `Arc` orders the drops of all holders before this one, so the count is final.
        if *self.home.get_mut() != self.frames as usize {
            #[expect(clippy::disallowed_methods, reason = "frames still point into the mapping: it must never go")]
            std::mem::forget(self.mapping.take());
        }
    }
}

#[cfg(test)]
mod tests;

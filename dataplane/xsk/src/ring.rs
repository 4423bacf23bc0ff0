//! The rings between a port and the kernel: one producer, one consumer, a power of two of entries.
//!
//! ```text
//!   producer side                       consumer side
//!   push, push, … publish ──Release──▶  available (Acquire), pop, pop, … release
//!        room (Acquire)   ◀──Release──  release
//! ```
//!
//! The indexes count up without bound and wrap at 2^32; `index & mask` is the slot. Each side keeps a copy of the other side's index
//! and reads the real one only when the copy says that there is not enough. [`Ring`] is the only place here that touches atomics.

use std::io;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::abi::{Descriptor, RingOffset};
use crate::map::Mapping;

mod consumer;
mod producer;

pub(crate) use consumer::Consumer;
pub(crate) use producer::Producer;

/// What a ring may carry: plain data of which every bit pattern is valid, since the other side writes it.
///
/// # Safety
/// Implemented only for types that are valid for any bytes and at most 16 bytes aligned.
pub(crate) unsafe trait Entry: Copy + Send + 'static {}

// SAFETY: any bytes are a valid integer.
unsafe impl Entry for u64 {}
// SAFETY: three integers without padding.
unsafe impl Entry for Descriptor {}

/// `XDP_RING_NEED_WAKEUP`: the kernel waits for a system call before it looks at the ring again.
const NEED_WAKEUP: u32 = 1;

/// The shared words and the entries of one ring.
#[derive(Debug)]
struct Ring<E> {
    memory: Arc<Mapping>,
    offset: RingOffset,
    size: u32,
    entry: PhantomData<E>,
}

/// Both ends of a ring in the memory of this process.
pub(crate) fn pair<E: Entry>(size: u32) -> io::Result<(Producer<E>, Consumer<E>)> {
    // One cache line for each index and the flags, as in the kernel.
    let offset = RingOffset { producer: 0, consumer: 64, flags: 128, desc: 192 };
    let len = mapping_len::<E>(&offset, size);
    let memory = Arc::new(Mapping::anonymous(len, false)?.0);
    Ok((Producer::new(Ring::over(memory.clone(), offset, size)), Consumer::new(Ring::over(memory, offset, size))))
}

/// The producing end of a ring whose other end is the kernel.
pub(crate) fn producer<E: Entry>(memory: Mapping, offset: RingOffset, size: u32) -> Producer<E> {
    Producer::new(Ring::over(Arc::new(memory), offset, size))
}

/// The consuming end of a ring whose other end is the kernel.
pub(crate) fn consumer<E: Entry>(memory: Mapping, offset: RingOffset, size: u32) -> Consumer<E> {
    Consumer::new(Ring::over(Arc::new(memory), offset, size))
}

/// Bytes to map for a ring of `size` entries.
pub(crate) fn mapping_len<E: Entry>(offset: &RingOffset, size: u32) -> usize {
    offset.desc as usize + size as usize * size_of::<E>()
}

impl<E: Entry> Ring<E> {
    /// # Panics
    /// When the ring does not fit its memory, its size is no power of two, or a word of it is misaligned: the layout comes from the
    /// kernel or from `pair`, and the mapping was made to measure.
    fn over(memory: Arc<Mapping>, offset: RingOffset, size: u32) -> Self {
        assert!(size.is_power_of_two() && mapping_len::<E>(&offset, size) <= memory.len());
        assert!([offset.producer, offset.consumer, offset.flags].iter().all(|word| word + 4 <= memory.len() as u64));
        assert!([offset.producer, offset.consumer, offset.flags].iter().all(|word| word % 4 == 0));
        assert!((offset.desc as usize).is_multiple_of(align_of::<E>()));
        Self { memory, offset, size, entry: PhantomData }
    }

    /// The producer index, with all that was written before it was published.
    #[inline]
    fn load_producer(&self) -> u32 {
        self.word(self.offset.producer).load(Ordering::Acquire)
    }

    /// Publishes all entries before `index`.
    #[inline]
    fn store_producer(&self, index: u32) {
        self.word(self.offset.producer).store(index, Ordering::Release);
    }

    /// The consumer index; entries before it have been read and may be overwritten.
    #[inline]
    fn load_consumer(&self) -> u32 {
        self.word(self.offset.consumer).load(Ordering::Acquire)
    }

    /// Gives all entries before `index` back to the producer.
    #[inline]
    fn store_consumer(&self, index: u32) {
        self.word(self.offset.consumer).store(index, Ordering::Release);
    }

    #[inline]
    fn needs_wakeup(&self) -> bool {
        self.word(self.offset.flags).load(Ordering::Relaxed) & NEED_WAKEUP != 0
    }

    fn set_needs_wakeup(&self, needed: bool) {
        self.word(self.offset.flags).store(if needed { NEED_WAKEUP } else { 0 }, Ordering::Relaxed);
    }

    /// # Safety
    /// The slot MUST belong to the calling side: not published (producer), or published and not released (consumer).
    #[inline]
    unsafe fn write(&self, index: u32, entry: E) {
        // SAFETY: in bounds (`slot`); the caller's promise keeps the other side away from it.
        unsafe { self.slot(index).write(entry) }
    }

    /// # Safety
    /// As for `write`.
    #[inline]
    unsafe fn read(&self, index: u32) -> E {
        // SAFETY: in bounds (`slot`), valid for any bytes (`Entry`); the caller's promise keeps the other side away from it.
        unsafe { self.slot(index).read() }
    }

    #[inline]
    fn slot(&self, index: u32) -> NonNull<E> {
        let slot = (index & (self.size - 1)) as usize;
        // SAFETY: `over` checked that `size` entries behind `desc` lie inside the mapping.
        unsafe { self.memory.base().add(self.offset.desc as usize).cast::<E>().add(slot) }
    }

    #[inline]
    fn word(&self, offset: u64) -> &AtomicU32 {
        // SAFETY: `over` checked bounds and alignment; both sides reach these words through atomics only.
        unsafe { self.memory.base().add(offset as usize).cast::<AtomicU32>().as_ref() }
    }
}

#[cfg(test)]
mod tests;

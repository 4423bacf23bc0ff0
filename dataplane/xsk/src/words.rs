//! Shared memory as plain atomic words.
//!
//! The connection table and the server slab live in such memory: a memfd that outlives the process which made it, so it may hold
//! indexes but never pointers. A mapping is only ever reached as `&[AtomicU64]`, which any number of threads and processes may use
//! at once without a data race; that is what keeps the table itself free of `unsafe`.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

/// Which pages back a mapping; what was obtained, not what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pages {
    /// Ordinary pages of the machine (4 KiB on x86-64).
    Small,
    /// Transparent huge pages were accepted by `madvise`; the kernel may still use small ones.
    Advised,
    /// Explicit huge pages (`MFD_HUGETLB`), 2 MiB.
    Huge,
}

/// A memfd of `len` zero-initialised 64-bit words, mapped shared.
#[derive(Debug)]
pub struct SharedWords {
    base: NonNull<AtomicU64>,
    len: usize,
    mapped: usize,
    pages: Pages,
    fd: OwnedFd,
}

// SAFETY: the mapping is only handed out as `&[AtomicU64]`, whose operations are sound from any thread.
unsafe impl Send for SharedWords {}
// SAFETY: as above.
unsafe impl Sync for SharedWords {}

const HUGE_PAGE: usize = 2 << 20;

impl SharedWords {
    /// Makes a memfd of `len` words. With `huge`, explicit huge pages are tried first, then advised ones; [`SharedWords::pages`]
    /// says what came of it.
    ///
    /// # Errors
    /// The error of `memfd_create`, `ftruncate` or `mmap`; `InvalidInput` when `len` is 0 or its size in bytes overflows.
    pub fn new(name: &std::ffi::CStr, len: usize, huge: bool) -> io::Result<Self> {
        let bytes = bytes_of(len)?;
        if huge {
            let mapped = bytes.next_multiple_of(HUGE_PAGE);
            let made = memfd(name, libc::MFD_HUGETLB, mapped).and_then(|fd| Self::map(fd, len, mapped, Pages::Huge));
            if let Ok(words) = made {
                return Ok(words);
            }
        }
        let mut words = Self::map(memfd(name, 0, bytes)?, len, bytes, Pages::Small)?;
        if huge {
            words.advise();
        }
        Ok(words)
    }

    /// Maps a memfd that another process (or an earlier life of this one) made; its length comes from the file.
    ///
    /// # Errors
    /// `InvalidData` when the file is empty or no whole number of words, else the error of `fstat` or `mmap`.
    pub fn attach(fd: OwnedFd) -> io::Result<Self> {
        let file = File::from(fd);
        let bytes = usize::try_from(file.metadata()?.len()).map_err(|_| io::ErrorKind::InvalidData)?;
        if bytes == 0 || !bytes.is_multiple_of(size_of::<u64>()) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("shared memory of {bytes} bytes is no whole number of words"),
            ));
        }
        Self::map(file.into(), bytes / size_of::<u64>(), bytes, Pages::Small)
    }

    /// The pages that back the mapping.
    pub fn pages(&self) -> Pages {
        self.pages
    }

    fn map(fd: OwnedFd, len: usize, mapped: usize, pages: Pages) -> io::Result<Self> {
        // SAFETY: a fresh shared mapping chosen by the kernel; it aliases nothing of ours.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                mapped,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { base, len, mapped, pages, fd })
    }

    fn advise(&mut self) {
        // SAFETY: the range is our own live mapping; MADV_HUGEPAGE changes no contents.
        let advised = unsafe { libc::madvise(self.base.as_ptr().cast(), self.mapped, libc::MADV_HUGEPAGE) } == 0;
        let shmem = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/shmem_enabled").unwrap_or_default();
        if advised && !shmem.contains("[never]") && !shmem.contains("[deny]") {
            self.pages = Pages::Advised;
        }
    }
}

impl Deref for SharedWords {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: `base` points to `len` words mapped readable and writable until `drop`; page alignment exceeds that of a word, any
        // bit pattern is a valid `AtomicU64`, and the memory is reached through atomics alone.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }
}

impl AsFd for SharedWords {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` with this length, and no reference to it outlives `self`.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.mapped) };
    }
}

/// Asks the processor to bring the cache line of `word` closer; a hint without effect on behaviour.
#[inline(always)]
pub fn prefetch(word: &AtomicU64) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: prefetching reads nothing architecturally and the address is valid anyway.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(std::ptr::from_ref(word).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = word;
}

fn bytes_of(len: usize) -> io::Result<usize> {
    len.checked_mul(size_of::<u64>())
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("shared memory of {len} words")))
}

fn memfd(name: &std::ffi::CStr, flags: libc::c_uint, bytes: usize) -> io::Result<OwnedFd> {
    // SAFETY: `name` is a valid C string; the call makes a new descriptor.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and nobody else owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let size = libc::off_t::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: plain system call on a descriptor we own.
    if unsafe { libc::ftruncate(fd.as_raw_fd(), size) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(fd)
}

#[cfg(test)]
mod tests;

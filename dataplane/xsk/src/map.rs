//! A memory mapping that is unmapped when it is dropped.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

use crate::words::Pages;

const HUGE_PAGE: usize = 2 << 20;

/// One mapping, readable and writable, reached through raw pointers only: who may touch which byte at what time is the contract
/// of the module that owns it (UMEM or ring).
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping is plain memory of the process, bound to no thread; it hands out no references.
unsafe impl Send for Mapping {}
// SAFETY: as above, all its methods only tell the address and the length.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Anonymous zeroed private memory of at least `len` bytes, every page of it present. With `huge`, explicit huge pages are tried
    /// first, then advised ones; the answer says which pages it became.
    ///
    /// A child process does not inherit it (`MADV_DONTFORK`): the pages are pinned by the kernel, and a copy of them in every
    /// forked script would cost time and mean nothing.
    pub(crate) fn anonymous(len: usize, huge: bool) -> io::Result<(Self, Pages)> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        if huge {
            let rounded = len.next_multiple_of(HUGE_PAGE);
            if let Ok(mapping) = Self::map(rounded, flags | libc::MAP_HUGETLB | libc::MAP_POPULATE, -1, 0) {
                mapping.advise(libc::MADV_DONTFORK)?;
                return Ok((mapping, Pages::Huge));
            }
        }
        let mapping = Self::map(len, flags, -1, 0)?;
        mapping.advise(libc::MADV_DONTFORK)?;
        let advised = huge && transparent_huge_pages() && mapping.advise(libc::MADV_HUGEPAGE).is_ok();
        mapping.advise(libc::MADV_POPULATE_WRITE)?;
        Ok((mapping, if advised { Pages::Advised } else { Pages::Small }))
    }

    /// The memory that a descriptor offers at `offset`, shared with the kernel.
    pub(crate) fn of_descriptor(fd: BorrowedFd<'_>, len: usize, offset: i64) -> io::Result<Self> {
        Self::map(len, libc::MAP_SHARED | libc::MAP_POPULATE, fd.as_raw_fd(), offset)
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    fn map(len: usize, flags: libc::c_int, fd: libc::c_int, offset: i64) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a fresh mapping at an address of the kernel's choice; it aliases nothing of ours.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, fd, offset) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { base, len })
    }

    fn advise(&self, advice: libc::c_int) -> io::Result<()> {
        // SAFETY: the range is our own live mapping, and none of the advices used here changes its contents.
        if unsafe { libc::madvise(self.base.as_ptr().cast(), self.len, advice) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: made by `map` with this length; the owner of the mapping keeps no pointer into it beyond its drop.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}

fn transparent_huge_pages() -> bool {
    let enabled = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    enabled.contains("[always]") || enabled.contains("[madvise]")
}

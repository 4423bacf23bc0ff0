//! System calls as `io::Result`.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Plain data that may cross the system call boundary in both directions.
///
/// # Safety
/// Implemented only for types without padding, pointers or invalid bit patterns.
pub(crate) unsafe trait Plain: Copy {}

// SAFETY: any bytes are a valid integer.
unsafe impl Plain for i32 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: `repr(C)` integers without padding, see the asserts in `abi`.
unsafe impl Plain for crate::abi::UmemRegistration {}
// SAFETY: as above.
unsafe impl Plain for crate::abi::MmapOffsets {}
// SAFETY: as above.
unsafe impl Plain for crate::abi::XdpStatistics {}

/// `socket(2)` with close-on-exec.
pub(crate) fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: plain system call.
    let fd = check(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) })?;
    // SAFETY: the descriptor was just made and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `setsockopt(2)`.
pub(crate) fn set_option<T: Plain>(fd: BorrowedFd<'_>, level: i32, name: i32, value: &T) -> io::Result<()> {
    let pointer = std::ptr::from_ref(value).cast();
    // SAFETY: the kernel reads `size_of::<T>()` bytes of a live value without padding.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, pointer, size_of::<T>() as libc::socklen_t) })?;
    Ok(())
}

/// `getsockopt(2)`; an answer shorter than `T` (an older kernel) leaves the rest zero.
pub(crate) fn option<T: Plain>(fd: BorrowedFd<'_>, level: i32, name: i32) -> io::Result<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    let mut len = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes into `value`.
    check(unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, value.as_mut_ptr().cast(), &raw mut len) })?;
    // SAFETY: zeroed before, and any bytes are a valid `T` (`Plain`).
    Ok(unsafe { value.assume_init() })
}

/// `bind(2)` of an AF_XDP socket.
pub(crate) fn bind(fd: BorrowedFd<'_>, address: &crate::abi::Address) -> io::Result<()> {
    let pointer = std::ptr::from_ref(address).cast();
    // SAFETY: the kernel reads the 16 bytes of a live `sockaddr_xdp`.
    check(unsafe { libc::bind(fd.as_raw_fd(), pointer, size_of_val(address) as libc::socklen_t) })?;
    Ok(())
}

/// Tells the kernel to look at a TX ring: an empty `sendto`, which must not block (else EOPNOTSUPP).
#[inline]
pub(crate) fn kick(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no buffer and no address are passed.
    let sent = unsafe { libc::sendto(fd.as_raw_fd(), std::ptr::null(), 0, libc::MSG_DONTWAIT, std::ptr::null(), 0) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Tells the kernel to look at a fill ring: an empty `recvfrom`.
#[inline]
pub(crate) fn wake(fd: BorrowedFd<'_>) -> io::Result<()> {
    let (buffer, address, len) = (std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: no buffer and no address are passed.
    let received = unsafe { libc::recvfrom(fd.as_raw_fd(), buffer, 0, libc::MSG_DONTWAIT, address, len) };
    if received < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The last error when a system call answered a negative number.
pub(crate) fn check(answer: libc::c_int) -> io::Result<libc::c_int> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

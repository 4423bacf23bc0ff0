//! System calls as `io::Result`.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

mod interface;

pub(crate) use interface::{ethtool_channels, ethtool_driver, make_tap, set_interface_up};

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

/// `send(2)` of a whole message.
pub(crate) fn send(fd: BorrowedFd<'_>, message: &[u8]) -> io::Result<()> {
    // SAFETY: the kernel reads the bytes of a live slice.
    let sent = unsafe { libc::send(fd.as_raw_fd(), message.as_ptr().cast(), message.len(), 0) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// `recv(2)` of one message.
pub(crate) fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the kernel writes at most the length of a live slice.
    let received = unsafe { libc::recv(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
    usize::try_from(received).map_err(|_| io::Error::last_os_error())
}

/// `write(2)`.
pub(crate) fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the kernel reads the bytes of a live slice.
    let written = unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
    usize::try_from(written).map_err(|_| io::Error::last_os_error())
}

/// `read(2)`.
pub(crate) fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the kernel writes at most the length of a live slice.
    let count = unsafe { libc::read(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// A non-blocking eventfd, starting at zero.
pub(crate) fn eventfd() -> io::Result<OwnedFd> {
    // SAFETY: plain system call.
    let fd = check(unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) })?;
    // SAFETY: the descriptor was just made and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `ppoll(2)`; an interrupting signal counts as nothing ready.
pub(crate) fn poll(entries: &mut [libc::pollfd], timeout: Duration) -> io::Result<usize> {
    let timeout = libc::timespec {
        tv_sec: timeout.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    let count = entries.len() as libc::nfds_t;
    // SAFETY: the kernel reads and writes the entries of a live slice; no signal mask is passed.
    let ready = unsafe { libc::ppoll(entries.as_mut_ptr(), count, &raw const timeout, std::ptr::null()) };
    match usize::try_from(ready) {
        Ok(ready) => Ok(ready),
        Err(_) => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            error => Err(error),
        },
    }
}

/// The last error when a system call answered a negative number.
pub(crate) fn check(answer: libc::c_int) -> io::Result<libc::c_int> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

/// `bind(2)` of an `AF_PACKET` socket that receives nothing.
pub(crate) fn bind_link(fd: BorrowedFd<'_>, ifindex: u32) -> io::Result<()> {
    // SAFETY: all zeroes are a valid address.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_ifindex = i32::try_from(ifindex).map_err(|_| io::ErrorKind::InvalidInput)?;
    let pointer = std::ptr::from_ref(&address).cast();
    // SAFETY: the kernel reads a live address of that size.
    check(unsafe { libc::bind(fd.as_raw_fd(), pointer, size_of_val(&address) as libc::socklen_t) })?;
    Ok(())
}

/// `sched_setscheduler(2)` for the calling thread; not inherited.
pub(crate) fn set_realtime(priority: i32) -> io::Result<()> {
    let parameter = libc::sched_param { sched_priority: priority };
    // SAFETY: the kernel reads a live parameter.
    check(unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const parameter) })?;
    Ok(())
}

/// `mlockall(2)` of what is and comes, page by page as it is touched.
pub(crate) fn lock_memory() -> io::Result<()> {
    // SAFETY: plain system call.
    check(unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT) })?;
    Ok(())
}

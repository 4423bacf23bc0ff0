//! The `ioctl`s of network interfaces.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::check;

const ETHTOOL_GDRVINFO: u32 = 3;
const ETHTOOL_GCHANNELS: u32 = 0x3c;
const SIOCETHTOOL: libc::Ioctl = 0x8946;

/// `struct ethtool_drvinfo`.
#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [u8; 32],
    rest: [u8; 128 + 12],
    counts: [u32; 5],
}

/// `struct ethtool_channels`.
#[repr(C)]
#[derive(Default)]
struct Channels {
    command: u32,
    maxima: [u32; 4],
    rx: u32,
    tx: u32,
    other: u32,
    combined: u32,
}

const _: () = assert!(size_of::<DriverInfo>() == 196 && size_of::<Channels>() == 36);

/// Name of an interface's driver.
pub(crate) fn ethtool_driver(socket: BorrowedFd<'_>, name: &str) -> io::Result<String> {
    let mut info = DriverInfo { command: ETHTOOL_GDRVINFO, driver: [0; 32], rest: [0; 140], counts: [0; 5] };
    // SAFETY: ETHTOOL_GDRVINFO answers with a `struct ethtool_drvinfo`, and `info` is one.
    unsafe { ethtool(socket, name, &mut info)? };
    let end = info.driver.iter().position(|byte| *byte == 0).unwrap_or(info.driver.len());
    Ok(String::from_utf8_lossy(&info.driver[..end]).into_owned())
}

/// Receiving and sending queues of an interface in use now.
pub(crate) fn ethtool_channels(socket: BorrowedFd<'_>, name: &str) -> io::Result<(u32, u32)> {
    let mut channels = Channels { command: ETHTOOL_GCHANNELS, ..Channels::default() };
    // SAFETY: ETHTOOL_GCHANNELS answers with a `struct ethtool_channels`, and `channels` is one.
    unsafe { ethtool(socket, name, &mut channels)? };
    Ok((channels.rx + channels.combined, channels.tx + channels.combined))
}

/// `IFF_*` flags of an interface.
fn interface_flags(socket: BorrowedFd<'_>, name: &str) -> io::Result<i16> {
    let mut request = request(name)?;
    // SAFETY: SIOCGIFFLAGS reads the name and writes the flags of a live `ifreq`.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request) })?;
    // SAFETY: the kernel just wrote this member; any bytes are a valid integer.
    Ok(unsafe { request.ifr_ifru.ifru_flags })
}

/// Sets the flag `IFF_UP` of an interface.
pub(crate) fn set_interface_up(socket: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let mut request = request(name)?;
    request.ifr_ifru.ifru_flags = interface_flags(socket, name)? | libc::IFF_UP as i16;
    // SAFETY: SIOCSIFFLAGS reads name and flags of a live `ifreq`.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw mut request) })?;
    Ok(())
}

/// Makes an open `/dev/net/tun` a TAP interface without packet information; the kernel may fill in the name (`tap%d`), which comes
/// back.
pub(crate) fn make_tap(tun: BorrowedFd<'_>, name: &str) -> io::Result<String> {
    let mut request = request(name)?;
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as i16;
    // SAFETY: TUNSETIFF reads name and flags of a live `ifreq` and writes the name.
    check(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF as libc::Ioctl, &raw mut request) })?;
    let name = request.ifr_name.iter().take_while(|letter| **letter != 0).map(|letter| *letter as u8).collect();
    String::from_utf8(name).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// # Safety
/// `answer` MUST be the structure that its own command (its first field) makes the kernel read and write.
unsafe fn ethtool<T>(socket: BorrowedFd<'_>, name: &str, answer: &mut T) -> io::Result<()> {
    let mut request = request(name)?;
    request.ifr_ifru.ifru_data = std::ptr::from_mut(answer).cast();
    // SAFETY: the request points to a live structure of the right kind, by the caller's promise.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) })?;
    Ok(())
}

fn request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: all members of `ifreq` are plain data, for which zeroes are valid.
    let mut request: libc::ifreq = unsafe { MaybeUninit::zeroed().assume_init() };
    if name.is_empty() || name.len() >= request.ifr_name.len() || name.contains('\0') {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is no interface name")));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(request)
}

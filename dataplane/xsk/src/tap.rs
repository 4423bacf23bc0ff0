//! A TAP interface, through which packets that the pipeline does not want are handed to the kernel as if a network card had them.
//!
//! Packets of any client may come this way, to addresses the host itself has. So that the kernel does not drop them as martians,
//! reverse path filtering is loose on it (the kernel uses the largest of the values for `all` and for the interface) and local
//! source addresses are accepted. Loose filtering still drops everything on an interface that has no IPv4 address at all
//! (`__fib_validate_source` in net/ipv4/fib_frontend.c), so it gets the dummy address of RFC 7600, of host scope. It asks for no
//! IPv6 address, which the kernel does not need.

use std::fs::{File, OpenOptions};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use crate::device::Device;
use crate::error::XskError;
use crate::netlink;
use crate::sys;

/// A TAP interface that exists as long as this value, or at the longest as long as the process.
#[derive(Debug)]
pub struct Tap {
    file: File,
    name: String,
    index: u32,
    mac: [u8; 6],
}

/// Family, key and value; the directory of IPv6 may be missing, when the kernel has none.
const SETTINGS: [(&str, &str, &str); 6] = [
    ("ipv4", "rp_filter", "2"),
    ("ipv4", "accept_local", "1"),
    // No address means no duplicate detection, no router solicitation, no multicast listener reports.
    ("ipv6", "accept_dad", "0"),
    ("ipv6", "accept_ra", "0"),
    ("ipv6", "addr_gen_mode", "1"),
    ("ipv6", "disable_ipv6", "0"),
];

/// "IPv4 dummy address" of RFC 7600, which no host has.
const DUMMY_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);

impl Tap {
    /// Makes the interface in the network namespace of the calling thread and configures it; it is still down.
    pub fn open(name: &str) -> Result<Self, XskError> {
        let tap = Self::make(name).map_err(|source| XskError::NoDevice { name: name.to_string(), source })?;
        for (family, key, value) in SETTINGS {
            tap.set(family, key, value)?;
        }
        netlink::add_host_address(tap.index, DUMMY_ADDRESS).map_err(|source| XskError::Address {
            device: tap.name.clone(),
            address: DUMMY_ADDRESS.into(),
            source,
        })?;
        Ok(tap)
    }

    /// Sets the interface up.
    pub fn up(&self) -> io::Result<()> {
        let socket = sys::socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
        sys::set_interface_up(socket.as_fd(), &self.name)
    }

    /// Hands a packet with its Ethernet header to the kernel, which takes it only if the destination is [`Tap::mac`] or a multicast
    /// address. Never blocks.
    ///
    /// # Errors
    /// `WouldBlock` when the kernel cannot take it now, EIO when the interface is down, EINVAL when it is too short.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        sys::write(self.file.as_fd(), packet).map(drop)
    }

    /// A packet the kernel sent to the interface; its length.
    ///
    /// # Errors
    /// `WouldBlock` when there is none.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        sys::read(self.file.as_fd(), buffer)
    }

    /// Name of the interface.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Interface index.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Ethernet address of the kernel's side.
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    fn make(name: &str) -> io::Result<Self> {
        let flags = libc::O_NONBLOCK | libc::O_CLOEXEC;
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open("/dev/net/tun")?;
        let name = sys::make_tap(file.as_fd(), name)?;
        let device = Device::find(&name).map_err(io::Error::other)?;
        Ok(Self { file, index: device.index(), mac: device.mac(), name })
    }

    fn set(&self, family: &str, key: &str, value: &'static str) -> Result<(), XskError> {
        let directory = format!("/proc/sys/net/{family}/conf/{}", self.name);
        if family == "ipv6" && !std::path::Path::new(&directory).exists() {
            return Ok(());
        }
        let key = format!("{directory}/{key}");
        std::fs::write(&key, value).map_err(|source| XskError::Sysctl { key, value, source })
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

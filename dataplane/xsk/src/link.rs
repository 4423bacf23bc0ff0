//! A socket that sends whole Ethernet frames, for what no socket of the IP layer can say: gratuitous ARP and the like.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::sys;

/// Sends on one interface and receives nothing (`packet(7)` with protocol 0).
#[derive(Debug)]
pub struct LinkSocket(OwnedFd);

impl LinkSocket {
    /// On the interface with this index.
    ///
    /// # Errors
    /// Without `CAP_NET_RAW`, or when there is no such interface.
    pub fn open(ifindex: u32) -> io::Result<Self> {
        let socket = sys::socket(libc::AF_PACKET, libc::SOCK_RAW, 0)?;
        sys::bind_link(socket.as_fd(), ifindex)?;
        Ok(Self(socket))
    }

    /// Sends a frame without its check sequence; waits while the queue of the interface is full.
    ///
    /// # Errors
    /// Those of `send(2)`: ENETDOWN when the interface is down.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        sys::send(self.0.as_fd(), frame)
    }
}

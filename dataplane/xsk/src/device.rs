//! What must be known about a network device before sockets are bound to it.

use std::io;
use std::os::fd::AsFd;

use crate::error::XskError;
use crate::netlink::{self, LinkInfo, Which};
use crate::sys;
use crate::umem::HEADROOM;

/// A network device as it was when asked for. Ask again after the steering program was attached: some drivers change their queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    link: LinkInfo,
    driver: String,
    rx_queues: u32,
    tx_queues: u32,
}

/// Bytes of an Ethernet header and of two VLAN tags.
const LINK_HEADERS: u32 = 14 + 8;

impl Device {
    /// The device of that name in the network namespace of the calling thread.
    pub fn find(name: &str) -> Result<Self, XskError> {
        Self::ask(Which::Name(name)).map_err(|source| XskError::NoDevice { name: name.to_string(), source })
    }

    /// The same device as it is now.
    pub fn refresh(&self) -> Result<Self, XskError> {
        Self::ask(Which::Index(self.index()))
            .map_err(|source| XskError::NoDevice { name: self.name().to_string(), source })
    }

    /// Name of the interface.
    pub fn name(&self) -> &str {
        &self.link.name
    }

    /// Interface index.
    pub fn index(&self) -> u32 {
        self.link.index
    }

    /// Ethernet address.
    pub fn mac(&self) -> [u8; 6] {
        self.link.mac
    }

    /// Largest IP packet in bytes.
    pub fn mtu(&self) -> u32 {
        self.link.mtu
    }

    /// Name of the driver, empty when it tells none.
    pub fn driver(&self) -> &str {
        &self.driver
    }

    /// Queues that receive.
    pub fn rx_queues(&self) -> u32 {
        self.rx_queues
    }

    /// Queues that send.
    pub fn tx_queues(&self) -> u32 {
        self.tx_queues
    }

    /// Whether the interface is up and has a carrier.
    pub fn is_running(&self) -> bool {
        let wanted = (libc::IFF_UP | libc::IFF_RUNNING) as u32;
        self.link.flags & wanted == wanted
    }

    /// Id of the XDP program attached now.
    pub fn xdp_program(&self) -> Option<u32> {
        Some(self.link.xdp).filter(|id| *id != 0)
    }

    /// Whether its packets may carry only the pseudo-header sum in their TCP or UDP checksum: peers on the same machine leave the
    /// rest to hardware that never comes.
    pub fn may_carry_partial_checksums(&self) -> bool {
        matches!(self.driver.as_str(), "veth" | "tun" | "virtio_net" | "vif" | "bridge" | "macvlan" | "dummy" | "")
    }

    /// Refuses a frame size that the MTU with two VLAN tags does not fit: the kernel would drop the longer packets silently.
    pub fn check_frame_size(&self, frame_size: u32) -> Result<(), XskError> {
        let needed = self.mtu().saturating_add(LINK_HEADERS + HEADROOM as u32);
        if needed > frame_size {
            return Err(XskError::Mtu { device: self.name().to_string(), mtu: self.mtu(), needed, frame_size });
        }
        Ok(())
    }

    /// Refuses a queue the device does not have, in either direction. In copy mode a socket on a queue without a sending
    /// counterpart transmits nothing, and nobody says so.
    pub fn check_queue(&self, queue: u32) -> Result<(), XskError> {
        for (direction, queues) in [("receive", self.rx_queues), ("transmit", self.tx_queues)] {
            if queue >= queues {
                return Err(XskError::NoQueue { device: self.name().to_string(), direction, queue, queues });
            }
        }
        Ok(())
    }

    fn ask(which: Which<'_>) -> io::Result<Self> {
        let link = netlink::link(which)?;
        let socket = sys::socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
        let driver = sys::ethtool_driver(socket.as_fd(), &link.name).unwrap_or_default();
        // A driver without the channel question has a fixed number of queues, which netlink told.
        let (rx_queues, tx_queues) =
            sys::ethtool_channels(socket.as_fd(), &link.name).unwrap_or((link.rx_queues, link.tx_queues));
        Ok(Self { link, driver, rx_queues, tx_queues })
    }
}

#[cfg(test)]
mod tests;

//! Asking the loaded program what it would do with a packet.

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::AsFd;

use super::Steering;
use crate::bpf::{self, Ingress};
use crate::error::XskError;

/// What the program decides about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes to the kernel.
    Pass,
    /// It goes to the socket of its queue.
    Redirect,
    /// It is for a worker, but its queue has no socket.
    Unserved,
    /// A verdict this program never gives.
    Other(u32),
}

/// A service that exists only during a self-test: UDP to an address of the discard prefix (RFC 6666), which no real packet has.
pub(crate) struct Probe {
    address: Ipv6Addr,
    port: u16,
}

pub(crate) const PROBE: Probe =
    Probe { address: Ipv6Addr::new(0x100, 0, 0, 0, 0x6865, 0x6164, 0x6761, 0x7465), port: 9 };

impl Probe {
    /// The probe's service, for the maps.
    pub(super) fn service(&self) -> (IpAddr, u8, u16) {
        (IpAddr::V6(self.address), libc::IPPROTO_UDP as u8, self.port)
    }

    /// A UDP packet to the probe's service. Its checksum is wrong on purpose: if it ever leaks, nobody takes it.
    pub(crate) fn packet(&self, mac: [u8; 6]) -> Vec<u8> {
        let payload = b"headgate self-test";
        let len = (8 + payload.len() as u16).to_be_bytes();
        let mut packet = Vec::with_capacity(14 + 40 + 8 + payload.len());
        packet.extend(mac);
        packet.extend([2, 0, 0, 0, 0, 1, 0x86, 0xdd]);
        packet.extend([0x60, 0, 0, 0, len[0], len[1], libc::IPPROTO_UDP as u8, 1]);
        packet.extend(self.address.octets());
        packet.extend(self.address.octets());
        packet.extend(self.port.to_be_bytes());
        packet.extend(self.port.to_be_bytes());
        packet.extend(len);
        packet.extend([0, 0]);
        packet.extend(payload);
        packet
    }
}

impl Steering {
    /// Runs `test` while the probe is a service.
    pub(crate) fn with_probe<T>(&mut self, test: impl FnOnce(&Self) -> T) -> Result<T, XskError> {
        let (address, protocol, port) = PROBE.service();
        self.maps.add_service(address, protocol, port)?;
        let outcome = test(self);
        self.maps.remove_service(address, protocol, port)?;
        Ok(outcome)
    }

    /// What the program would do with a packet (Ethernet, at least 14 bytes) that came in on a device and queue. Nothing happens to
    /// the packet, but it is counted.
    pub fn ask(&self, packet: &[u8], device: u32, queue: u32) -> io::Result<Verdict> {
        bpf::test_run(self.program.as_fd(), packet, Some(Ingress { ifindex: device, queue })).map(verdict)
    }

    /// Lets the program treat a packet as if it had come in on queue 0 of a device.
    pub(crate) fn inject(&self, packet: &[u8], device: u32) -> io::Result<()> {
        bpf::live_run(self.program.as_fd(), packet, device)
    }
}

/// The kernel's `enum xdp_action`.
fn verdict(action: u32) -> Verdict {
    match action {
        1 => Verdict::Unserved,
        2 => Verdict::Pass,
        4 => Verdict::Redirect,
        other => Verdict::Other(other),
    }
}

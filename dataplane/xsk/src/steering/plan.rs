//! What is to be steered, in the words of the data plane.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// Ports of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortMatch {
    /// All ports.
    Any,
    /// One port.
    One(u16),
    /// From the first to the second, both included.
    Range(u16, u16),
}

/// A service as far as steering knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    /// The VIP.
    pub addr: IpAddr,
    /// IP protocol number: 6 (TCP), 17 (UDP) or 132 (SCTP).
    pub protocol: u8,
    /// Its ports.
    pub ports: PortMatch,
}

/// All that is to be taken from the kernel, and what never is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SteeringMaps {
    /// Packets to these are taken.
    pub services: BTreeSet<ServiceKey>,
    /// Packets from these (address, protocol, port; port 0 means any) are taken: replies that have to be translated back.
    pub nat_servers: BTreeSet<(IpAddr, u8, u16)>,
    /// ICMP errors about tunnel packets to these are taken.
    pub tunnel_servers: BTreeSet<IpAddr>,
    /// Addresses of this host: replies of servers to them (health checks) pass.
    pub local: BTreeSet<IpAddr>,
    /// Link-layer addresses beside the devices' own for which packets are taken.
    pub macs: BTreeSet<[u8; 6]>,
}

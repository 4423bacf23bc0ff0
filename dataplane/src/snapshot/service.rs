//! Virtual services and their servers, and which service a packet belongs to.

use std::net::IpAddr;
use std::sync::Arc;

use super::egress::{FastMap, Way};
use crate::sched;
use crate::servers::ServerId;

/// How packets reach a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Forward {
    /// Addresses and ports are rewritten, replies come back through us.
    Nat = 0,
    /// Only the next hop changes; the server holds the VIP.
    Dr = 1,
    /// As [`Forward::Dr`], in an IP-in-IP packet.
    Tunnel = 2,
    /// The server is this host: the kernel's stack gets the packet unchanged.
    Local = 3,
}

impl Forward {
    pub fn name(self) -> &'static str {
        match self {
            Self::Nat => "nat",
            Self::Dr => "dr",
            Self::Tunnel => "tunnel",
            Self::Local => "local",
        }
    }
}

/// The ports of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ports {
    /// Port 0: all ports. Persistent services only.
    Any,
    One(u16),
    /// First and last, both included.
    Range(u16, u16),
}

/// Clients come back to the same server for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Persistence {
    /// Seconds a template lives after the last new connection.
    pub timeout_s: u32,
    /// Bits of the client's address that count.
    pub prefix_len: u8,
}

/// A virtual service.
#[derive(Debug, Clone)]
pub struct Service {
    pub name: Arc<str>,
    pub protocol: u8,
    pub address: IpAddr,
    pub ports: Ports,
    /// Every datagram is scheduled anew and no connection is kept (UDP).
    pub one_packet: bool,
    pub persistence: Option<Persistence>,
    /// The servers in IPVS list order, and the scheduler over them; the same one in all snapshots until it is edited, so that its
    /// position goes on.
    pub pool: Arc<sched::Pool>,
}

/// A server of a service.
#[derive(Debug, Clone)]
pub struct Server {
    pub id: ServerId,
    /// Index in [`Services`].
    pub service: u32,
    pub address: IpAddr,
    /// 0 = the packet keeps its destination port.
    pub port: u16,
    pub weight: u32,
    pub forward: Forward,
    /// Filled by [`super::Snapshot::new`].
    pub way: Way,
}

/// All services, with the order of lookup of `ip_vs_service_find`: the exact port, a range, then port 0.
#[derive(Debug, Default)]
pub struct Services {
    list: Vec<Service>,
    by_address: FastMap<(u8, IpAddr), PortMap>,
}

#[derive(Debug, Default)]
struct PortMap {
    exact: FastMap<u16, u32>,
    ranges: Vec<(u16, u16, u32)>,
    any: Option<u32>,
}

impl Services {
    pub(super) fn new(list: Vec<Service>) -> Self {
        let mut by_address: FastMap<_, PortMap> = FastMap::default();
        for (index, service) in list.iter().enumerate() {
            let map = by_address.entry((service.protocol, service.address)).or_default();
            match service.ports {
                Ports::One(port) => {
                    map.exact.insert(port, index as u32);
                }
                Ports::Range(first, last) => map.ranges.push((first, last, index as u32)),
                Ports::Any => map.any = Some(index as u32),
            }
        }
        Self { list, by_address }
    }

    /// The service of a packet to `address`:`port`, with its index.
    pub fn find(&self, protocol: u8, address: IpAddr, port: u16) -> Option<&Service> {
        let map = self.by_address.get(&(protocol, address))?;
        let index = map
            .exact
            .get(&port)
            .copied()
            .or_else(|| {
                map.ranges.iter().find(|(first, last, _)| (*first..=*last).contains(&port)).map(|range| range.2)
            })
            .or(map.any)?;
        self.list.get(index as usize)
    }

    pub fn get(&self, index: u32) -> Option<&Service> {
        self.list.get(index as usize)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Service> {
        self.list.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether `address` is the address of any service.
    pub fn is_vip(&self, address: IpAddr) -> bool {
        self.list.iter().any(|service| service.address == address)
    }
}

//! What the control side tells the workers: one immutable value, published whole.
//!
//! A worker looks at the newest snapshot once per burst. Nothing in it changes after it was built, except the atomic scheduler state
//! inside [`Service::pool`]. Published snapshots are freed by the publisher, never by a worker (see [`crate::runtime::Publisher`]).

pub mod egress;
pub mod service;

use std::collections::BTreeSet;
use std::net::IpAddr;

pub use egress::{Device, DeviceId, Egress, Hop, HopId, HopKind, L2, Network};
pub use service::{Forward, Persistence, Ports, Server, Service, Services};

use crate::servers::ServerId;
use crate::state::Timeouts;

/// The IPVS sysctls that the packet path reads, and the timeouts; names and defaults are the kernel's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub timeouts: Timeouts,
    pub conn_reuse_mode: u8,
    pub expire_nodest_conn: bool,
    pub expire_quiescent_template: bool,
    pub nat_icmp_send: bool,
    pub pmtu_disc: bool,
    pub schedule_icmp: bool,
    pub secure_tcp: bool,
    pub sloppy_tcp: bool,
    /// ICMP errors a worker may send per second, with a burst of a tenth; 0 = no limit. Not an IPVS sysctl: the kernel's
    /// `icmp_msgs_per_sec` does this there.
    pub icmp_per_second: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeouts: Timeouts::default(),
            conn_reuse_mode: 1,
            expire_nodest_conn: false,
            expire_quiescent_template: false,
            nat_icmp_send: false,
            pmtu_disc: true,
            schedule_icmp: false,
            secure_tcp: false,
            sloppy_tcp: false,
            icmp_per_second: 1000,
        }
    }
}

/// One consistent view of configuration, health and network.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub generation: u64,
    pub settings: Settings,
    pub services: Services,
    pub network: Network,
    /// By [`ServerId::index`]; `None` = an id that no configured server has.
    servers: Vec<Option<Server>>,
}

impl Snapshot {
    /// Puts a snapshot together and resolves the way to every server once, so that a packet need not.
    pub fn new(
        generation: u64,
        settings: Settings,
        services: Vec<Service>,
        servers: Vec<Server>,
        network: Network,
    ) -> Self {
        let mut by_id: Vec<Option<Server>> = Vec::new();
        for mut server in servers {
            server.way = network.way_to(server.address);
            // IPv6 routes, and IPv4 routes through a router, rarely name a source of their own.
            server.way.source = server.way.source.or_else(|| network.own_address(&server.way, server.address));
            let index = server.id.index() as usize;
            if by_id.len() <= index {
                by_id.resize_with(index + 1, || None);
            }
            by_id[index] = Some(server);
        }
        Self { generation, settings, services: Services::new(services), network, servers: by_id }
    }

    /// The configured server with this id.
    #[inline(always)]
    pub fn server(&self, id: ServerId) -> Option<&Server> {
        self.servers.get(id.index() as usize)?.as_ref()
    }

    pub fn servers(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter().flatten()
    }

    /// The neighbours on the way to the servers, known or not, each once.
    pub fn server_neighbours(&self) -> BTreeSet<(DeviceId, IpAddr)> {
        self.servers().filter_map(|server| self.network.neighbour_of(server.address)).collect()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

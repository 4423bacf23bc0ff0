//! What the pipeline runs against in benchmarks: services, servers, routes, a table with many connections, and frames in memory.
//!
//! ```text
//!  clients 10.0.0.0/8 ─ (gateway) ─ device 0 [ VIP 198.18.0.1 ] device 1 ─ (switch) ─ servers 172.16.0.1 - .8
//! ```

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use anyhow::Result;
use headgate_dataplane::clock::Clock;
use headgate_dataplane::connection;
use headgate_dataplane::counters::Counters;
use headgate_dataplane::fib::{Fib, Prefix};
use headgate_dataplane::path_mtu::PathMtus;
use headgate_dataplane::pipeline::{Env, Now, Pipeline};
use headgate_dataplane::sched::{self, Member, Scheduler};
use headgate_dataplane::servers::{Identity, ServerId, Servers, ServiceKey};
use headgate_dataplane::snapshot::egress::Way;
use headgate_dataplane::snapshot::{
    Device, DeviceId, Forward, Hop, HopId, HopKind, Network, Ports, Server, Service, Settings, Snapshot,
};
use headgate_dataplane::table::{Capacity, KIND_CONNECTION, Key4, New, OnReverseTaken, Pool, Seeds, Table};
use headgate_wire::{MacAddr, Protocol};
use headgate_xsk::{FramePool, Pages, SharedWords, Umem, UmemConfig};

use crate::packets::{Endpoint, OWN_MAC};

pub const VIP: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// Where clients' packets come from and replies go to.
pub const FRONT: DeviceId = DeviceId(0);
/// Where the servers are.
pub const BACK: DeviceId = DeviceId(1);
/// A port of the VIP that no service has.
pub const UNSERVED_PORT: u16 = 9;

const SERVERS: u8 = 8;
const SERVER_PORT: u16 = 8080;
const FRONT_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const BACK_ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 254);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);
const UDP_TIMEOUT_S: u32 = 300;

/// The services there are: protocol, port of the VIP, forwarding method.
pub const SERVICES: [(Protocol, u16, Forward); 5] = [
    (Protocol::UDP, 80, Forward::Nat),
    (Protocol::UDP, 81, Forward::Dr),
    (Protocol::UDP, 82, Forward::Tunnel),
    (Protocol::TCP, 80, Forward::Nat),
    (Protocol::TCP, 81, Forward::Dr),
];

/// How large a world is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Connections that exist from the start: UDP over NAT, client 0 and up.
    pub connections: u32,
    /// Entries the table can hold.
    pub capacity: u32,
    /// Frames of 2 KiB.
    pub frames: u32,
}

/// Everything a pipeline needs.
pub struct World {
    pub table: Arc<Table>,
    pub servers: Arc<Servers>,
    pub snapshot: Arc<Snapshot>,
    pub counters: Arc<Counters>,
    pub path_mtus: Arc<PathMtus>,
    pub umem: Umem,
    pub now: Now,
    nat: Vec<ServerId>,
}

impl World {
    /// The world and its frames.
    ///
    /// # Errors
    /// When there is not enough memory.
    pub fn new(size: Size) -> Result<(Self, FramePool)> {
        let capacity = Capacity { v4: size.capacity, v6: 64 };
        let words = SharedWords::new(c"headgate-perf-table", Table::words_needed(&capacity)?, true)?;
        let seeds = Seeds([0x1234_5678_9abc_def1, 0xfedc_ba98_7654_3211, 0x0f1e_2d3c_4b5a_6977, 0x1122_3344_5566_7788]);
        let table = Table::create(words, capacity, seeds)?;
        let servers = Servers::new(SharedWords::new(c"headgate-perf-servers", Servers::words_needed(64), false)?)?;
        let (snapshot, nat) = snapshot(&servers)?;
        let (umem, frames) = Umem::new(UmemConfig { frame_size: 2048, frames: size.frames, huge_pages: true })?;
        let world = Self {
            table: Arc::new(table),
            counters: Arc::new(Counters::new(64)),
            path_mtus: Arc::new(PathMtus::new(64)),
            servers: Arc::new(servers),
            snapshot: Arc::new(snapshot),
            umem,
            now: Clock::start().now(),
            nat,
        };
        world.connect(size.connections)?;
        Ok((world, frames))
    }

    pub fn pipeline(&self, timers: usize) -> Pipeline {
        let (counters, path_mtus) = (Arc::clone(&self.counters), Arc::clone(&self.path_mtus));
        Pipeline::new(&self.table, timers, counters, path_mtus, self.now, 1)
    }

    pub fn env<'a>(&'a self, frames: &'a mut FramePool) -> Env<'a> {
        Env { snapshot: &self.snapshot, table: &self.table, servers: &self.servers, frames, now: self.now }
    }

    /// The pages that back the connection table.
    pub fn pages(&self) -> Pages {
        self.table.words().pages()
    }

    /// The server of client `n`'s ready-made connection.
    pub fn server_of(&self, n: u32) -> Endpoint {
        (server_address(0, (n % self.nat.len() as u32) as u8), SERVER_PORT)
    }

    fn connect(&self, connections: u32) -> Result<()> {
        let mut pool = Pool::new(&self.table);
        let state = connection::new_state(Forward::Nat).with_timeout_seconds(UDP_TIMEOUT_S);
        for n in 0..connections {
            let ((client, client_port), (server, server_port)) = (client(n), self.server_of(n));
            let key = |source: Ipv4Addr, destination: Ipv4Addr, ports: (u16, u16)| {
                let (source, destination) = (source.to_bits(), destination.to_bits());
                Key4::new(source, destination, ports.0, ports.1, Protocol::UDP.0, KIND_CONNECTION)
            };
            let new = New {
                forward: key(client, VIP, (client_port, 80)),
                reverse: Some(key(server, client, (server_port, client_port))),
                server: self.nat[n as usize % self.nat.len()].index(),
                template: None,
                state,
                now: self.now.tick,
                on_reverse_taken: OnReverseTaken::Take,
            };
            self.table.v4().create(&mut pool, &new)?;
        }
        self.table.release(pool);
        Ok(())
    }
}

/// Address and port of client `n`: 16384 clients share an address.
#[inline]
pub fn client(n: u32) -> Endpoint {
    (Ipv4Addr::from_bits(0x0a00_0000 + (n >> 14)), 1024 + (n & 0x3fff) as u16)
}

fn server_address(service: u8, server: u8) -> Ipv4Addr {
    Ipv4Addr::new(172, 16, service, server + 1)
}

fn snapshot(servers: &Servers) -> Result<(Snapshot, Vec<ServerId>)> {
    let (mut services, mut all, mut nat, mut neighbours) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (index, (protocol, port, forward)) in SERVICES.into_iter().enumerate() {
        let mut pool = sched::Pool::new(Scheduler::Wlc, sched::Flags::default(), sched::Settings::default());
        for number in 0..SERVERS {
            let address = server_address(index as u8, number);
            let server_port = if forward == Forward::Nat { SERVER_PORT } else { port };
            let id = servers.assign(&Identity {
                protocol: protocol.0,
                service: ServiceKey::Address(VIP.into(), port),
                address: address.into(),
                port: server_port,
            })?;
            pool.add(Member::new(id, address.into(), server_port, 1));
            neighbours.push((BACK, IpAddr::V4(address), MacAddr([2, 0, 0, 1, index as u8, number])));
            all.push(Server {
                id,
                service: index as u32,
                address: address.into(),
                port: server_port,
                weight: 1,
                forward,
                way: Way::NONE,
            });
            if index == 0 {
                nat.push(id);
            }
        }
        services.push(Service {
            name: Arc::from(format!("service-{index}")),
            protocol: protocol.0,
            address: VIP.into(),
            ports: Ports::One(port),
            one_packet: false,
            persistence: None,
            pool: pool.into(),
        });
    }
    neighbours.push((FRONT, IpAddr::V4(GATEWAY), MacAddr([2, 0, 0, 2, 0, 0])));
    Ok((Snapshot::new(1, Settings::default(), services, all, network(neighbours)?), nat))
}

fn network(neighbours: Vec<(DeviceId, IpAddr, MacAddr)>) -> Result<Network> {
    let device = |name: &str, address: Ipv4Addr| Device {
        name: name.to_owned(),
        ifindex: 0,
        mac: OWN_MAC,
        mtu: 1500,
        partial_checksums: false,
        ipv4: Some(address),
        ipv6: None,
    };
    let hop = |kind, device, source: Ipv4Addr| Hop { kind, device, vlan: None, mtu: 1500, source: Some(source.into()) };
    let hops = vec![
        hop(HopKind::Gateway(GATEWAY.into()), FRONT, FRONT_ADDRESS),
        hop(HopKind::OnLink, FRONT, FRONT_ADDRESS),
        hop(HopKind::OnLink, BACK, BACK_ADDRESS),
        hop(HopKind::Local, FRONT, VIP),
    ];
    let routes = [
        (Ipv4Addr::UNSPECIFIED, 0, 0),
        (Ipv4Addr::new(192, 0, 2, 0), 24, 1),
        (Ipv4Addr::new(172, 16, 0, 0), 16, 2),
        (VIP, 32, 3),
    ];
    let mut prefixes = Vec::new();
    for (address, length, hop) in routes {
        prefixes.push((Prefix::new(address.to_bits(), length)?, HopId(hop)));
    }
    let devices = vec![device("front", FRONT_ADDRESS), device("back", BACK_ADDRESS)];
    Ok(Network::new(devices, hops, Fib::build(prefixes), Fib::build([]), neighbours, [IpAddr::V4(VIP)]))
}

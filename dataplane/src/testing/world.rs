//! Services, servers and the network around them; edits take effect with the next snapshot.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use headgate_wire::MacAddr;
use headgate_xsk::SharedWords;

use crate::fib::{Fib, Prefix};
use crate::path_mtu::PathMtus;
use crate::sched::{self, Member, Scheduler};
use crate::servers::{Identity, ServerId, Servers, ServiceKey};
use crate::snapshot::egress::Way;
use crate::snapshot::{
    Device, DeviceId, Forward, Hop, HopId, HopKind, Network, Persistence, Ports, Server, Service, Settings, Snapshot,
};
use crate::table::{Capacity, Seeds, Table};

pub const FRONT: DeviceId = DeviceId(0);
pub const BACK: DeviceId = DeviceId(1);
/// A device of the snapshot, the way to 203.0.113.0/24, that no worker has a lane for.
pub const AWAY: DeviceId = DeviceId(2);
pub const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100));
pub const VIP6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x100));
pub const ROUTER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0x0c, 1]);
pub const SERVER_SLOTS: u32 = 64;

const NEIGHBOURS: u8 = 32;
const LOCAL: [IpAddr; 6] = [
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
    VIP,
    IpAddr::V4(Ipv4Addr::new(10, 1, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1)),
    VIP6,
    IpAddr::V6(Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 1)),
];

/// The address of server `n`.
pub fn v4(n: u8) -> IpAddr {
    Ipv4Addr::new(10, 1, 0, n).into()
}

/// As [`v4`].
pub fn v6(n: u8) -> IpAddr {
    Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, n.into()).into()
}

pub fn server_mac(n: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 1, n])
}

/// The MAC address of our own end of a device.
pub fn own_mac(device: DeviceId) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, 0xc0 + device.0])
}

/// A server to be.
#[derive(Debug, Clone, Copy)]
pub struct RealServer {
    pub address: IpAddr,
    pub port: u16,
    pub weight: u32,
    pub forward: Forward,
    /// Upper and lower.
    pub thresholds: (u32, u32),
}

/// A service to be.
#[derive(Debug, Clone)]
pub struct VirtualService {
    pub protocol: u8,
    pub address: IpAddr,
    pub ports: Ports,
    pub one_packet: bool,
    pub persistence: Option<Persistence>,
    pub scheduler: Scheduler,
    pub servers: Vec<RealServer>,
}

impl VirtualService {
    pub fn new(protocol: u8, address: IpAddr, port: u16) -> Self {
        let (one_packet, persistence, scheduler) = (false, None, Scheduler::Rr);
        Self { protocol, address, ports: Ports::One(port), one_packet, persistence, scheduler, servers: Vec::new() }
    }

    /// Adds a server of weight 1; with NAT on port 8080, else on the port of the service.
    #[must_use]
    pub fn with(mut self, address: IpAddr, forward: Forward) -> Self {
        let port = match (forward, self.ports) {
            (Forward::Nat, Ports::One(_)) => 8080,
            (_, Ports::One(port)) => port,
            _ => 0,
        };
        self.servers.push(RealServer { address, port, weight: 1, forward, thresholds: (0, 0) });
        self
    }

    fn identity(&self, server: &RealServer) -> Identity {
        let port = match self.ports {
            Ports::One(port) | Ports::Range(port, _) => port,
            Ports::Any => 0,
        };
        let service = ServiceKey::Address(self.address, port);
        Identity { protocol: self.protocol, service, address: server.address, port: server.port }
    }
}

/// All that workers share, and the configuration of the next snapshot.
pub struct World {
    pub table: Arc<Table>,
    pub servers: Arc<Servers>,
    pub path_mtus: Arc<PathMtus>,
    pub services: Vec<VirtualService>,
    pub settings: Settings,
    /// Of the devices.
    pub mtu: [u16; 3],
    /// The tag of frames to servers.
    pub vlan: Option<u16>,
    /// The devices have IPv6 addresses.
    pub own_v6: bool,
    /// Frames carry half-made checksums.
    pub partial_checksums: bool,
    /// Neighbours whose MAC address is not known.
    pub unknown: BTreeSet<IpAddr>,
    generation: u64,
}

impl World {
    pub fn new() -> Self {
        Self::with_capacity(Capacity { v4: 1024, v6: 1024 })
    }

    pub fn with_capacity(capacity: Capacity) -> Self {
        let words = |name, words| SharedWords::new(name, words, false).unwrap();
        let table = words(c"headgate-test-table", Table::words_needed(&capacity).unwrap());
        let servers = words(c"headgate-test-servers", Servers::words_needed(SERVER_SLOTS));
        Self {
            table: Table::create(table, capacity, Seeds([1, 2, 3, 4])).unwrap().into(),
            servers: Servers::new(servers).unwrap().into(),
            path_mtus: PathMtus::new(SERVER_SLOTS as usize).into(),
            services: Vec::new(),
            settings: Settings::default(),
            mtu: [1500; 3],
            vlan: None,
            own_v6: true,
            partial_checksums: false,
            unknown: BTreeSet::new(),
            generation: 0,
        }
    }

    /// The id of a server of the service with this index.
    pub fn id(&self, service: usize, address: IpAddr) -> ServerId {
        let service = &self.services[service];
        let server = service.servers.iter().find(|server| server.address == address).unwrap();
        self.servers.assign(&service.identity(server)).unwrap()
    }

    pub fn snapshot(&mut self) -> Snapshot {
        self.generation += 1;
        let (mut services, mut servers) = (Vec::new(), Vec::new());
        for (index, service) in self.services.iter().enumerate() {
            let mut pool = sched::Pool::new(service.scheduler, sched::Flags::default(), sched::Settings::default());
            for server in &service.servers {
                let RealServer { address, port, weight, forward, thresholds } = *server;
                let id = self.servers.assign(&service.identity(server)).unwrap();
                self.servers.set_thresholds(id, thresholds.0, thresholds.1);
                pool.add(Member::new(id, address, port, weight));
                servers.push(Server { id, service: index as u32, address, port, weight, forward, way: Way::NONE });
            }
            services.push(Service {
                name: format!("service-{index}").into(),
                protocol: service.protocol,
                address: service.address,
                ports: service.ports,
                one_packet: service.one_packet,
                persistence: service.persistence,
                pool: pool.into(),
            });
        }
        Snapshot::new(self.generation, self.settings.clone(), services, servers, self.network())
    }

    fn network(&self) -> Network {
        let hop =
            |kind, device: DeviceId, source| Hop { kind, device, vlan: None, mtu: self.mtu[device.index()], source };
        let gateway = |router: &str| HopKind::Gateway(router.parse().unwrap());
        let (mut hops, mut routes4, mut routes6) = (Vec::new(), Vec::new(), Vec::new());
        let mut route = |prefix: &str, length: u8, hop: Hop| {
            let id = HopId(hops.len() as u32);
            hops.push(hop);
            match prefix.parse().unwrap() {
                IpAddr::V4(prefix) => routes4.push((Prefix::new(prefix.to_bits(), length).unwrap(), id)),
                IpAddr::V6(prefix) => routes6.push((Prefix::new(prefix.to_bits(), length).unwrap(), id)),
            }
        };
        for local in LOCAL {
            let length = if local.is_ipv4() { 32 } else { 128 };
            route(&local.to_string(), length, Hop { mtu: u16::MAX, ..hop(HopKind::Local, FRONT, Some(local)) });
        }
        route("0.0.0.0", 0, hop(gateway("10.0.0.2"), FRONT, None));
        route("::", 0, hop(gateway("fd00::2"), FRONT, None));
        let servers = Hop { vlan: self.vlan, ..hop(HopKind::OnLink, BACK, None) };
        route("10.1.0.0", 16, servers);
        route("fd00:1::", 64, servers);
        route("203.0.113.0", 24, hop(gateway("10.0.0.2"), AWAY, None));
        let servers = (1..=NEIGHBOURS).flat_map(|n| [(BACK, v4(n), server_mac(n)), (BACK, v6(n), server_mac(n))]);
        let routers = [(FRONT, "10.0.0.2"), (FRONT, "fd00::2"), (AWAY, "10.0.0.2")]
            .map(|(device, router)| (device, router.parse().unwrap(), ROUTER_MAC));
        let neighbours = servers.chain(routers).filter(|(_, address, _)| !self.unknown.contains(address));
        let devices = [FRONT, BACK, AWAY].map(|device| Device {
            name: format!("device-{}", device.0),
            ifindex: 2 + u32::from(device.0),
            mac: own_mac(device),
            mtu: self.mtu[device.index()],
            partial_checksums: self.partial_checksums,
            ipv4: Some(Ipv4Addr::new(10, device.0, 0, 1)),
            ipv6: self.own_v6.then(|| Ipv6Addr::new(0xfd00, device.0.into(), 0, 0, 0, 0, 0, 1)),
        });
        Network::new(devices.into(), hops, Fib::build(routes4), Fib::build(routes6), neighbours, LOCAL)
    }
}

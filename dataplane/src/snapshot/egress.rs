//! The way out of the box: devices, next hops, neighbours, as mirrored from the kernel by the control side.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use headgate_wire::ether::MacAddr;

use crate::fib::Fib;

/// Index of a device in [`Network::devices`] and of its port in every worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId(pub u8);

impl DeviceId {
    #[inline(always)]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Index of a hop in [`Network::hops`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HopId(pub u32);

/// A device that the workers take frames from.
#[derive(Debug, Clone)]
pub struct Device {
    pub name: String,
    pub ifindex: u32,
    pub mac: MacAddr,
    /// Largest IP packet, in bytes.
    pub mtu: u16,
    /// Frames from it may carry half-made transport checksums (veth, tap, virtio in generic mode).
    pub partial_checksums: bool,
    /// Source of ICMP errors sent back out of it.
    pub ipv4: Option<Ipv4Addr>,
    pub ipv6: Option<Ipv6Addr>,
}

/// Where a route leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HopKind {
    /// To this router.
    Gateway(IpAddr),
    /// The destination itself is a neighbour.
    OnLink,
    /// To this host.
    Local,
    /// Nowhere: blackhole, unreachable, prohibit.
    Unreachable,
    /// Out of a device that the data plane does not serve.
    NotServed,
}

/// A next hop, shared by all routes that use it.
#[derive(Debug, Clone, Copy)]
pub struct Hop {
    pub kind: HopKind,
    /// Meaningless unless `kind` is `Gateway` or `OnLink`.
    pub device: DeviceId,
    /// 802.1Q tag to send with, for a route through a VLAN device on top of `device`.
    pub vlan: Option<u16>,
    pub mtu: u16,
    /// The route's preferred source, used for tunnels and for ICMP errors.
    pub source: Option<IpAddr>,
}

/// Addresses of the frame that carries a packet to its next hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct L2 {
    pub destination: MacAddr,
    pub source: MacAddr,
    pub vlan: Option<u16>,
}

/// What is to be done to reach an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Egress {
    Ready {
        device: DeviceId,
        l2: L2,
    },
    /// The neighbour's MAC address is not known yet.
    Unresolved {
        device: DeviceId,
        address: IpAddr,
        vlan: Option<u16>,
    },
    Local,
    Unreachable,
    NotServed,
}

/// The way to one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    pub egress: Egress,
    /// Largest IP packet on that way, in bytes.
    pub mtu: u16,
    pub source: Option<IpAddr>,
}

impl Way {
    pub const NONE: Self = Self { egress: Egress::Unreachable, mtu: 0, source: None };
}

/// A multiply-and-rotate hasher: what is kept by it comes from the configuration and from the kernel's bounded tables, so an attacker
/// cannot fill a bucket at will.
#[derive(Debug, Default, Clone, Copy)]
pub struct FastHasher(u64);

impl Hasher for FastHasher {
    #[inline(always)]
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    #[inline(always)]
    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    #[inline(always)]
    fn write_u8(&mut self, word: u8) {
        self.write_u64(u64::from(word));
    }

    #[inline(always)]
    fn write_u16(&mut self, word: u16) {
        self.write_u64(u64::from(word));
    }

    #[inline(always)]
    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    #[inline(always)]
    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    #[inline(always)]
    fn write_u128(&mut self, word: u128) {
        self.write_u64(word as u64);
        self.write_u64((word >> 64) as u64);
    }
}

pub(super) type FastMap<K, V> = HashMap<K, V, BuildHasherDefault<FastHasher>>;
type FastSet<K> = HashSet<K, BuildHasherDefault<FastHasher>>;

/// Devices, routes and neighbours.
#[derive(Debug)]
pub struct Network {
    pub devices: Vec<Device>,
    hops: Vec<Hop>,
    fib4: Fib<u32, HopId>,
    fib6: Fib<u128, HopId>,
    neighbours4: FastMap<(u8, u32), MacAddr>,
    neighbours6: FastMap<(u8, u128), MacAddr>,
    local: FastSet<IpAddr>,
    /// The way of each hop that does not depend on the destination, by hop.
    ways: Vec<Way>,
}

impl Default for Network {
    fn default() -> Self {
        Self::new(Vec::new(), Vec::new(), Fib::build([]), Fib::build([]), [], [])
    }
}

impl Network {
    /// `local`: addresses of this host. Neighbours of unknown devices are ignored.
    pub fn new(
        devices: Vec<Device>,
        hops: Vec<Hop>,
        fib4: Fib<u32, HopId>,
        fib6: Fib<u128, HopId>,
        neighbours: impl IntoIterator<Item = (DeviceId, IpAddr, MacAddr)>,
        local: impl IntoIterator<Item = IpAddr>,
    ) -> Self {
        let (mut neighbours4, mut neighbours6) = (FastMap::default(), FastMap::default());
        for (device, address, mac) in neighbours {
            match address {
                IpAddr::V4(address) => neighbours4.insert((device.0, address.to_bits()), mac),
                IpAddr::V6(address) => neighbours6.insert((device.0, address.to_bits()), mac),
            };
        }
        let local = local.into_iter().collect();
        let mut network = Self { devices, hops, fib4, fib6, neighbours4, neighbours6, local, ways: Vec::new() };
        network.ways = network.hops.iter().map(|hop| network.fixed_way(hop)).collect();
        network
    }

    /// Whether `address` belongs to this host.
    pub fn is_local(&self, address: IpAddr) -> bool {
        self.local.contains(&address)
    }

    /// Whether this host takes packets to `address` itself: an address of its own, or one that a local route leads to.
    pub fn takes(&self, address: IpAddr) -> bool {
        self.is_local(address) || self.way_to(address).egress == Egress::Local
    }

    /// Our own address on the device that `way` leads out of, of the family of `like`.
    pub fn own_address(&self, way: &Way, like: IpAddr) -> Option<IpAddr> {
        let (Egress::Ready { device, .. } | Egress::Unresolved { device, .. }) = way.egress else {
            return None;
        };
        let device = self.device(device)?;
        match like {
            IpAddr::V4(_) => device.ipv4.map(IpAddr::V4),
            IpAddr::V6(_) => device.ipv6.map(IpAddr::V6),
        }
    }

    #[inline(always)]
    pub fn device(&self, id: DeviceId) -> Option<&Device> {
        self.devices.get(id.index())
    }

    /// The way to any address; [`Self::way_to_v4`] and [`Self::way_to_v6`] are the same for the packet path.
    pub fn way_to(&self, address: IpAddr) -> Way {
        match address {
            IpAddr::V4(address) => self.way_to_v4(address.to_bits()),
            IpAddr::V6(address) => self.way_to_v6(address.to_bits()),
        }
    }

    #[inline(always)]
    pub fn way_to_v4(&self, address: u32) -> Way {
        match self.fib4.lookup(address) {
            Some(hop) => self.way_by(hop, |device| {
                let mac = self.neighbours4.get(&(device.0, address)).copied();
                (IpAddr::V4(Ipv4Addr::from_bits(address)), mac)
            }),
            None => Way::NONE,
        }
    }

    #[inline(always)]
    pub fn way_to_v6(&self, address: u128) -> Way {
        match self.fib6.lookup(address) {
            Some(hop) => self.way_by(hop, |device| {
                let mac = self.neighbours6.get(&(device.0, address)).copied();
                (IpAddr::V6(Ipv6Addr::from_bits(address)), mac)
            }),
            None => Way::NONE,
        }
    }

    #[inline(always)]
    fn way_by(&self, hop: HopId, neighbour: impl FnOnce(DeviceId) -> (IpAddr, Option<MacAddr>)) -> Way {
        let (Some(hop), Some(way)) = (self.hops.get(hop.0 as usize), self.ways.get(hop.0 as usize)) else {
            return Way::NONE;
        };
        if hop.kind != HopKind::OnLink {
            return *way;
        }
        let (address, mac) = neighbour(hop.device);
        Way { egress: self.link(hop, address, mac), ..*way }
    }

    fn fixed_way(&self, hop: &Hop) -> Way {
        let egress = match hop.kind {
            HopKind::Gateway(gateway) => self.link(hop, gateway, self.neighbour(hop.device, gateway)),
            HopKind::Local => Egress::Local,
            HopKind::OnLink | HopKind::Unreachable => Egress::Unreachable,
            HopKind::NotServed => Egress::NotServed,
        };
        Way { egress, mtu: hop.mtu, source: hop.source }
    }

    #[inline(always)]
    fn link(&self, hop: &Hop, address: IpAddr, mac: Option<MacAddr>) -> Egress {
        let device = hop.device;
        match (mac, self.device(device)) {
            (Some(destination), Some(out)) => {
                Egress::Ready { device, l2: L2 { destination, source: out.mac, vlan: hop.vlan } }
            }
            (None, Some(_)) => Egress::Unresolved { device, address, vlan: hop.vlan },
            (_, None) => Egress::NotServed,
        }
    }

    /// The neighbour that packets to `address` go to: a router, or `address` itself.
    pub fn neighbour_of(&self, address: IpAddr) -> Option<(DeviceId, IpAddr)> {
        let hop = match address {
            IpAddr::V4(address) => self.fib4.lookup(address.to_bits()),
            IpAddr::V6(address) => self.fib6.lookup(address.to_bits()),
        };
        let hop = self.hops.get(hop?.0 as usize)?;
        match hop.kind {
            HopKind::Gateway(gateway) => Some((hop.device, gateway)),
            HopKind::OnLink => Some((hop.device, address)),
            HopKind::Local | HopKind::Unreachable | HopKind::NotServed => None,
        }
    }

    /// The MAC address of a neighbour, where known.
    pub fn neighbour(&self, device: DeviceId, address: IpAddr) -> Option<MacAddr> {
        match address {
            IpAddr::V4(address) => self.neighbours4.get(&(device.0, address.to_bits())),
            IpAddr::V6(address) => self.neighbours6.get(&(device.0, address.to_bits())),
        }
        .copied()
    }
}

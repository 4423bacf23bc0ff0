//! The mirrored network as the workers need it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use headgate_dataplane::fib::Fib;
use headgate_dataplane::snapshot::{Device, DeviceId, Hop, HopId, HopKind, Network};
use headgate_wire::MacAddr;

use crate::netlink::NetState;
use crate::netlink::model::Scope;
use crate::netlink::plan::{self, plan};

/// A device that the workers serve, in the order of the configuration; its place in the list is its [`DeviceId`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    pub name: String,
    pub ifindex: u32,
    /// Its frames may carry half-made checksums.
    pub partial_checksums: bool,
    /// Bytes of an IP packet that a frame has room for.
    pub largest_packet: u16,
}

/// Devices, routes and neighbours of `state`, with `served` as the devices.
pub fn network(state: &NetState, served: &[Served]) -> Network {
    let ids: BTreeMap<u32, DeviceId> = (0..).zip(served).map(|(id, device)| (device.ifindex, DeviceId(id))).collect();
    let plan = plan(state, &ids.keys().copied().collect::<BTreeSet<_>>());
    let devices = served.iter().map(|device| self::device(state, device)).collect();
    let hops = plan.hops.iter().map(|hop| self::hop(hop, &ids, served)).collect();
    let neighbours = state
        .neighbours
        .iter()
        .filter_map(|((ifindex, ip), neighbour)| Some((*ids.get(ifindex)?, *ip, MacAddr(neighbour.usable_mac()?))));
    let ipv4: Fib<u32, HopId> = plan.ipv4.map(HopId);
    Network::new(devices, hops, ipv4, plan.ipv6.map(HopId), neighbours, state.local_addresses())
}

fn device(state: &NetState, served: &Served) -> Device {
    let link = state.links.get(&served.ifindex);
    let mut own: Vec<_> = state.addresses_of(served.ifindex).filter(|address| address.is_usable()).collect();
    // The kernel prefers wide scopes and primary addresses as the source of what it sends itself.
    own.sort_by_key(|address| {
        (address.scope != Scope::Global, address.secondary, is_host_prefix(address.ip, address.prefix_len))
    });
    Device {
        name: served.name.clone(),
        ifindex: served.ifindex,
        mac: MacAddr(link.and_then(|link| link.mac).unwrap_or_default()),
        mtu: link.map_or(0, |link| mtu(link.mtu, served)),
        partial_checksums: served.partial_checksums,
        ipv4: own.iter().find_map(|address| if let IpAddr::V4(ip) = address.ip { Some(ip) } else { None }),
        ipv6: own.iter().find_map(|address| if let IpAddr::V6(ip) = address.ip { Some(ip) } else { None }),
    }
}

/// VIPs are held as /32 and /128; an interface's own address has a network.
fn is_host_prefix(ip: IpAddr, prefix_len: u8) -> bool {
    prefix_len == if ip.is_ipv4() { 32 } else { 128 }
}

fn hop(hop: &plan::Hop, ids: &BTreeMap<u32, DeviceId>, served: &[Served]) -> Hop {
    let device = ids.get(&hop.ifindex).copied();
    let kind = match (hop.kind, hop.gateway, device) {
        (plan::HopKind::Forward, Some(gateway), Some(_)) => HopKind::Gateway(gateway),
        (plan::HopKind::Forward, None, Some(_)) => HopKind::OnLink,
        (plan::HopKind::Forward, _, None) | (plan::HopKind::Kernel, ..) => HopKind::NotServed,
        (plan::HopKind::Local, ..) => HopKind::Local,
        (plan::HopKind::Blackhole | plan::HopKind::Unreachable, ..) => HopKind::Unreachable,
    };
    let device = device.unwrap_or(DeviceId(0));
    let mtu = served.get(device.index()).map_or(0, |served| mtu(hop.mtu, served));
    Hop { kind, device, vlan: None, mtu, source: hop.preferred_source }
}

fn mtu(mtu: u32, served: &Served) -> u16 {
    mtu.min(served.largest_packet.into()) as u16
}

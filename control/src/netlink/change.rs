//! A netlink message as a change of the state.
//!
//! Pure: messages in, plain values out. What is not mirrored (bridge tables, other routing tables, cached routes, proxy neighbours) becomes
//! `None`.

use std::net::IpAddr;

use rtnetlink::packet_core::NLM_F_REPLACE;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState as WireState,
};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteMetric, RouteNextHop, RouteType, RouteVia,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use super::model::{
    Address, DEFAULT_TABLE, IpPrefix, LOCAL_TABLE, Link, MAIN_TABLE, Neighbour, NeighbourState, NextHop, Route,
    RouteKind, Scope,
};

mod rule;
#[cfg(test)]
mod tests;

/// One thing that changed in the kernel, or one entry of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Link(Link),
    LinkGone(u32),
    Address(Address),
    AddressGone(Address),
    Route {
        route: Route,
        /// It takes the place of the one with the same key.
        replaces: bool,
    },
    RouteGone(Route),
    Neighbour((u32, IpAddr), Neighbour),
    NeighbourGone((u32, IpAddr)),
    PolicyRule(String),
    PolicyRuleGone(String),
}

impl Change {
    /// What the message says, or `None` when it concerns nothing that is mirrored. `flags` are those of the netlink header.
    pub fn from_message(message: RouteNetlinkMessage, flags: u16) -> Option<Self> {
        use RouteNetlinkMessage as Message;
        match message {
            Message::NewLink(message) => link(message).map(Self::Link),
            Message::DelLink(message) => link(message).map(|link| Self::LinkGone(link.index)),
            Message::NewAddress(message) => address(&message).map(Self::Address),
            Message::DelAddress(message) => address(&message).map(Self::AddressGone),
            Message::NewRoute(message) => {
                route(&message).map(|route| Self::Route { route, replaces: flags & NLM_F_REPLACE != 0 })
            }
            Message::DelRoute(message) => route(&message).map(Self::RouteGone),
            Message::NewNeighbour(message) => {
                neighbour(&message).map(|(key, neighbour)| Self::Neighbour(key, neighbour))
            }
            Message::DelNeighbour(message) => neighbour(&message).map(|(key, _)| Self::NeighbourGone(key)),
            Message::NewRule(message) => rule::describe(&message).map(Self::PolicyRule),
            Message::DelRule(message) => rule::describe(&message).map(Self::PolicyRuleGone),
            _ => None,
        }
    }
}

fn link(message: LinkMessage) -> Option<Link> {
    // A bridge reports its ports by link messages of its own family; their removal does not remove the link.
    if message.header.interface_family != AddressFamily::Unspec {
        return None;
    }
    let flags = message.header.flags;
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        mac: None,
        mtu: 0,
        up: flags.contains(LinkFlags::Up),
        running: flags.contains(LinkFlags::Running),
        loopback: flags.contains(LinkFlags::Loopback),
        kind: None,
        master: None,
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Address(mac) => link.mac = mac.try_into().ok(),
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::Controller(master) => link.master = Some(master),
            LinkAttribute::LinkInfo(infos) => link.kind = kind(&infos),
            _ => {}
        }
    }
    // Events of wireless devices come as link messages that name the index alone.
    (!link.name.is_empty()).then_some(link)
}

fn kind(infos: &[LinkInfo]) -> Option<String> {
    infos.iter().find_map(|info| match info {
        LinkInfo::Kind(kind) => Some(kind.to_string()),
        _ => None,
    })
}

fn address(message: &AddressMessage) -> Option<Address> {
    let mut flags = AddressFlags::from_bits_retain(message.header.flags.bits().into());
    let (mut local, mut peer) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => peer = Some(*ip),
            // The header has room for the lower eight flags only.
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    Some(Address {
        ifindex: message.header.index,
        // On a point-to-point link IFA_ADDRESS is the other end; IFA_LOCAL, where present, is ours.
        ip: local.or(peer)?,
        prefix_len: message.header.prefix_len,
        scope: match message.header.scope {
            AddressScope::Universe => Scope::Global,
            AddressScope::Site => Scope::Site,
            AddressScope::Link => Scope::Link,
            AddressScope::Host => Scope::Host,
            AddressScope::Nowhere => Scope::Nowhere,
            other => Scope::Other(other.into()),
        },
        tentative: flags.contains(AddressFlags::Tentative) && !flags.contains(AddressFlags::Optimistic),
        duplicate: flags.contains(AddressFlags::Dadfailed),
        deprecated: flags.contains(AddressFlags::Deprecated),
        secondary: flags.contains(AddressFlags::Secondary),
    })
}

fn route(message: &RouteMessage) -> Option<Route> {
    let header = &message.header;
    let any: IpAddr = match header.address_family {
        AddressFamily::Inet => [0; 4].into(),
        AddressFamily::Inet6 => [0; 16].into(),
        _ => return None,
    };
    // Cached routes (path MTU, redirects) are no part of the tables.
    if header.flags.contains(RouteFlags::Cloned) {
        return None;
    }
    let mut table = u32::from(header.table);
    let mut destination = any;
    let (mut hop, mut hops) = (NextHop { gateway: None, ifindex: None }, Vec::new());
    let (mut metric, mut preferred_source, mut mtu) = (0, None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(number) => table = *number,
            RouteAttribute::Destination(address) => destination = ip(address)?,
            RouteAttribute::Gateway(address) => hop.gateway = ip(address),
            RouteAttribute::Via(via) => hop.gateway = via_ip(via),
            RouteAttribute::Oif(ifindex) => hop.ifindex = Some(*ifindex),
            RouteAttribute::MultiPath(all) => hops = all.iter().map(multipath_hop).collect(),
            RouteAttribute::Priority(number) => metric = *number,
            RouteAttribute::PrefSource(address) => preferred_source = ip(address),
            RouteAttribute::Metrics(metrics) => mtu = route_mtu(metrics),
            _ => {}
        }
    }
    if ![LOCAL_TABLE, MAIN_TABLE, DEFAULT_TABLE].contains(&table) {
        return None;
    }
    let mut hops = hops.into_iter();
    Some(Route {
        destination: IpPrefix::around(destination, header.destination_prefix_length)?,
        table,
        tos: header.tos,
        metric,
        kind: route_kind(header.kind),
        hop: hops.next().unwrap_or(hop),
        other_hops: hops.collect(),
        preferred_source,
        mtu,
    })
}

fn route_kind(kind: RouteType) -> RouteKind {
    match kind {
        RouteType::Unicast => RouteKind::Unicast,
        RouteType::Local => RouteKind::Local,
        RouteType::Broadcast => RouteKind::Broadcast,
        RouteType::Anycast => RouteKind::Anycast,
        RouteType::Multicast => RouteKind::Multicast,
        RouteType::BlackHole => RouteKind::Blackhole,
        RouteType::Unreachable => RouteKind::Unreachable,
        RouteType::Prohibit => RouteKind::Prohibit,
        RouteType::Throw => RouteKind::Throw,
        other => RouteKind::Other(other.into()),
    }
}

fn multipath_hop(hop: &RouteNextHop) -> NextHop {
    let gateway = hop.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(address) => ip(address),
        RouteAttribute::Via(via) => via_ip(via),
        _ => None,
    });
    NextHop { gateway, ifindex: Some(hop.interface_index) }
}

fn route_mtu(metrics: &[RouteMetric]) -> Option<u32> {
    metrics.iter().find_map(|metric| match metric {
        RouteMetric::Mtu(mtu) => Some(*mtu),
        _ => None,
    })
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some((*ip).into()),
        RouteAddress::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}

fn via_ip(via: &RouteVia) -> Option<IpAddr> {
    match via {
        RouteVia::Inet(ip) => Some((*ip).into()),
        RouteVia::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}

fn neighbour(message: &NeighbourMessage) -> Option<((u32, IpAddr), Neighbour)> {
    // The forwarding table of a bridge comes through the same group; proxy entries answer for others and say nothing about a neighbour.
    let ours = matches!(message.header.family, AddressFamily::Inet | AddressFamily::Inet6);
    if !ours || message.header.flags.contains(NeighbourFlags::Proxy) {
        return None;
    }
    let (mut destination, mut mac) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => destination = Some(IpAddr::from(*ip)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => destination = Some(IpAddr::from(*ip)),
            NeighbourAttribute::LinkLayerAddress(bytes) => mac = bytes.as_slice().try_into().ok(),
            _ => {}
        }
    }
    let state = match message.header.state {
        WireState::Incomplete => NeighbourState::Incomplete,
        WireState::Reachable => NeighbourState::Reachable,
        WireState::Stale => NeighbourState::Stale,
        WireState::Delay => NeighbourState::Delay,
        WireState::Probe => NeighbourState::Probe,
        WireState::Failed => NeighbourState::Failed,
        WireState::Noarp => NeighbourState::Noarp,
        WireState::Permanent => NeighbourState::Permanent,
        _ => NeighbourState::None,
    };
    // The kernel makes entries for groups as it sends to them, without a message; their Ethernet address follows from the group.
    let destination = destination.filter(|ip| !ip.is_multicast())?;
    Some(((message.header.ifindex, destination), Neighbour { mac, state }))
}

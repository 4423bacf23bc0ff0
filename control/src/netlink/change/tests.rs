use rtnetlink::packet_core::NLM_F_REPLACE;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage};
use rtnetlink::packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState as WireState,
};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteMetric, RouteNextHop, RouteType, RouteVia,
};
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage as Message};

use super::Change;
use crate::netlink::model::{NeighbourState, NextHop, Route, RouteKind};

fn route_message(len: u8, attributes: Vec<RouteAttribute>) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.destination_prefix_length = len;
    message.header.table = 254;
    message.header.kind = RouteType::Unicast;
    message.attributes = attributes;
    message
}

fn destination() -> RouteAttribute {
    RouteAttribute::Destination(RouteAddress::Inet([10, 0, 0, 0].into()))
}

fn route(message: RouteMessage) -> Option<Route> {
    match Change::from_message(Message::NewRoute(message), 0)? {
        Change::Route { route, .. } => Some(route),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_route_with_all_attributes() {
    let message = route_message(
        8,
        vec![
            destination(),
            RouteAttribute::Gateway(RouteAddress::Inet([192, 0, 2, 1].into())),
            RouteAttribute::Oif(3),
            RouteAttribute::Priority(100),
            RouteAttribute::PrefSource(RouteAddress::Inet([192, 0, 2, 9].into())),
            RouteAttribute::Metrics(vec![RouteMetric::Advmss(1200), RouteMetric::Mtu(1300)]),
        ],
    );
    let route = route(message).unwrap();
    assert_eq!(route.destination.to_string(), "10.0.0.0/8");
    assert_eq!(route.hop, NextHop { gateway: Some([192, 0, 2, 1].into()), ifindex: Some(3) });
    assert_eq!((route.table, route.metric, route.mtu), (254, 100, Some(1300)));
    assert_eq!(route.preferred_source, Some([192, 0, 2, 9].into()));
    assert_eq!(route.kind, RouteKind::Unicast);
}

#[test]
fn a_route_without_destination_is_the_default_route() {
    assert_eq!(route(route_message(0, vec![])).unwrap().destination.to_string(), "0.0.0.0/0");
}

#[test]
fn an_ipv4_route_via_an_ipv6_router() {
    let via = RouteAttribute::Via(RouteVia::Inet6("fe80::1".parse().unwrap()));
    let route = route(route_message(8, vec![destination(), via, RouteAttribute::Oif(3)])).unwrap();
    assert_eq!(route.hop.gateway, Some("fe80::1".parse().unwrap()));
}

#[test]
fn a_multipath_route_keeps_its_hops_in_order() {
    let hops = [(3, [192, 0, 2, 1]), (4, [192, 0, 2, 2])].map(|(ifindex, gateway)| {
        let mut hop = RouteNextHop::default();
        hop.interface_index = ifindex;
        hop.attributes = vec![RouteAttribute::Gateway(RouteAddress::Inet(gateway.into()))];
        hop
    });
    let route = route(route_message(8, vec![destination(), RouteAttribute::MultiPath(hops.to_vec())])).unwrap();
    assert_eq!(route.hop, NextHop { gateway: Some([192, 0, 2, 1].into()), ifindex: Some(3) });
    assert_eq!(route.other_hops, [NextHop { gateway: Some([192, 0, 2, 2].into()), ifindex: Some(4) }]);
}

#[test]
fn a_table_beyond_255_is_in_an_attribute_and_not_ours() {
    assert_eq!(route(route_message(8, vec![destination(), RouteAttribute::Table(1000)])), None);
    let mut message = route_message(8, vec![destination(), RouteAttribute::Table(254)]);
    message.header.table = 0;
    assert_eq!(route(message).unwrap().table, 254);
}

#[test]
fn cached_and_impossible_routes_are_left_out() {
    let mut cached = route_message(8, vec![destination()]);
    cached.header.flags = RouteFlags::Cloned;
    assert_eq!(route(cached), None);
    assert_eq!(route(route_message(33, vec![destination()])), None);
    let mut other_family = route_message(8, vec![]);
    other_family.header.address_family = AddressFamily::Mpls;
    assert_eq!(route(other_family), None);
}

#[test]
fn the_header_says_whether_a_route_replaces_another() {
    for (flags, expected) in [(0, false), (NLM_F_REPLACE, true)] {
        let change = Change::from_message(Message::NewRoute(route_message(8, vec![destination()])), flags);
        assert!(matches!(change, Some(Change::Route { replaces, .. }) if replaces == expected));
    }
}

#[test]
fn a_link_and_its_kind() {
    let mut message = LinkMessage::default();
    message.header.index = 5;
    message.header.flags = LinkFlags::Up | LinkFlags::LowerUp;
    message.attributes = vec![
        LinkAttribute::IfName("tun0".into()),
        LinkAttribute::Mtu(1400),
        LinkAttribute::Controller(7),
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Tun)]),
    ];
    let Some(Change::Link(link)) = Change::from_message(Message::NewLink(message.clone()), 0) else { panic!() };
    assert_eq!((link.name.as_str(), link.index, link.mtu, link.master), ("tun0", 5, 1400, Some(7)));
    assert_eq!((link.mac, link.kind.as_deref()), (None, Some("tun")));
    assert!(link.up && !link.running && !link.loopback);
    assert_eq!(Change::from_message(Message::DelLink(message), 0), Some(Change::LinkGone(5)));
}

#[test]
fn a_link_message_without_a_name_says_nothing_about_the_link() {
    let mut message = LinkMessage::default();
    message.header.index = 5;
    assert_eq!(Change::from_message(Message::NewLink(message), 0), None);
}

#[test]
fn a_port_that_leaves_its_bridge_is_no_removed_link() {
    let mut message = LinkMessage::default();
    message.header.index = 5;
    message.header.interface_family = AddressFamily::Bridge;
    message.attributes = vec![LinkAttribute::IfName("eth5".into())];
    assert_eq!(Change::from_message(Message::DelLink(message), 0), None);
}

#[test]
fn our_end_of_a_point_to_point_link_is_the_local_address() {
    let mut message = AddressMessage::default();
    message.header.prefix_len = 32;
    message.attributes =
        vec![AddressAttribute::Address([192, 0, 2, 2].into()), AddressAttribute::Local([192, 0, 2, 1].into())];
    let Some(Change::Address(address)) = Change::from_message(Message::NewAddress(message), 0) else { panic!() };
    assert_eq!(address.ip, std::net::IpAddr::from([192, 0, 2, 1]));
}

#[test]
fn an_ipv6_address_has_no_local_attribute_and_wide_flags() {
    let mut message = AddressMessage::default();
    message.attributes = vec![AddressAttribute::Address("2001:db8::1".parse().unwrap())];
    message.header.flags = AddressHeaderFlags::Tentative;
    let address = |message: &AddressMessage| match Change::from_message(Message::NewAddress(message.clone()), 0) {
        Some(Change::Address(address)) => address,
        other => panic!("{other:?}"),
    };
    assert!(address(&message).tentative);
    message.attributes.push(AddressAttribute::Flags(AddressFlags::Tentative | AddressFlags::Dadfailed));
    assert!(address(&message).duplicate && !address(&message).is_usable());
    // Optimistic addresses (RFC 4429) may be used while detection runs.
    message.attributes.push(AddressAttribute::Flags(AddressFlags::Tentative | AddressFlags::Optimistic));
    assert!(address(&message).is_usable());
}

fn neighbour_message(address: NeighbourAddress, state: WireState) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.ifindex = 3;
    message.header.state = state;
    message.attributes =
        vec![NeighbourAttribute::Destination(address), NeighbourAttribute::LinkLayerAddress(vec![2, 0, 0, 0, 0, 1])];
    message
}

#[test]
fn a_neighbour_is_usable_in_the_states_the_kernel_uses_it_in() {
    use NeighbourState as State;
    let states = [
        (WireState::None, State::None, false),
        (WireState::Incomplete, State::Incomplete, false),
        (WireState::Reachable, State::Reachable, true),
        (WireState::Stale, State::Stale, true),
        (WireState::Delay, State::Delay, true),
        (WireState::Probe, State::Probe, true),
        (WireState::Failed, State::Failed, false),
        (WireState::Noarp, State::Noarp, true),
        (WireState::Permanent, State::Permanent, true),
    ];
    for (wire, state, usable) in states {
        let message = neighbour_message(NeighbourAddress::Inet([192, 0, 2, 1].into()), wire);
        let change = Change::from_message(Message::NewNeighbour(message), 0);
        let Some(Change::Neighbour(key, neighbour)) = change else { panic!("{change:?}") };
        assert_eq!(key, (3, [192, 0, 2, 1].into()));
        assert_eq!(neighbour.state, state);
        assert_eq!(neighbour.usable_mac(), usable.then_some([2, 0, 0, 0, 0, 1]), "{state:?}");
    }
}

#[test]
fn groups_proxies_and_bridge_tables_are_no_neighbours() {
    let ours = neighbour_message(NeighbourAddress::Inet([192, 0, 2, 1].into()), WireState::Reachable);
    let group = neighbour_message(NeighbourAddress::Inet([224, 0, 0, 22].into()), WireState::Noarp);
    let (mut proxy, mut bridge) = (ours.clone(), ours.clone());
    proxy.header.flags = NeighbourFlags::Proxy;
    bridge.header.family = AddressFamily::Bridge;
    for message in [group, proxy, bridge] {
        assert_eq!(Change::from_message(Message::NewNeighbour(message), 0), None);
    }
    let gone = Change::from_message(Message::DelNeighbour(ours), 0);
    assert_eq!(gone, Some(Change::NeighbourGone((3, [192, 0, 2, 1].into()))));
}

#[test]
fn only_rules_beyond_the_usual_ones_are_kept() {
    let rule = |priority, table, more: Vec<RuleAttribute>| {
        let mut message = RuleMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.action = RuleAction::ToTable;
        let usual = vec![
            RuleAttribute::Priority(priority),
            RuleAttribute::Table(table),
            RuleAttribute::SuppressPrefixLen(u32::MAX),
        ];
        message.attributes = usual.into_iter().chain(more).collect();
        Change::from_message(Message::NewRule(message), 0)
    };
    for (priority, table) in [(0, 255), (32766, 254), (32767, 253)] {
        assert_eq!(rule(priority, table, vec![]), None);
    }
    assert_eq!(rule(5, 254, vec![]), Some(Change::PolicyRule("IPv4 rule 5: all → table 254".into())));
    assert!(rule(32766, 254, vec![RuleAttribute::FwMark(1)]).is_some(), "a selector makes it special");
    assert!(rule(32766, 254, vec![RuleAttribute::SuppressPrefixLen(0)]).is_some());
}

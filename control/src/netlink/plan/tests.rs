use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::{Hop, HopKind, plan};
use crate::netlink::change::Change;
use crate::netlink::model::{DEFAULT_TABLE, IpPrefix, LOCAL_TABLE, Link, MAIN_TABLE, NextHop, Route, RouteKind};
use crate::netlink::state::NetState;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn prefix(text: &str) -> IpPrefix {
    let (address, len) = text.split_once('/').unwrap();
    IpPrefix::around(ip(address), len.parse().unwrap()).unwrap()
}

fn route(table: u32, destination: &str, kind: RouteKind, gateway: Option<&str>, ifindex: Option<u32>) -> Route {
    Route {
        destination: prefix(destination),
        table,
        tos: 0,
        metric: 0,
        kind,
        hop: NextHop { gateway: gateway.map(ip), ifindex },
        other_hops: vec![],
        preferred_source: None,
        mtu: None,
    }
}

fn main(destination: &str, gateway: &str, ifindex: u32) -> Route {
    route(MAIN_TABLE, destination, RouteKind::Unicast, Some(gateway), Some(ifindex))
}

/// Links 1 (loopback), 2 and 3 (mtu 1500, served), 4 (mtu 1400, not served), 9 (down).
fn state(routes: impl IntoIterator<Item = Route>) -> NetState {
    let mut state = NetState::default();
    for index in [1, 2, 3, 4, 9] {
        let link = Link {
            index,
            name: format!("eth{index}"),
            mac: None,
            mtu: if index == 4 { 1400 } else { 1500 },
            up: index != 9,
            running: index != 9,
            loopback: index == 1,
            kind: None,
            master: None,
        };
        let _ = state.apply(Change::Link(link));
    }
    for route in routes {
        let _ = state.apply(Change::Route { route, replaces: false });
    }
    state
}

fn served() -> BTreeSet<u32> {
    [2, 3, 9].into()
}

fn lookup(routes: impl IntoIterator<Item = Route>, destination: &str) -> Option<Hop> {
    plan(&state(routes), &served()).lookup(ip(destination)).copied()
}

fn kind(routes: impl IntoIterator<Item = Route>, destination: &str) -> Option<HopKind> {
    lookup(routes, destination).map(|hop| hop.kind)
}

#[test]
fn a_forwarding_hop_carries_what_the_worker_needs() {
    let mut near = main("10.0.0.0/8", "192.0.2.1", 2);
    near.mtu = Some(1300);
    near.preferred_source = Some(ip("192.0.2.9"));
    let expected = Hop {
        kind: HopKind::Forward,
        ifindex: 2,
        gateway: Some(ip("192.0.2.1")),
        mtu: 1300,
        preferred_source: Some(ip("192.0.2.9")),
    };
    assert_eq!(lookup([near.clone()], "10.1.1.1"), Some(expected));
    near.mtu = Some(9000);
    assert_eq!(lookup([near], "10.1.1.1").map(|hop| hop.mtu), Some(1500), "no more than the link takes");
}

#[test]
fn a_link_no_worker_serves_is_left_to_the_kernel() {
    let hop = lookup([main("10.0.0.0/8", "192.0.2.1", 4)], "10.1.1.1").unwrap();
    assert_eq!((hop.kind, hop.ifindex, hop.mtu), (HopKind::Kernel, 4, 1400));
}

#[test]
fn each_kind_of_route_has_its_verdict() {
    let kinds = [
        (RouteKind::Local, HopKind::Local),
        (RouteKind::Broadcast, HopKind::Local),
        (RouteKind::Anycast, HopKind::Local),
        (RouteKind::Multicast, HopKind::Local),
        (RouteKind::Blackhole, HopKind::Blackhole),
        (RouteKind::Unreachable, HopKind::Unreachable),
        (RouteKind::Prohibit, HopKind::Unreachable),
        (RouteKind::Throw, HopKind::Unreachable),
        (RouteKind::Other(99), HopKind::Unreachable),
    ];
    for (of_route, expected) in kinds {
        let route = route(MAIN_TABLE, "10.0.0.0/8", of_route, None, None);
        assert_eq!(kind([route], "10.1.1.1"), Some(expected), "{of_route:?}");
    }
    assert_eq!(kind([], "10.1.1.1"), None);
}

#[test]
fn groups_and_the_limited_broadcast_are_local_whatever_the_routes_say() {
    let routes =
        || [main("0.0.0.0/0", "192.0.2.1", 2), main("224.0.0.0/24", "192.0.2.1", 2), main("::/0", "fe80::1", 2)];
    for destination in ["224.0.0.18", "239.255.255.255", "255.255.255.255", "ff02::12"] {
        assert_eq!(kind(routes(), destination), Some(HopKind::Local), "{destination}");
    }
    for destination in ["223.255.255.255", "240.0.0.1", "255.255.255.254", "fe80::12"] {
        assert_eq!(kind(routes(), destination), Some(HopKind::Forward), "{destination}");
    }
}

#[test]
fn the_local_table_comes_before_longer_prefixes_of_main() {
    let routes = || {
        [
            route(LOCAL_TABLE, "10.1.0.0/16", RouteKind::Local, None, Some(1)),
            route(LOCAL_TABLE, "10.1.0.255/32", RouteKind::Broadcast, None, Some(2)),
            main("10.1.1.0/24", "192.0.2.1", 2),
            main("10.1.0.0/16", "192.0.2.1", 2),
            main("10.0.0.0/8", "192.0.2.1", 2),
        ]
    };
    assert_eq!(kind(routes(), "10.1.1.1"), Some(HopKind::Local));
    assert_eq!(kind(routes(), "10.1.0.255"), Some(HopKind::Local));
    assert_eq!(kind(routes(), "10.2.0.0"), Some(HopKind::Forward));
}

#[test]
fn the_lowest_metric_over_a_link_that_is_up_wins() {
    let with = |metric, gateway, ifindex| Route { metric, ..main("10.0.0.0/8", gateway, ifindex) };
    let routes = [with(1, "192.0.2.1", 9), with(3, "192.0.2.3", 3), with(2, "192.0.2.2", 2)];
    assert_eq!(lookup(routes, "10.1.1.1").unwrap().gateway, Some(ip("192.0.2.2")));
    assert_eq!(lookup([with(1, "192.0.2.1", 9)], "10.1.1.1"), None);

    let second = NextHop { gateway: Some(ip("192.0.2.8")), ifindex: Some(3) };
    let multipath = Route { other_hops: vec![second], ..with(1, "192.0.2.1", 9) };
    assert_eq!(lookup([multipath], "10.1.1.1").unwrap().gateway, second.gateway);
}

#[test]
fn equal_hops_are_one_entry() {
    let routes = (0..=255_u8).map(|second| main(&format!("10.{second}.0.0/16"), "192.0.2.1", 2));
    let made = plan(&state(routes), &served());
    assert_eq!(made.hops.len(), 2, "the router, and the local hop of the groups");
    assert_eq!(made.ipv4.ranges(), 6, "before 10/8, 10/8, behind it, groups, behind them, broadcast");
}

#[test]
fn families_do_not_mix() {
    let routes = || [main("0.0.0.0/0", "fe80::1", 2), main("2001:db8::/32", "fe80::2", 3)];
    assert_eq!(lookup(routes(), "8.8.8.8").unwrap().gateway, Some(ip("fe80::1")), "an IPv6 router for IPv4");
    assert_eq!(lookup(routes(), "2001:db8::1").unwrap().gateway, Some(ip("fe80::2")));
    assert_eq!(lookup(routes(), "2001:db9::1"), None);
}

/// A few bits of 10.0.0.0/8, so that prefixes nest, and routes of equal key occur.
fn arbitrary_route() -> impl Strategy<Value = Route> {
    let tables = prop::sample::select(vec![LOCAL_TABLE, MAIN_TABLE, DEFAULT_TABLE]);
    let ifindex = prop::sample::select(vec![2, 3, 4, 9]);
    (tables, 0..16_u32, 8..=12_u8, 0..3_u32, any::<u8>(), ifindex).prop_map(
        |(table, bits, len, metric, router, ifindex)| Route {
            destination: IpPrefix::around(Ipv4Addr::from_bits(10 << 24 | bits << 20).into(), len).unwrap(),
            metric,
            ..route(table, "0.0.0.0/0", RouteKind::Unicast, Some(&format!("192.0.2.{router}")), Some(ifindex))
        },
    )
}

proptest! {
    #[test]
    fn the_tables_answer_as_the_routes_do(routes in prop::collection::vec(arbitrary_route(), 0..24)) {
        let state = state(routes);
        let made = plan(&state, &served());
        for bits in 0..17_u32 {
            let destination = Ipv4Addr::from_bits((10 << 24) + (bits << 20) + 7).into();
            let seen = made.lookup(destination).map(|hop| (hop.gateway, Some(hop.ifindex)));
            let expected = state.route_to(destination).and_then(|route| state.usable_hop(route));
            prop_assert_eq!(seen, expected.map(|hop| (hop.gateway, hop.ifindex)), "{}", destination);
        }
    }
}

use std::net::IpAddr;
use std::sync::Arc;

use super::NetState;
use crate::netlink::model::{
    Address, DEFAULT_TABLE, IpPrefix, LOCAL_TABLE, Link, MAIN_TABLE, NextHop, Route, RouteKey, RouteKind, Scope,
};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn prefix(text: &str) -> IpPrefix {
    let (address, len) = text.split_once('/').unwrap();
    IpPrefix::around(ip(address), len.parse().unwrap()).unwrap()
}

fn route(table: u32, destination: &str, gateway: Option<&str>, ifindex: u32) -> Route {
    Route {
        destination: prefix(destination),
        table,
        tos: 0,
        metric: 0,
        kind: if table == LOCAL_TABLE { RouteKind::Local } else { RouteKind::Unicast },
        hop: NextHop { gateway: gateway.map(ip), ifindex: Some(ifindex) },
        other_hops: vec![],
        preferred_source: None,
        mtu: None,
    }
}

fn address(ifindex: u32, text: &str) -> Address {
    let subnet = prefix(text);
    Address {
        ifindex,
        ip: ip(text.split('/').next().unwrap()),
        prefix_len: subnet.len(),
        scope: if text.starts_with("fe80") { Scope::Link } else { Scope::Global },
        tentative: false,
        duplicate: false,
        deprecated: false,
        secondary: false,
    }
}

fn state(addresses: &[Address], routes: &[Route]) -> NetState {
    let link = |index: u32| Link {
        index,
        name: format!("eth{index}"),
        mac: None,
        mtu: 1500,
        up: index != 9,
        running: true,
        loopback: false,
        kind: None,
        master: None,
    };
    let keyed = |(position, route): (usize, &Route)| {
        let (table, destination, metric) = (route.table, route.destination, route.metric);
        (RouteKey { table, destination, tos: route.tos, metric, position: position as u32 }, route.clone())
    };
    NetState {
        links: Arc::new([1, 2, 9].map(|index| (index, link(index))).into()),
        addresses: Arc::new(addresses.to_vec()),
        routes: Arc::new(routes.iter().enumerate().map(keyed).collect()),
        ..NetState::default()
    }
}

fn gateway(state: &NetState, destination: &str) -> Option<IpAddr> {
    state.route_to(ip(destination)).and_then(|route| route.hop.gateway)
}

#[test]
fn a_prefix_drops_the_bits_behind_it() {
    assert_eq!(prefix("10.1.2.3/8").address(), ip("10.0.0.0"));
    assert_eq!(prefix("2001:db8::1/32").to_string(), "2001:db8::/32");
    assert_eq!(prefix("10.1.2.3/0").address(), ip("0.0.0.0"));
    assert_eq!(prefix("10.1.2.3/32").address(), ip("10.1.2.3"));
    assert_eq!(IpPrefix::around(ip("10.0.0.0"), 33), None);
    assert_eq!(IpPrefix::around(ip("::"), 129), None);
    assert!(prefix("0.0.0.0/0").contains(ip("8.8.8.8")));
    assert!(!prefix("0.0.0.0/0").contains(ip("::")));
    assert!(!prefix("10.0.0.0/8").contains(ip("11.0.0.0")));
}

#[test]
fn the_longest_prefix_then_the_lowest_metric_wins() {
    let cheap = Route { metric: 5, ..route(MAIN_TABLE, "0.0.0.0/0", Some("192.0.2.5"), 1) };
    let dear = Route { metric: 9, ..route(MAIN_TABLE, "0.0.0.0/0", Some("192.0.2.9"), 1) };
    let state = state(&[], &[dear, cheap, route(MAIN_TABLE, "10.0.0.0/8", Some("192.0.2.1"), 1)]);
    assert_eq!(gateway(&state, "10.1.1.1"), Some(ip("192.0.2.1")));
    assert_eq!(gateway(&state, "11.1.1.1"), Some(ip("192.0.2.5")));
    assert_eq!(state.route_to(ip("2001:db8::1")), None);
}

#[test]
fn tables_are_asked_in_the_order_of_the_default_rules() {
    let state = state(
        &[],
        &[
            route(DEFAULT_TABLE, "10.1.1.1/32", Some("192.0.2.3"), 1),
            route(MAIN_TABLE, "10.0.0.0/8", Some("192.0.2.1"), 1),
            route(DEFAULT_TABLE, "0.0.0.0/0", Some("192.0.2.2"), 1),
            route(LOCAL_TABLE, "10.2.0.0/16", None, 1),
            route(MAIN_TABLE, "10.2.2.2/32", Some("192.0.2.4"), 1),
        ],
    );
    assert_eq!(gateway(&state, "10.1.1.1"), Some(ip("192.0.2.1")), "main has a match, however short");
    assert_eq!(gateway(&state, "11.1.1.1"), Some(ip("192.0.2.2")));
    assert_eq!(state.route_to(ip("10.2.2.2")).unwrap().kind, RouteKind::Local);
}

#[test]
fn a_route_over_a_link_that_is_down_does_not_count() {
    let mut multipath = route(MAIN_TABLE, "10.0.0.0/8", Some("192.0.2.1"), 9);
    let fallback = route(MAIN_TABLE, "0.0.0.0/0", Some("192.0.2.2"), 1);
    assert_eq!(gateway(&state(&[], &[multipath.clone(), fallback.clone()]), "10.1.1.1"), Some(ip("192.0.2.2")));

    let second = NextHop { gateway: Some(ip("198.51.100.1")), ifindex: Some(2) };
    multipath.other_hops = vec![second];
    let state = state(&[], &[multipath.clone(), fallback]);
    assert_eq!(state.route_to(ip("10.1.1.1")), Some(&multipath));
    assert_eq!(state.usable_hop(&multipath), Some(second));
}

#[test]
fn the_source_address_follows_the_route() {
    let preferred = Route { preferred_source: Some(ip("192.0.2.77")), ..route(MAIN_TABLE, "10.0.0.0/8", None, 1) };
    let routes = [
        preferred,
        route(MAIN_TABLE, "0.0.0.0/0", Some("198.51.100.254"), 2),
        route(MAIN_TABLE, "192.0.2.0/24", None, 1),
        route(MAIN_TABLE, "::/0", Some("fe80::1"), 2),
        route(LOCAL_TABLE, "192.0.2.1/32", None, 1),
    ];
    let addresses = [
        address(2, "203.0.113.1/24"),
        address(2, "198.51.100.1/24"),
        address(1, "192.0.2.1/24"),
        address(2, "fe80::2/64"),
        address(1, "2001:db8::1/64"),
    ];
    let state = state(&addresses, &routes);
    let source = |destination| state.source_address_for(ip(destination));
    assert_eq!(source("10.1.1.1"), Some(ip("192.0.2.77")), "the route's own preference");
    assert_eq!(source("8.8.8.8"), Some(ip("198.51.100.1")), "the gateway's subnet");
    assert_eq!(source("192.0.2.9"), Some(ip("192.0.2.1")), "the destination's subnet");
    assert_eq!(source("192.0.2.1"), Some(ip("192.0.2.1")), "ourselves");
    assert_eq!(source("2001:db8:1::1"), Some(ip("2001:db8::1")), "another interface before a link-local one");
    assert_eq!(source("fe80::7"), Some(ip("fe80::2")));
}

#[test]
fn a_tentative_address_is_no_source() {
    let tentative = Address { tentative: true, ..address(1, "2001:db8::1/64") };
    let routes = [route(MAIN_TABLE, "2001:db8::/64", None, 1)];
    assert_eq!(state(&[tentative], &routes).source_address_for(ip("2001:db8::9")), None);
}

#[test]
fn local_addresses_are_the_hosts_of_the_local_table() {
    let broadcast = Route { kind: RouteKind::Broadcast, ..route(LOCAL_TABLE, "192.0.2.255/32", None, 1) };
    let routes = [
        route(LOCAL_TABLE, "192.0.2.1/32", None, 1),
        route(LOCAL_TABLE, "127.0.0.0/8", None, 1),
        broadcast,
        route(LOCAL_TABLE, "2001:db8::1/128", None, 1),
        route(MAIN_TABLE, "192.0.2.9/32", None, 1),
    ];
    let addresses = state(&[address(1, "192.0.2.1/24")], &routes).local_addresses();
    assert_eq!(addresses.into_iter().collect::<Vec<_>>(), [ip("192.0.2.1"), ip("2001:db8::1")]);
}

#[test]
fn rules_are_warned_about_by_name() {
    let mut state = NetState::default();
    assert_eq!(state.policy_warning(), None);
    state.policy_rules = Arc::new(["IPv4 rule 5: all → table 7".to_owned()].into());
    assert!(state.policy_warning().unwrap().contains("IPv4 rule 5: all → table 7"));
}

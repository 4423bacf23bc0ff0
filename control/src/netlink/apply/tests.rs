use std::net::IpAddr;

use super::Effect;
use crate::netlink::change::Change;
use crate::netlink::model::{
    Address, IpPrefix, Link, MAIN_TABLE, Neighbour, NeighbourState, NextHop, Route, RouteKind, Scope,
};
use crate::netlink::state::NetState;

const NOTHING: Effect = Effect { changed: false, routes_stale: false };
const CHANGED: Effect = Effect { changed: true, routes_stale: false };
const STALE: Effect = Effect { changed: false, routes_stale: true };
const BOTH: Effect = Effect { changed: true, routes_stale: true };

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn link(index: u32) -> Link {
    Link {
        index,
        name: format!("eth{index}"),
        mac: Some([2, 0, 0, 0, 0, index as u8]),
        mtu: 1500,
        up: true,
        running: true,
        loopback: false,
        kind: None,
        master: None,
    }
}

fn address(ifindex: u32, text: &str) -> Address {
    Address {
        ifindex,
        ip: ip(text),
        prefix_len: 24,
        scope: Scope::Global,
        tentative: false,
        duplicate: false,
        deprecated: false,
        secondary: false,
    }
}

fn hop(gateway: &str, ifindex: u32) -> NextHop {
    NextHop { gateway: Some(ip(gateway)), ifindex: Some(ifindex) }
}

fn route(destination: &str, len: u8, hop: NextHop) -> Route {
    Route {
        destination: IpPrefix::around(ip(destination), len).unwrap(),
        table: MAIN_TABLE,
        tos: 0,
        metric: 0,
        kind: RouteKind::Unicast,
        hop,
        other_hops: vec![],
        preferred_source: None,
        mtu: None,
    }
}

fn add(route: &Route) -> Change {
    Change::Route { route: route.clone(), replaces: false }
}

fn replace(route: &Route) -> Change {
    Change::Route { route: route.clone(), replaces: true }
}

/// Two links up, and whatever else.
fn state(changes: impl IntoIterator<Item = Change>) -> NetState {
    let mut state = NetState::default();
    for change in [Change::Link(link(1)), Change::Link(link(2))].into_iter().chain(changes) {
        let _ = state.apply(change);
    }
    state
}

fn hops(state: &NetState) -> Vec<NextHop> {
    state.routes.values().map(|route| route.hop).collect()
}

#[test]
fn the_same_change_twice_has_no_second_effect() {
    let neighbour = Neighbour { mac: Some([2; 6]), state: NeighbourState::Reachable };
    let changes = [
        Change::Link(link(7)),
        Change::Address(address(1, "192.0.2.1")),
        add(&route("10.0.0.0", 8, hop("192.0.2.9", 1))),
        Change::Neighbour((1, ip("192.0.2.9")), neighbour),
        Change::PolicyRule("a rule".into()),
        Change::PolicyRuleGone("a rule".into()),
        Change::NeighbourGone((1, ip("192.0.2.9"))),
        Change::RouteGone(route("10.0.0.0", 8, hop("192.0.2.9", 1))),
        Change::AddressGone(address(1, "192.0.2.1")),
        Change::LinkGone(7),
    ];
    let before = state([]);
    let mut state = before.clone();
    for change in changes {
        assert!(state.apply(change.clone()).changed, "{change:?}");
        let after = state.clone();
        assert_eq!(state.apply(change.clone()), NOTHING, "{change:?}");
        assert_eq!(state, after);
    }
    assert_eq!(state, before, "each thing that was added was removed");
}

#[test]
fn an_entry_with_new_properties_takes_the_place_of_the_old() {
    let mut state = state([Change::Address(address(1, "192.0.2.1")), Change::Address(address(1, "192.0.2.2"))]);
    let tentative = Address { tentative: true, ..address(1, "192.0.2.1") };
    assert_eq!(state.apply(Change::Address(tentative.clone())), CHANGED);
    assert_eq!(state.addresses[..], [tentative, address(1, "192.0.2.2")]);

    let mtu = Link { mtu: 9000, ..link(1) };
    assert_eq!(state.apply(Change::Link(mtu.clone())), CHANGED);
    assert_eq!(state.links[&1], mtu);
}

#[test]
fn a_removed_link_takes_everything_on_it_along() {
    let neighbour = Neighbour { mac: Some([2; 6]), state: NeighbourState::Reachable };
    let multipath = Route { other_hops: vec![hop("192.0.2.2", 2)], ..route("10.2.0.0", 16, hop("192.0.2.1", 1)) };
    let mut state = state([
        Change::Address(address(1, "192.0.2.1")),
        Change::Address(address(2, "198.51.100.1")),
        add(&route("10.0.0.0", 16, hop("192.0.2.9", 1))),
        add(&route("10.1.0.0", 16, hop("198.51.100.9", 2))),
        add(&multipath),
        add(&route("2001:db8::", 32, hop("fe80::1", 1))),
        Change::Neighbour((1, ip("192.0.2.9")), neighbour),
        Change::Neighbour((2, ip("198.51.100.9")), neighbour),
    ]);
    assert_eq!(state.apply(Change::LinkGone(1)), BOTH);
    assert_eq!(state.links.keys().collect::<Vec<_>>(), [&2]);
    assert_eq!(state.addresses[..], [address(2, "198.51.100.1")]);
    assert_eq!(state.neighbours.keys().collect::<Vec<_>>(), [&(2, ip("198.51.100.9"))]);
    assert_eq!(hops(&state), [hop("198.51.100.9", 2), hop("192.0.2.2", 2)]);
    assert!(state.routes.values().all(|route| route.other_hops.is_empty()));
}

#[test]
fn a_link_that_goes_down_takes_its_ipv4_routes_along_and_asks_for_the_rest() {
    let mut state = state([
        add(&route("10.0.0.0", 16, hop("192.0.2.9", 1))),
        add(&route("2001:db8::", 32, hop("fe80::1", 1))),
        Change::Address(address(1, "192.0.2.1")),
    ]);
    assert_eq!(state.apply(Change::Link(Link { up: false, running: false, ..link(1) })), BOTH);
    assert_eq!(hops(&state), [hop("fe80::1", 1)]);
    assert_eq!(state.addresses.len(), 1, "addresses stay");
    assert_eq!(state.apply(Change::Link(link(1))), BOTH);
    assert_eq!(state.apply(Change::Link(Link { running: false, ..link(1) })), CHANGED, "a carrier changes no route");
}

#[test]
fn a_removed_address_asks_for_the_routes_that_preferred_it() {
    let mut state = state([Change::Address(address(1, "192.0.2.1"))]);
    assert_eq!(state.apply(Change::AddressGone(address(1, "192.0.2.1"))), BOTH);
    assert_eq!(state.apply(Change::AddressGone(address(1, "192.0.2.1"))), NOTHING);
}

#[test]
fn routes_differ_by_table_destination_metric() {
    let one = route("10.0.0.0", 8, hop("192.0.2.9", 1));
    let others = [
        Route { metric: 5, ..one.clone() },
        Route { table: 255, ..one.clone() },
        route("10.0.0.0", 9, hop("192.0.2.9", 1)),
        route("11.0.0.0", 8, hop("192.0.2.9", 1)),
    ];
    let mut state = state([add(&one)]);
    for other in &others {
        assert_eq!(state.apply(add(other)), CHANGED);
    }
    assert_eq!(state.routes.len(), 5);
    for other in &others {
        assert_eq!(state.apply(Change::RouteGone(other.clone())), CHANGED);
    }
    assert_eq!(state.routes.values().collect::<Vec<_>>(), [&one]);
}

#[test]
fn a_replaced_route_is_gone() {
    let mut state = state([add(&route("0.0.0.0", 0, hop("192.0.2.1", 1)))]);
    assert_eq!(state.apply(replace(&route("0.0.0.0", 0, hop("192.0.2.2", 1)))), CHANGED);
    assert_eq!(hops(&state), [hop("192.0.2.2", 1)]);
    assert_eq!(state.apply(Change::RouteGone(route("0.0.0.0", 0, hop("192.0.2.2", 1)))), CHANGED);
    assert!(state.routes.is_empty());
}

#[test]
fn a_route_with_new_properties_is_the_same_route() {
    let before = route("0.0.0.0", 0, hop("192.0.2.1", 1));
    let after = Route { mtu: Some(1300), preferred_source: Some(ip("192.0.2.7")), ..before.clone() };
    let mut state = state([add(&before)]);
    assert_eq!(state.apply(add(&after)), CHANGED);
    assert_eq!(state.routes.values().collect::<Vec<_>>(), [&after]);
}

#[test]
fn routes_of_equal_key_are_kept_in_order_and_read_anew() {
    let [first, second] = [route("fe80::", 64, hop("fe80::1", 1)), route("fe80::", 64, hop("fe80::1", 2))];
    let mut state = state([add(&first)]);
    assert_eq!(state.apply(add(&second)), BOTH, "whether it comes first or last is not said");
    assert_eq!(hops(&state), [first.hop, second.hop]);
    assert_eq!(state.apply(replace(&second)), STALE, "which one it replaced is not said");
    assert_eq!(state.apply(Change::RouteGone(first)), CHANGED);
    assert_eq!(hops(&state), [second.hop]);
}

#[test]
fn a_part_of_a_multipath_route_that_goes_makes_the_routes_stale() {
    let multipath = Route { other_hops: vec![hop("192.0.2.2", 1)], ..route("10.0.0.0", 8, hop("192.0.2.1", 1)) };
    let mut state = state([add(&multipath)]);
    assert_eq!(state.apply(Change::RouteGone(route("10.0.0.0", 8, hop("192.0.2.2", 1)))), STALE);
    assert_eq!(state.apply(Change::RouteGone(multipath)), CHANGED);
    assert!(state.routes.is_empty());
}

#[test]
fn what_does_not_change_is_shared_with_the_state_before() {
    let before = state([add(&route("10.0.0.0", 8, hop("192.0.2.1", 1)))]);
    let mut after = before.clone();
    let neighbour = Neighbour { mac: None, state: NeighbourState::Incomplete };
    assert_eq!(after.apply(Change::Neighbour((1, ip("192.0.2.1")), neighbour)), CHANGED);
    assert!(std::sync::Arc::ptr_eq(&before.routes, &after.routes));
    assert!(before.neighbours.is_empty(), "a published state never changes");
}

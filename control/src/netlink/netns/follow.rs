//! The mirror against what `ip -j` says.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Namespace, address, mirror, privileged, wait_for};
use crate::netlink::mirror::{Mirror, Options};
use crate::netlink::model::{LOCAL_TABLE, MAIN_TABLE, NextHop, RouteKind};
use crate::netlink::state::NetState;

/// Links, addresses, routes and neighbours of many kinds.
fn furnished() -> Namespace {
    let namespace = Namespace::new();
    for words in [
        "link add v0 type veth peer name v1",
        "tuntap add mode tap name d0",
        "link set d0 mtu 1400",
        "link add b0 type bridge",
        "link set v1 master b0",
        "link set v0 up",
        "link set v1 up",
        "link set b0 up",
        "link set d0 up",
        "address add 192.0.2.1/24 dev v0",
        "address add 192.0.2.2/24 dev v0",
        "address add 198.51.100.1/32 peer 198.51.100.2/32 dev d0",
        "address add 2001:db8::1/64 dev v0 nodad",
        "route add default via 192.0.2.254 metric 100",
        "route add default via 192.0.2.253 metric 50 mtu 1300",
        "route add 203.0.113.0/24 nexthop via 192.0.2.254 nexthop via 192.0.2.253",
        "route add 203.0.113.128/25 via inet6 2001:db8::99 dev v0",
        "route add blackhole 10.0.0.0/8",
        "route add unreachable 10.1.0.0/16",
        "route add prohibit 10.2.0.0/16",
        "route add 10.3.0.0/16 dev v0 src 192.0.2.2",
        "-6 route add default via 2001:db8::fe dev v0",
        "-6 route add 2001:db8:1::/48 nexthop via 2001:db8::a nexthop via 2001:db8::b",
        "neighbour add 192.0.2.254 lladdr 02:00:00:00:00:fe dev v0 nud permanent",
        "neighbour add 2001:db8::fe lladdr 02:00:00:00:00:fd dev v0 nud stale",
        "route add 172.16.0.0/12 dev v0 table 100",
    ] {
        namespace.ip(words);
    }
    namespace
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn links_agree(state: &NetState, namespace: &Namespace) -> bool {
    let expected: BTreeSet<_> = namespace
        .json("-d link show")
        .iter()
        .map(|link| {
            let flags: Vec<_> = link["flags"].as_array().unwrap().iter().map(|flag| flag.as_str().unwrap()).collect();
            let kind = link["linkinfo"]["info_kind"].as_str().map(str::to_owned);
            // `ip` prints NO-CARRIER for an interface that is up without RUNNING.
            let running = flags.contains(&"UP") && !flags.contains(&"NO-CARRIER");
            (
                link["ifindex"].as_u64().unwrap(),
                text(link, "ifname").to_owned(),
                text(link, "address").to_owned(),
                link["mtu"].as_u64().unwrap(),
                flags.contains(&"UP"),
                running,
                kind,
                link["master"].as_str().map(str::to_owned),
            )
        })
        .collect();
    let seen: BTreeSet<_> = state
        .links
        .values()
        .map(|link| {
            let mac = link.mac.unwrap().map(|byte| format!("{byte:02x}")).join(":");
            let master = link.master.map(|index| state.links[&index].name.clone());
            let (kind, name) = (link.kind.clone(), link.name.clone());
            (link.index.into(), name, mac, link.mtu.into(), link.up, link.running, kind, master)
        })
        .collect();
    seen == expected
}

fn addresses_agree(state: &NetState, namespace: &Namespace) -> bool {
    let mut expected = Vec::new();
    for link in namespace.json("address show") {
        for info in link["addr_info"].as_array().unwrap() {
            let ip = address(text(info, "local"));
            let prefix_len = info["prefixlen"].as_u64().unwrap();
            expected.push((link["ifindex"].as_u64().unwrap(), ip, prefix_len, info["secondary"] == true));
        }
    }
    let mut seen: Vec<_> = state
        .addresses
        .iter()
        .map(|address| (address.ifindex.into(), address.ip, address.prefix_len.into(), address.secondary))
        .collect();
    expected.sort_unstable();
    seen.sort_unstable();
    seen == expected
}

/// (kind, destination, gateway, device, metric) of each route of a table.
type RouteRow = (String, String, String, String, u64);

fn expected_routes(namespace: &Namespace, family: &str, table: &str) -> Vec<RouteRow> {
    let mut rows = Vec::new();
    for route in namespace.json(&format!("-d {family} route show table {table}")) {
        let first = route["nexthops"].get(0).unwrap_or(&route);
        let gateway = match text(first, "gateway") {
            "" => text(&first["via"], "host"),
            gateway => gateway,
        };
        let (destination, device) = (text(&route, "dst"), text(first, "dev"));
        let metric = route["metric"].as_u64().unwrap_or(0);
        rows.push((text(&route, "type").into(), destination.into(), gateway.into(), device.into(), metric));
    }
    rows.sort_unstable();
    rows
}

fn mirrored_routes(state: &NetState, ipv4: bool, table: u32) -> Vec<RouteRow> {
    let mut rows = Vec::new();
    let of_table =
        |route: &&crate::netlink::model::Route| route.table == table && route.destination.address().is_ipv4() == ipv4;
    for route in state.routes.values().filter(of_table) {
        let kind = format!("{:?}", route.kind).to_lowercase();
        let full = if ipv4 { 32 } else { 128 };
        let destination = match route.destination.len() {
            0 => "default".to_owned(),
            len if len == full => route.destination.address().to_string(),
            _ => route.destination.to_string(),
        };
        let gateway = route.hop.gateway.map(|ip| ip.to_string()).unwrap_or_default();
        let device = route.hop.ifindex.map(|index| state.links[&index].name.clone()).unwrap_or_default();
        rows.push((kind, destination, gateway, device, route.metric.into()));
    }
    rows.sort_unstable();
    rows
}

fn routes_agree(state: &NetState, namespace: &Namespace) -> bool {
    [("-4", true), ("-6", false)].into_iter().all(|(family, ipv4)| {
        [("main", MAIN_TABLE), ("local", LOCAL_TABLE)]
            .into_iter()
            .all(|(name, table)| mirrored_routes(state, ipv4, table) == expected_routes(namespace, family, name))
    })
}

fn neighbours_agree(state: &NetState, namespace: &Namespace) -> bool {
    let expected: BTreeSet<_> = namespace
        .json("neighbour show nud all")
        .iter()
        .filter(|row| !address(text(row, "dst")).is_multicast())
        .map(|row| {
            let states: Vec<_> = row["state"].as_array().unwrap().iter().map(|state| state.as_str().unwrap()).collect();
            (text(row, "dev").to_owned(), address(text(row, "dst")), text(row, "lladdr").to_owned(), states.join(","))
        })
        .collect();
    let seen: BTreeSet<_> = state
        .neighbours
        .iter()
        .map(|((ifindex, ip), neighbour)| {
            let mac = neighbour.mac.map(|mac| mac.map(|byte| format!("{byte:02x}")).join(":")).unwrap_or_default();
            (state.links[ifindex].name.clone(), *ip, mac, format!("{:?}", neighbour.state).to_uppercase())
        })
        .collect();
    seen == expected
}

#[test]
fn the_first_state_is_what_ip_says() {
    if !privileged() {
        return;
    }
    let namespace = furnished();
    namespace.block_on(|| async {
        // The kernel still gives link-local addresses to the new links: read until both sides were asked at the same moment.
        let deadline = Instant::now() + Duration::from_secs(10);
        let state = loop {
            let states = Mirror::open(Options::default()).await.unwrap().subscribe();
            let state = states.borrow().clone();
            let difference = difference(&state, &namespace);
            if difference.is_none() && state.addresses.iter().all(|address| !address.tentative) {
                break state;
            }
            assert!(Instant::now() < deadline, "the first state differs in the {difference:?}: {state:#?}");
        };
        assert_eq!(state.dumps, 1);
        assert_eq!(state.policy_warning(), None);

        let route = state.route_to(address("10.1.2.3")).unwrap();
        assert_eq!(route.kind, RouteKind::Unreachable);
        let route = state.route_to(address("8.8.8.8")).unwrap();
        assert_eq!((route.metric, route.mtu, route.hop.gateway), (50, Some(1300), Some(address("192.0.2.253"))));
        let route = state.route_to(address("203.0.113.7")).unwrap();
        let index = state.interface_by_name("v0").unwrap().index;
        let second = NextHop { gateway: Some(address("192.0.2.253")), ifindex: Some(index) };
        assert_eq!(route.other_hops, [second]);
        assert_eq!(state.source_address_for(address("10.3.0.1")), Some(address("192.0.2.2")));
        assert_eq!(state.source_address_for(address("2001:db8::7")), Some(address("2001:db8::1")));
        assert!(state.local_addresses().contains(&address("198.51.100.1")));
        assert!(!state.local_addresses().contains(&address("198.51.100.2")));
    });
}

#[test]
fn each_change_is_followed() {
    if !privileged() {
        return;
    }
    let namespace = furnished();
    namespace.block_on(|| async {
        let mut states = mirror().await;
        wait_for(&mut states, "no address is tentative", |state| state.addresses.iter().all(|a| !a.tentative)).await;
        let steps = [
            "link set d0 mtu 1280",
            "link set d0 down",
            "link set d0 up",
            "link set v1 nomaster",
            "tuntap add mode tap name d1",
            "address add 192.0.2.3/24 dev v0",
            "address del 192.0.2.1/24 dev v0",
            "address add 192.0.2.1/24 dev v0",
            "address del 2001:db8::1/64 dev v0",
            "address add 2001:db8::1/64 dev v0 nodad",
            "route replace default via 192.0.2.250 metric 50",
            "route append 10.9.0.0/16 via 192.0.2.250",
            "route append 10.9.0.0/16 via 192.0.2.251",
            "route prepend 10.9.0.0/16 via 192.0.2.252",
            "route del 10.9.0.0/16 via 192.0.2.250",
            "-6 route add 2001:db8:2::/48 nexthop via 2001:db8::a nexthop via 2001:db8::b",
            "-6 route append 2001:db8:2::/48 via 2001:db8::c dev v0",
            "-6 route del 2001:db8:2::/48 via 2001:db8::a dev v0",
            "neighbour add 192.0.2.77 lladdr 02:00:00:00:00:77 dev v0 nud permanent",
            "neighbour del 192.0.2.77 dev v0",
            "link set v0 down",
            "link set v0 up",
            "link del d1",
            "link del v0",
        ];
        for (number, step) in steps.into_iter().enumerate() {
            namespace.ip(step);
            // The loopback's mtu marks the end of what the step did: the kernel's messages come in order.
            let mark = 2000 + number as u32;
            namespace.ip(&format!("link set lo mtu {mark}"));
            wait_for(&mut states, step, |state| state.interface_by_name("lo").is_some_and(|lo| lo.mtu == mark)).await;
            settle(&mut states, &namespace, step).await;
        }
    });
}

/// Which part of the state is not what `ip` says.
fn difference(state: &NetState, namespace: &Namespace) -> Option<&'static str> {
    type Agree = fn(&NetState, &Namespace) -> bool;
    let parts: [(&str, Agree); 4] = [
        ("links", links_agree),
        ("addresses", addresses_agree),
        ("routes", routes_agree),
        ("neighbours", neighbours_agree),
    ];
    parts.into_iter().find(|(_, agree)| !agree(state, namespace)).map(|(part, _)| part)
}

/// Waits until the mirror agrees with `ip`: a route read anew and duplicate address detection come a little later than the step.
async fn settle(states: &mut watch::Receiver<Arc<NetState>>, namespace: &Namespace, step: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let state = states.borrow_and_update().clone();
        let Some(difference) = difference(&state, namespace) else { return };
        if Instant::now() >= deadline {
            let all =
                ["link", "address", "route show table all", "neighbour"].map(|what| namespace.ip(what)).join("\n");
            panic!("after `{step}` the {difference} differ: {state:#?}\n{all}");
        }
        // A new state is not certain to come (the kernel may have been ahead when `ip` was asked), so look again shortly.
        let _ = tokio::time::timeout(Duration::from_millis(50), states.changed()).await;
    }
}

#[test]
fn a_burst_of_changes_is_published_together() {
    if !privileged() {
        return;
    }
    let namespace = furnished();
    namespace.block_on(|| async {
        let mirror = Mirror::open(Options { settle: Duration::from_millis(500), ..Options::default() }).await.unwrap();
        let mut states = mirror.subscribe();
        // Both wait in the socket before the mirror looks.
        namespace.ip("route add 10.10.0.0/16 dev v0");
        namespace.ip("route add 10.11.0.0/16 dev v0");
        tokio::spawn(mirror.run());
        let has = |state: &NetState, ip: &str| state.route_to(address(ip)).is_some_and(|r| r.destination.len() == 16);
        wait_for(&mut states, "a route", |state| has(state, "10.10.0.1") || has(state, "10.11.0.1")).await;
        assert!(has(&states.borrow(), "10.10.0.1") && has(&states.borrow(), "10.11.0.1"));
    });
}

#[test]
fn lost_messages_make_the_mirror_read_anew() {
    if !privileged() {
        return;
    }
    let namespace = furnished();
    namespace.block_on(|| async {
        // The smallest buffer the kernel gives; the mirror does not run while the routes are added.
        let mirror = Mirror::open(Options { receive_buffer: 1, ..Options::default() }).await.unwrap();
        let mut states = mirror.subscribe();
        let routes: Vec<_> = (0..=255_u8).map(|third| format!("route add 10.20.{third}.0/24 dev v0")).collect();
        let file = std::env::temp_dir().join(format!("{}.batch", namespace.name));
        std::fs::write(&file, routes.join("\n")).unwrap();
        namespace.ip(&format!("-batch {}", file.display()));
        std::fs::remove_file(&file).unwrap();
        tokio::spawn(mirror.run());
        wait_for(&mut states, "everything was read again", |state| state.dumps > 1).await;
        settle(&mut states, &namespace, "adding 256 routes").await;
    });
}

#[test]
fn policy_rules_are_warned_about() {
    if !privileged() {
        return;
    }
    let namespace = furnished();
    namespace.block_on(|| async {
        let mut states = mirror().await;
        namespace.ip("rule add from 192.0.2.0/24 table 100 priority 500");
        wait_for(&mut states, "the rule", |state| {
            state
                .policy_warning()
                .is_some_and(|warning| warning.contains("IPv4 rule 500") && warning.contains("table 100"))
        })
        .await;
        namespace.ip("rule del priority 500");
        wait_for(&mut states, "no rule", |state| state.policy_warning().is_none()).await;
    });
}

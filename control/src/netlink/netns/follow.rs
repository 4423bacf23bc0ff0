//! The mirror against what `ip -j` says.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::{Namespace, address, mirror, privileged, wait_for};
use crate::netlink::mirror::{Mirror, Options};
use crate::netlink::model::{LOCAL_TABLE, MAIN_TABLE, NextHop, RouteKind};
use crate::netlink::state::NetState;

/// Links, addresses, routes and neighbours of many kinds.
fn furnished() -> Namespace {
    let namespace = Namespace::new();
    for words in [
        "link add v0 type veth peer name v1",
        "link add d0 mtu 1400 type dummy",
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

fn assert_same_links(state: &NetState, namespace: &Namespace) {
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
    assert_eq!(seen, expected);
}

fn assert_same_addresses(state: &NetState, namespace: &Namespace) {
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
    assert_eq!(seen, expected);
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

fn assert_same_routes(state: &NetState, namespace: &Namespace) {
    for (family, ipv4) in [("-4", true), ("-6", false)] {
        for (name, table) in [("main", MAIN_TABLE), ("local", LOCAL_TABLE)] {
            let (seen, expected) = (mirrored_routes(state, ipv4, table), expected_routes(namespace, family, name));
            assert_eq!(seen, expected, "{family} table {name}");
        }
    }
}

fn assert_same_neighbours(state: &NetState, namespace: &Namespace) {
    let expected: BTreeSet<_> = namespace
        .json("neighbour show nud all")
        .iter()
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
    assert_eq!(seen, expected);
}

#[test]
fn the_first_state_is_what_ip_says() {
    if !privileged() {
        return;
    }
    let namespace = furnished();
    namespace.block_on(|| async {
        let mut states = mirror().await;
        // Duplicate address detection of the link-local addresses ends on its own; wait for it, so that both sides stand still.
        wait_for(&mut states, "no address is tentative", |state| state.addresses.iter().all(|a| !a.tentative)).await;
        let state = states.borrow().clone();
        assert_same_links(&state, &namespace);
        assert_same_addresses(&state, &namespace);
        assert_same_routes(&state, &namespace);
        assert_same_neighbours(&state, &namespace);
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
            "link add d1 type dummy",
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
            // A dummy's mtu marks the end of what the step did: the kernel's messages come in order.
            let mark = 2000 + number as u32;
            namespace.ip(&format!("link set lo mtu {mark}"));
            wait_for(&mut states, step, |state| state.interface_by_name("lo").is_some_and(|lo| lo.mtu == mark)).await;
            settle(&mut states, &namespace, step).await;
        }
    });
}

/// Waits until the mirror agrees with `ip`: a route read anew and duplicate address detection come a little later than the step.
async fn settle(
    states: &mut tokio::sync::watch::Receiver<std::sync::Arc<NetState>>,
    namespace: &Namespace,
    step: &str,
) {
    let agrees = |state: &NetState| {
        std::panic::catch_unwind(|| {
            assert_same_links(state, namespace);
            assert_same_addresses(state, namespace);
            assert_same_routes(state, namespace);
            assert_same_neighbours(state, namespace);
        })
        .is_ok()
    };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let state = states.borrow_and_update().clone();
        if agrees(&state) {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "after `{step}` the mirror differs: {state:#?}");
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
        let options = Options { min_interval: Duration::from_secs(3600), ..Options::default() };
        let mirror = Mirror::open(options).await.unwrap();
        let mut states = mirror.subscribe();
        tokio::spawn(mirror.run());
        namespace.ip("route add 10.10.0.0/16 dev v0");
        namespace.ip("route add 10.11.0.0/16 dev v0");
        let published = tokio::time::timeout(Duration::from_millis(200), states.changed()).await;
        assert!(published.is_err(), "nothing is published before the interval is over");
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
        let batch: String = (0..=255_u8).map(|third| format!("route add 10.20.{third}.0/24 dev v0\n")).collect();
        let file = std::env::temp_dir().join(format!("{}.batch", namespace.name));
        std::fs::write(&file, batch).unwrap();
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

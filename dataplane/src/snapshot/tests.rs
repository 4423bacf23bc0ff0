//! The way out, resolved once per server and looked up for everybody else.

use std::net::IpAddr;

use headgate_wire::MacAddr;

use super::*;
use crate::fib::{Fib, Prefix};
use crate::servers::Servers;
use crate::snapshot::egress::Way;

const OWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 7]);

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// One device with 10.0.0.1/24; 10.0.0.7 and fd00::7 are known. A hop of every kind.
fn network() -> Network {
    let device = Device {
        name: "eth0".to_owned(),
        ifindex: 2,
        mac: OWN,
        mtu: 1500,
        partial_checksums: false,
        ipv4: Some([10, 0, 0, 1].into()),
        ipv6: Some("fd00::1".parse().unwrap()),
    };
    let hop = |kind, vlan, source| Hop { kind, device: DeviceId(0), vlan, mtu: 1400, source };
    let hops = vec![
        hop(HopKind::OnLink, None, Some(address("10.0.0.2"))),
        hop(HopKind::Gateway(address("10.0.0.7")), Some(9), None),
        hop(HopKind::Gateway(address("10.0.0.8")), None, None),
        hop(HopKind::Local, None, None),
        hop(HopKind::Unreachable, None, None),
        hop(HopKind::NotServed, None, None),
        Hop { device: DeviceId(5), ..hop(HopKind::OnLink, None, None) },
        // IPv6.
        hop(HopKind::OnLink, None, None),
        hop(HopKind::Gateway(address("fd00::7")), None, None),
    ];
    let v4 = [
        ("10.0.0.0", 24, 0),
        ("172.16.0.0", 16, 1),
        ("172.17.0.0", 16, 2),
        ("172.18.0.0", 16, 3),
        ("172.19.0.0", 16, 4),
        ("172.20.0.0", 16, 5),
        ("172.21.0.0", 16, 6),
        // No such hop.
        ("172.22.0.0", 16, 99),
    ];
    let v4 = v4.map(|(prefix, length, hop)| {
        let IpAddr::V4(prefix) = address(prefix) else { panic!("IPv4") };
        (Prefix::new(prefix.to_bits(), length).unwrap(), HopId(hop))
    });
    let v6 = [("fd00::", 64, 7), ("2001:db8::", 32, 8)].map(|(prefix, length, hop)| {
        let IpAddr::V6(prefix) = address(prefix) else { panic!("IPv6") };
        (Prefix::new(prefix.to_bits(), length).unwrap(), HopId(hop))
    });
    let neighbours = [address("10.0.0.7"), address("fd00::7")].map(|neighbour| (DeviceId(0), neighbour, MAC));
    Network::new(vec![device], hops, Fib::build(v4), Fib::build(v6), neighbours, [address("10.0.0.1")])
}

#[test]
fn each_kind_of_route_has_its_way() {
    let ready = |vlan| Egress::Ready { device: DeviceId(0), l2: L2 { destination: MAC, source: OWN, vlan } };
    let unresolved = |neighbour| Egress::Unresolved { device: DeviceId(0), address: address(neighbour), vlan: None };
    let cases = [
        ("10.0.0.7", ready(None)),
        ("10.0.0.9", unresolved("10.0.0.9")),
        ("172.16.1.1", ready(Some(9))),
        ("172.17.1.1", unresolved("10.0.0.8")),
        ("172.18.1.1", Egress::Local),
        ("172.19.1.1", Egress::Unreachable),
        ("172.20.1.1", Egress::NotServed),
        ("172.21.1.1", Egress::NotServed),
        ("172.22.1.1", Egress::Unreachable),
        ("8.8.8.8", Egress::Unreachable),
        ("fd00::7", ready(None)),
        ("fd00::8", unresolved("fd00::8")),
        ("2001:db8::1", ready(None)),
        ("2001:db9::1", Egress::Unreachable),
    ];
    let network = network();
    for (to, egress) in cases {
        assert_eq!(network.way_to(address(to)).egress, egress, "{to}");
    }
    assert_eq!(network.way_to(address("10.0.0.7")).mtu, 1400);
    assert_eq!(network.way_to(address("8.8.8.8")), Way::NONE);
}

#[test]
fn local_is_an_address_or_a_route_to_us() {
    let network = network();
    for (to, local, takes) in
        [("10.0.0.1", true, true), ("172.18.0.1", false, true), ("10.0.0.7", false, false), ("8.8.8.8", false, false)]
    {
        assert_eq!((network.is_local(address(to)), network.takes(address(to))), (local, takes), "{to}");
    }
}

#[test]
fn neighbours_are_those_that_packets_go_to_next() {
    let network = network();
    for (to, neighbour) in [
        ("10.0.0.9", Some("10.0.0.9")),
        ("172.16.1.1", Some("10.0.0.7")),
        ("2001:db8::1", Some("fd00::7")),
        ("172.18.1.1", None),
        ("172.19.1.1", None),
        ("8.8.8.8", None),
    ] {
        let expected = neighbour.map(|neighbour| (DeviceId(0), address(neighbour)));
        assert_eq!(network.neighbour_of(address(to)), expected, "{to}");
    }
}

#[test]
fn a_server_has_its_way_and_a_source_from_the_start() {
    let words = headgate_xsk::SharedWords::new(c"headgate-snapshot-test", Servers::words_needed(8), false).unwrap();
    let servers = Servers::new(words).unwrap();
    let id = |server: IpAddr| {
        let service = crate::servers::ServiceKey::Address(address("10.0.0.1"), 80);
        servers.assign(&crate::servers::Identity { protocol: 6, service, address: server, port: 80 }).unwrap()
    };
    let cases = [
        ("10.0.0.7", Some("10.0.0.2")),
        ("172.16.1.1", Some("10.0.0.1")),
        ("172.17.1.1", Some("10.0.0.1")),
        ("fd00::7", Some("fd00::1")),
        ("172.19.1.1", None),
    ];
    let all: Vec<_> = cases
        .iter()
        .map(|(to, _)| Server {
            id: id(address(to)),
            service: 0,
            address: address(to),
            port: 80,
            weight: 1,
            forward: Forward::Tunnel,
            way: Way::NONE,
        })
        .collect();
    let snapshot = Snapshot::new(1, Settings::default(), Vec::new(), all.clone(), network());
    for ((to, source), server) in cases.into_iter().zip(&all) {
        let way = snapshot.server(server.id).unwrap().way;
        assert_eq!(
            (way.source, way.egress),
            (source.map(address), snapshot.network.way_to(address(to)).egress),
            "{to}"
        );
    }
    let neighbours: Vec<_> = snapshot.server_neighbours().into_iter().map(|(_, neighbour)| neighbour).collect();
    assert_eq!(neighbours, ["10.0.0.7", "10.0.0.8", "fd00::7"].map(address), "each once");
    let unconfigured = id(address("10.0.0.66"));
    assert!(snapshot.server(unconfigured).is_none());
}

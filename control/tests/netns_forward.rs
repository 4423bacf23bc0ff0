//! All forwarding methods and families, end to end, with the offloads that veth has by default.
//!
//! ```text
//! client 10.0.0.2, fd00::2 ─ director, VIP 10.0.0.100 and fd00::100 ─ server-1 10.1.0.11, fd00:1::11
//! ```

mod common;

use std::net::{IpAddr, SocketAddr};

use common::{Config, PATIENCE, at, download, finish, number, servers, upload};
use headgate_testbed::decap::Tunnel;
use headgate_testbed::traffic::{HttpBackend, UdpEcho, http_get, udp_ask};
use headgate_testbed::{Topology, privileged};

#[derive(Clone, Copy, PartialEq)]
enum Method {
    Nat,
    Dr,
    Tunnel,
}

#[test]
fn nat_v4() {
    check(Method::Nat, false, false);
}

#[test]
fn nat_v6() {
    check(Method::Nat, true, true);
}

#[test]
fn dr_v4() {
    check(Method::Dr, false, false);
}

#[test]
fn dr_v6() {
    check(Method::Dr, true, true);
}

#[test]
fn tunnel_v4_in_v4() {
    check(Method::Tunnel, false, false);
}

#[test]
fn tunnel_v6_in_v6() {
    check(Method::Tunnel, true, true);
}

#[test]
fn tunnel_v4_in_v6() {
    check(Method::Tunnel, false, true);
}

#[test]
fn tunnel_v6_in_v4() {
    check(Method::Tunnel, true, false);
}

/// Downloads, uploads and asks by UDP through a service of one family and a server of another or the same.
fn check(method: Method, v6: bool, server_v6: bool) {
    if !privileged() {
        return;
    }
    let (word, builder) = match method {
        Method::Nat => ("nat", Topology::new("nat")),
        Method::Dr => ("dr", Topology::new("dr").flat().vip_on_servers()),
        Method::Tunnel => ("tunnel", Topology::new("tunnel").tunnel()),
    };
    let topology = builder.build().unwrap();
    let (client, server) = (topology.client(), topology.server(0));
    // NAT translates the port as well.
    let (port, echo_port) = if method == Method::Nat { (8080, 5353) } else { (80, 53) };
    let backend = HttpBackend::start(server, "s1", port).unwrap();
    let echo = UdpEcho::start(server, "s1", echo_port).unwrap();
    let address: IpAddr = if server_v6 { server.v6().into() } else { server.v4().into() };
    let key = format!("forward = \"{word}\"");
    let daemon = Config::new(&topology)
        .service("web", "tcp", at(v6, 80), &key)
        .server(SocketAddr::new(address, port), "")
        .service("echo", "udp", at(v6, 53), &key)
        .server(SocketAddr::new(address, echo_port), "")
        .start(&topology);

    assert_eq!(download(client, at(v6, 80)).server(), Some("s1"));
    upload(client, at(v6, 80));
    let who = http_get(client, at(v6, 80), "/").unwrap().text();
    let seen = format!("client: {}", SocketAddr::new(client.address_like(at(v6, 0).ip()), 0));
    assert!(who.contains(seen.trim_end_matches('0')), "the server sees the client itself: {who}");
    assert_eq!(udp_ask(client, at(v6, 53), b"hello", PATIENCE).unwrap(), b"s1 hello");

    assert_eq!((backend.connections(), echo.datagrams()), (3, 1));
    let web = servers(&daemon, "web").remove(0);
    assert_eq!(web["forward"], word);
    assert_eq!(number(&web, "/stats/connections"), 3);
    assert!(number(&web, "/stats/bytes_in") > common::LARGE as u64, "{web}");
    let replies = number(&web, "/stats/bytes_out");
    assert_eq!(replies > common::LARGE as u64, method == Method::Nat, "only NAT replies come back: {web}");
    assert_eq!(number(&servers(&daemon, "echo")[0], "/stats/packets_in"), 1);
    if method == Method::Tunnel {
        let kind = if server_v6 { Tunnel::OverV6 } else { Tunnel::OverV4 };
        assert!(topology.decapsulators()[0].packets(kind) > 2000);
        assert_eq!(topology.decapsulators()[0].malformed(), 0);
    }
    finish(daemon);
}

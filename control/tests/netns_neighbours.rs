//! Neighbours that are not known yet, change, or never answer; and service addresses that the director holds in one way or another.

mod common;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use common::{Config, PATIENCE, at, download, drops, finish, number, servers, upload};
use headgate_testbed::topology::plan::{VIP, VIP6};
use headgate_testbed::traffic::{HttpBackend, HttpClient, UdpEcho, http_get, udp_ask};
use headgate_testbed::{Daemon, Topology, privileged, wait_for};

const NAT: &str = "forward = \"nat\"";
/// How many packets are held for one neighbour.
const HELD: usize = 8;

/// Datagrams are sent once, so what arrives was not lost.
#[test]
fn the_first_packets_wait_for_the_neighbour() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("hold").build().unwrap();
    let (client, server) = (topology.client(), topology.server(0));
    let echo = UdpEcho::start(server, "s1", 53).unwrap();
    // The server answers no ARP request until it is told to.
    let answers_arp = |yes: bool| server.sysctl(&[("ipv4/conf/all/arp_ignore", if yes { "0" } else { "8" })]).unwrap();
    answers_arp(false);
    let daemon = echo_service(&topology, false).start(&topology);
    let socket = client.enter(|| UdpSocket::bind((client.v4(), 0))).unwrap().unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    for number in 0..HELD as u8 + 2 {
        socket.send_to(&[number], at(false, 53)).unwrap();
    }
    wait_for(PATIENCE, "the packets at the worker", || received(&daemon) == HELD as u64 + 2).unwrap();
    wait_for(PATIENCE, "too many of them", || drops(&daemon, "hold_queue_full") == 2).unwrap();
    assert_eq!(echo.datagrams(), 0);
    answers_arp(true);
    for number in 0..HELD as u8 {
        let mut buffer = [0; 8];
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (&[b"s1 ", &[number][..]].concat()[..], at(false, 53)), "in order");
    }
    assert_eq!((echo.datagrams(), drops(&daemon, "neighbour_unresolved")), (HELD as u64, 0));
    finish(daemon);
}

#[test]
fn a_forgotten_neighbour_costs_no_packet() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("forgotten").build().unwrap();
    let _echo = UdpEcho::start(topology.server(0), "s1", 53).unwrap();
    for v6 in [false, true] {
        let daemon = echo_service(&topology, v6).start(&topology);
        let server = topology.server(0).address_like(at(v6, 0).ip()).to_string();
        for round in 0..3 {
            topology.director().run(&["ip", "neigh", "flush", "dev", "back"]).unwrap();
            topology.director().run(&["ip", "neigh", "flush", "dev", "front"]).unwrap();
            let payload = format!("{server} {round}");
            let answer = udp_ask(topology.client(), at(v6, 53), payload.as_bytes(), PATIENCE).unwrap();
            assert_eq!(answer, format!("s1 {payload}").into_bytes());
        }
        finish(daemon);
    }
}

#[test]
fn traffic_follows_a_server_to_its_new_hardware_address() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("mac").build().unwrap();
    let (client, server, director) = (topology.client(), topology.server(0), topology.director());
    let backend = HttpBackend::start(server, "s1", 80).unwrap();
    // As hosts do after a failover: the new address is announced.
    server.sysctl(&[("ipv4/conf/all/arp_notify", "1"), ("ipv6/conf/all/ndisc_notify", "1")]).unwrap();
    let mut config = Config::new(&topology);
    for v6 in [false, true] {
        config = config
            .service(&format!("web{v6}"), "tcp", at(v6, 80), NAT)
            .server(SocketAddr::new(server.address_like(at(v6, 0).ip()), 80), "");
    }
    let daemon = config.start(&topology);
    let mut kept: Vec<_> = [false, true].map(|v6| HttpClient::connect(client, at(v6, 80)).unwrap()).into();
    for connection in &mut kept {
        assert_eq!(connection.get("/").unwrap().status, 200);
    }
    for mac in ["02:68:67:01:aa:01", "02:68:67:01:aa:02"] {
        server.run(&["ip", "link", "set", "dev", "eth0", "address", mac]).unwrap();
        for connection in &mut kept {
            assert_eq!(connection.get("/").unwrap().server(), Some("s1"), "a connection from before");
        }
        for v6 in [false, true] {
            upload(client, at(v6, 80));
            let address = server.address_like(at(v6, 0).ip()).to_string();
            assert!(director.run(&["ip", "neigh", "show", &address]).unwrap().contains(mac));
        }
    }
    // Likewise our own: the client has to be told, and the steering program must take what is sent to the new address.
    let mac = "02:68:67:00:aa:01";
    director.run(&["ip", "link", "set", "dev", "front", "address", mac]).unwrap();
    // Until it does, the kernel gets those packets and resets their connections.
    wait_for(PATIENCE, "the steering program knows", || daemon.log().contains(mac)).unwrap();
    client.run(&["ip", "neigh", "flush", "dev", "eth0"]).unwrap();
    for connection in &mut kept {
        assert_eq!(connection.get("/").unwrap().server(), Some("s1"));
    }
    for v6 in [false, true] {
        download(client, at(v6, 80));
    }
    assert_eq!(backend.connections(), 8);
    finish(daemon);
}

#[test]
fn a_server_that_never_answers_is_counted_and_disturbs_nobody() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("dead").build().unwrap();
    let client = topology.client();
    let _backend = HttpBackend::start(topology.server(0), "s1", 80).unwrap();
    let absent = Ipv4Addr::new(10, 1, 0, 77);
    let daemon = Config::new(&topology)
        .service("web", "tcp", at(false, 80), NAT)
        .server(SocketAddr::new(topology.server(0).v4().into(), 80), "")
        .service("dead", "udp", at(false, 53), NAT)
        .server(SocketAddr::new(absent.into(), 53), "")
        .start(&topology);
    let socket = client.enter(|| UdpSocket::bind((client.v4(), 0))).unwrap().unwrap();
    for _ in 0..3 {
        socket.send_to(b"anybody?", at(false, 53)).unwrap();
    }
    assert_eq!(http_get(client, at(false, 80), "/").unwrap().server(), Some("s1"), "while those packets wait");
    wait_for(PATIENCE, "the drops", || drops(&daemon, "neighbour_unresolved") == 3).unwrap();
    let dead = servers(&daemon, "dead").remove(0);
    assert_eq!((number(&dead, "/stats/connections"), number(&dead, "/stats/packets_in")), (1, 3), "{dead}");
    assert_eq!(http_get(client, at(false, 80), "/").unwrap().server(), Some("s1"));
    finish(daemon);
}

/// As in IPVS, an address must be local for its packets to be balanced: held by any device, or by a local route. Else they are
/// only passing through.
#[test]
fn a_service_address_counts_as_ours_however_it_is_local() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("local").without_vip().build().unwrap();
    let (client, director) = (topology.client(), topology.director());
    let _echo = UdpEcho::start(topology.server(0), "s1", 53).unwrap();
    client.ip(&format!("route add {VIP} via 10.0.0.1\nroute add {VIP6} via fd00::1\n")).unwrap();
    for v6 in [false, true] {
        let (ip, mut daemon) = (at(v6, 0).ip(), echo_service(&topology, v6).start(&topology));
        let warning = format!("nobody holds {ip}");
        assert!(daemon.log().contains(&warning), "{}", daemon.log());
        let ask = |patience| udp_ask(client, at(v6, 53), b"?", patience);
        let (full, wide) = if v6 { ("128", "fd00::100/120") } else { ("32", "10.0.0.96/28") };
        for (what, change) in [
            ("an address of a served device", format!("addr add {ip}/{full} dev front")),
            ("an address of another device", format!("addr add {ip}/{full} dev lo")),
            ("a local route", format!("route add local {ip}/{full} dev lo")),
            ("a local route to a network", format!("route add local {wide} dev lo")),
        ] {
            let before = received(&daemon);
            assert!(ask(Duration::from_millis(100)).is_err(), "before {what}");
            assert_eq!(received(&daemon), before, "only passing through");
            director.ip(&format!("{change}\n")).unwrap();
            wait_for(PATIENCE, what, || ask(Duration::from_millis(100)).is_ok_and(|answer| answer == b"s1 ?")).unwrap();
            director.ip(&format!("{}\n", change.replace(" add ", " del "))).unwrap();
            wait_for(PATIENCE, "the end of it", || ask(Duration::from_millis(100)).is_err()).unwrap();
        }
        assert!(daemon.stop().unwrap().success(), "{}", daemon.log());
        finish(echo_service(&topology, v6).start(&topology));
    }
}

/// Whoever takes a held address away, it comes back: an administrator, or the kernel, which drops the IPv6 addresses of an interface that
/// goes down.
#[test]
fn a_held_address_that_goes_is_put_back() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("kept").without_vip().build().unwrap();
    let director = topology.director();
    let _echo = UdpEcho::start(topology.server(0), "s1", 53).unwrap();
    for v6 in [false, true] {
        let (held, own) = if v6 { ("fd00::100/128", "fd00::1/64") } else { ("10.0.0.100/32", "10.0.0.1/24") };
        let daemon = echo_service(&topology, v6).address("front", held).address("front", own).start(&topology);
        let works = || udp_ask(topology.client(), at(v6, 53), b"?", Duration::from_millis(100)).is_ok();
        assert!(works());
        let line = format!("the address had gone, added again interface=\"front\" address={held}");
        let returns = || daemon.log().matches(&line).count();
        director.ip(&format!("addr del {held} dev front\n")).unwrap();
        wait_for(PATIENCE, "the deleted address", || returns() == 1 && works()).unwrap();
        director.ip("link set front down\nlink set front up\n").unwrap();
        wait_for(PATIENCE, "the address after the interface was down", || returns() == 1 + usize::from(v6) && works())
            .unwrap();
        let reload = daemon.client(&["reload"]).unwrap();
        assert!(reload.status.success());
        finish(daemon);
        assert!(!director.run(&["ip", "addr", "show", "dev", "front"]).unwrap().contains(held));
    }
}

/// An interface is deleted and comes back under its name, as a bond or a VLAN does when the network is set up anew.
#[test]
fn an_interface_that_goes_and_comes_back_is_taken_again() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("gone").without_vip().build().unwrap();
    let (client, director) = (topology.client(), topology.director());
    let _echo = UdpEcho::start(topology.server(0), "s1", 53).unwrap();
    let config = echo_service(&topology, false).address("front", "10.0.0.100/32").address("front", "10.0.0.1/24");
    let daemon = config.start(&topology);
    let works = || udp_ask(client, at(false, 53), b"?", Duration::from_millis(100)).is_ok();
    let present = || daemon.json(&["status"]).unwrap()["dataplane"]["interfaces"][0]["present"] == true;
    assert!(works() && present());
    for _ in 0..2 {
        director.ip(&format!("link set front netns {}\n", client.name())).unwrap();
        wait_for(PATIENCE, "the loss of the interface", || !present()).unwrap();
        assert!(daemon.run(&["status"]).unwrap().contains("front      gone"));
        assert!(!daemon.client(&["reload"]).unwrap().status.success(), "the file names an interface that is not there");
        client.ip(&format!("link set front netns {}\n", director.name())).unwrap();
        director.ip("link set front up\n").unwrap();
        wait_for(PATIENCE, "the interface to be taken again", || present() && works()).unwrap();
    }
    assert_eq!(daemon.log().matches("the interface is gone").count(), 2, "{}", daemon.log());
    finish(daemon);
}

/// The service `echo` on UDP port 53 with server 1.
fn echo_service(topology: &Topology, v6: bool) -> Config {
    let server = topology.server(0).address_like(at(v6, 0).ip());
    Config::new(topology).service("echo", "udp", at(v6, 53), NAT).server(SocketAddr::new(server, 53), "")
}

/// Packets that the workers took so far.
fn received(daemon: &Daemon) -> u64 {
    let status = daemon.json(&["status"]).unwrap();
    status["dataplane"]["workers"].as_array().unwrap().iter().map(|worker| number(worker, "/received")).sum()
}

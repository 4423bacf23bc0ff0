//! What clients hear when something is wrong: unreachable ports, used-up TTLs, resets; and PMTU discovery through it all.

mod common;

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};

use common::{Config, PATIENCE, at, download, drops, finish, upload};
use headgate_testbed::probe::{Probe, ttl_probe};
use headgate_testbed::topology::plan::{VIP, VIP6};
use headgate_testbed::traffic::{HttpBackend, HttpClient};
use headgate_testbed::{Namespace, Topology, privileged, wait_for};

#[test]
fn no_server_is_answered_by_port_unreachable() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("no-server").build().unwrap();
    let mut config = Config::new(&topology);
    for v6 in [false, true] {
        config = config.service(&format!("web{v6}"), "tcp", at(v6, 80), "forward = \"nat\"");
        config = config.service(&format!("dns{v6}"), "udp", at(v6, 53), "forward = \"nat\"");
    }
    let daemon = config.start(&topology);
    for v6 in [false, true] {
        let refused = topology.client().enter(|| TcpStream::connect_timeout(&at(v6, 80), PATIENCE)).unwrap();
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused, "IPv6: {v6}");
        let any = SocketAddr::new(if v6 { "::".parse::<IpAddr>() } else { "0.0.0.0".parse() }.unwrap(), 0);
        let socket = topology.client().enter(|| UdpSocket::bind(any)).unwrap().unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(at(v6, 53)).unwrap();
        socket.send(b"anybody?").unwrap();
        assert_eq!(socket.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionRefused, "IPv6: {v6}");
    }
    assert_eq!(daemon.json(&["services"]).unwrap()["services"][0]["up"], false);
    finish(daemon);
}

#[test]
fn traceroute_sees_the_director_and_then_the_server() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("traceroute").build().unwrap();
    let _backend = HttpBackend::start(topology.server(0), "s1", 80).unwrap();
    let daemon = both_families(&topology).start(&topology);
    for v6 in [false, true] {
        for probe in [Probe::Tcp, Probe::Udp] {
            let target = at(v6, if probe == Probe::Tcp { 80 } else { 53 });
            let reply = ttl_probe(topology.client(), probe, target, 1, PATIENCE).unwrap().expect("an answer");
            assert!(reply.is_time_exceeded(), "{probe:?} {target}: {reply:?}");
            // As IPVS: the packet was for a local address, so the error comes from there.
            assert_eq!(reply.from, target.ip(), "{reply:?}");
            assert_eq!(reply.quoted_destination(), Some(target.ip()), "the client's own packet is quoted");
        }
        // Nobody listens at the server's port 53: its port unreachable comes back translated.
        let reply = ttl_probe(topology.client(), Probe::Udp, at(v6, 53), 2, PATIENCE).unwrap().expect("an answer");
        assert_eq!((reply.icmp_type, reply.code), if v6 { (1, 4) } else { (3, 3) });
        assert_eq!(reply.quoted_destination(), Some(at(v6, 53).ip()), "as the client knows the service");
        assert_eq!(reply.from, at(v6, 53).ip(), "a NAT server hides behind the service");
    }
    finish(daemon);
}

#[test]
fn echo_and_strangers_are_left_to_the_kernel() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("kernel").build().unwrap();
    let backend = HttpBackend::start(topology.server(0), "s1", 80).unwrap();
    let client = topology.client();
    // A connection that another balancer made before: this one knows nothing of it.
    let config = both_families(&topology);
    let mut daemon = config.start(&topology);
    let mut strangers = Vec::new();
    for v6 in [false, true] {
        let mut known = HttpClient::connect(client, at(v6, 80)).unwrap();
        assert_eq!(known.get("/").unwrap().status, 200);
        strangers.push(known);
    }
    assert!(daemon.stop().unwrap().success());
    let daemon = config.start(&topology);
    for mut stranger in strangers {
        let reset = stranger.get("/").unwrap_err();
        let kind = reset.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        assert_eq!(kind, Some(ErrorKind::ConnectionReset), "{reset:#}");
    }
    assert_eq!(backend.requests(), 2);
    let to_kernel = |status: serde_json::Value| {
        let workers = status["dataplane"]["workers"].as_array().unwrap().clone();
        workers.iter().map(|worker| worker["to_kernel"].as_u64().unwrap()).sum::<u64>()
    };
    assert!(to_kernel(daemon.json(&["status"]).unwrap()) >= 2);
    for address in [VIP.to_string(), VIP6.to_string()] {
        client.run(&["ping", "-c", "2", "-i", "0.1", "-W", "5", &address]).unwrap();
    }
    finish(daemon);
}

#[test]
fn path_mtu_is_discovered_behind_a_router() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("mtu").router().server_mtu(1400).build().unwrap();
    let _backend = HttpBackend::start(topology.server(0), "s1", 80).unwrap();
    let daemon = both_families(&topology).start(&topology);
    for v6 in [false, true] {
        // Without the smaller MSS of the server's SYN-ACK only ICMP can tell the client.
        forget_mss(topology.server(0));
        upload(topology.client(), at(v6, 80));
        download(topology.client(), at(v6, 80));
        let learned = topology.client().run(&["ip", "route", "get", &at(v6, 80).ip().to_string()]).unwrap();
        assert!(learned.contains("mtu 1400"), "{learned}");
    }
    finish(daemon);
}

#[test]
fn path_mtu_is_discovered_on_our_own_device() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("mtu-near").server_mtu(1400).build().unwrap();
    let _backend = HttpBackend::start(topology.server(0), "s1", 80).unwrap();
    let daemon = both_families(&topology).start(&topology);
    for v6 in [false, true] {
        forget_mss(topology.server(0));
        upload(topology.client(), at(v6, 80));
        download(topology.client(), at(v6, 80));
        let learned = topology.client().run(&["ip", "route", "get", &at(v6, 80).ip().to_string()]).unwrap();
        assert!(learned.contains("mtu 1400"), "{learned}");
    }
    finish(daemon);
}

#[test]
fn iperf3_in_both_directions() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("iperf").build().unwrap();
    let server = topology.server(0).spawn(&["iperf3", "-s", "-p", "5201", "--forceflush"]).unwrap();
    wait_for(PATIENCE, "iperf3 listening", || server.log().contains("Server listening")).unwrap();
    let daemon = Config::new(&topology)
        .service("iperf", "tcp", at(false, 5201), "forward = \"nat\"")
        .server(SocketAddr::new(topology.server(0).v4().into(), 5201), "")
        .start(&topology);
    for direction in [&[][..], &["-R"]] {
        let vip = VIP.to_string();
        let words = [&["iperf3", "-c", &vip, "-t", "2", "-J"], direction].concat();
        let report: serde_json::Value = serde_json::from_str(&topology.client().run(&words).unwrap()).unwrap();
        let rate = report["end"]["sum_received"]["bits_per_second"].as_f64().unwrap();
        assert!(rate > 0.0 && report.get("error").is_none(), "{report:#}");
        println!("iperf3 {direction:?}: {:.0} Mbit/s", rate / 1e6);
    }
    assert_eq!(drops(&daemon, "no_frame"), 0);
    finish(daemon);
}

/// A NAT service on port 80 (TCP) and 53 (UDP) of both families, with server 1.
fn both_families(topology: &Topology) -> Config {
    let server = topology.server(0);
    let mut config = Config::new(topology);
    for v6 in [false, true] {
        let address = server.address_like(at(v6, 0).ip());
        for (name, protocol, port) in [("web", "tcp", 80), ("dns", "udp", 53)] {
            config = config
                .service(&format!("{name}{v6}"), protocol, at(v6, port), "forward = \"nat\"")
                .server(SocketAddr::new(address, port), "");
        }
    }
    config
}

/// Has the host announce the MSS of a larger MTU than its device has, as hosts behind a narrower link do.
fn forget_mss(server: &Namespace) {
    server.run(&["ip", "route", "change", "default", "via", "10.1.0.1", "advmss", "1460"]).unwrap();
    server.run(&["ip", "-6", "route", "change", "default", "via", "fd00:1::1", "advmss", "1440"]).unwrap();
}

//! Endpoints and probes of the testbed, through the kernel's own forwarding.
//!
//! ```text
//! client 10.0.0.2, fd00::2 ── director 10.0.0.1 / 10.1.0.1 ── servers 10.1.0.11 and .12, fd00:1::11 and ::12
//! ```

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use headgate_testbed::probe::{Capture, Frame, FrameSender, Probe, ttl_probe};
use headgate_testbed::topology::plan::{FRONT, HOST_DEVICE, VIP, VIP6};
use headgate_testbed::traffic::{HttpBackend, HttpClient, Load, TcpEcho, UdpEcho, body, http_get, udp_ask};
use headgate_testbed::{Host, Topology, privileged};

const PATIENCE: Duration = Duration::from_secs(5);

fn both_families(host: &Host, port: u16) -> [SocketAddr; 2] {
    [SocketAddr::from((host.v4(), port)), SocketAddr::from((host.v6(), port))]
}

#[test]
fn backend_serves_known_bodies_on_one_connection() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("bodies").build().unwrap();
    let backend = HttpBackend::start(topology.server(0), "s1", 80).unwrap();
    for target in both_families(topology.server(0), 80) {
        let mut client = HttpClient::connect(topology.client(), target).unwrap();
        for length in [0, 1, 100_000] {
            let response = client.get(&format!("/bytes/{length}")).unwrap();
            assert_eq!(response.body, body::body(length));
            assert_eq!(
                response.header("x-checksum"),
                Some(format!("{:016x}", body::checksum(&response.body)).as_str())
            );
        }
        assert_eq!(client.get("/status/404").unwrap().status, 404);
        let head = client.request("HEAD", "/bytes/10", &[], b"").unwrap();
        assert_eq!((head.header("Content-Length"), head.body.len()), (Some("10"), 0));
        let posted = client.request("POST", "/", &[("X-Test", "yes")], b"some bytes").unwrap().text();
        assert!(posted.contains("X-Test: yes"), "{posted}");
        assert!(posted.contains(&format!("body: 10 {:016x}", body::checksum(b"some bytes"))), "{posted}");
    }
    assert_eq!(backend.connections(), 2);
    assert_eq!(backend.requests(), 12);
}

#[test]
fn health_is_switchable() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("health").build().unwrap();
    let backend = HttpBackend::start(topology.server(0), "s1", 80).unwrap();
    let target = both_families(topology.server(0), 80)[0];
    assert_eq!(http_get(topology.client(), target, "/healthz").unwrap().status, 200);
    backend.set_healthy(false);
    assert_eq!(http_get(topology.client(), target, "/healthz").unwrap().status, 503);
}

#[test]
fn stopped_backend_closes_its_connections_and_its_port() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("stopped").build().unwrap();
    let target = both_families(topology.server(0), 80)[0];
    let backend = HttpBackend::start(topology.server(0), "s1", 80).unwrap();
    let mut client = HttpClient::connect(topology.client(), target).unwrap();
    client.get("/").unwrap();
    drop(backend);
    assert!(client.get("/").is_err());
    assert!(HttpClient::connect(topology.client(), target).is_err());
}

#[test]
fn load_counts_requests_by_server_and_failures() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("load").build().unwrap();
    let target = both_families(topology.server(0), 80)[1];
    let backend = HttpBackend::start(topology.server(0), "s1", 80).unwrap();
    let load = Load { clients: 3, duration: Duration::from_mins(1), ..Load::new(target) };
    let running = load.clone().start(topology.client()).unwrap();
    headgate_testbed::wait_for(PATIENCE, "50 requests", || running.requests() >= 50).unwrap();
    let report = running.stop().unwrap();
    assert_eq!((report.errors, report.first_error.as_deref()), (0, None));
    assert_eq!(report.by_server["s1"], report.requests);
    assert_eq!(report.requests, backend.requests());
    assert_eq!(backend.connections(), 3);
    assert!(report.latency(1.0) >= report.latency(0.5));

    let running = Load { keep_alive: false, ..load.clone() }.start(topology.client()).unwrap();
    headgate_testbed::wait_for(PATIENCE, "10 requests", || running.requests() >= 10).unwrap();
    let report = running.stop().unwrap();
    assert_eq!(backend.connections(), 3 + report.requests, "a connection per request");

    drop(backend);
    let running = load.start(topology.client()).unwrap();
    headgate_testbed::wait_for(PATIENCE, "an error", || running.errors() > 0).unwrap();
    let report = running.stop().unwrap();
    assert_eq!(report.requests, 0);
    assert!(report.first_error.unwrap().contains("connect to"));
}

#[test]
fn echo_servers_say_who_they_are() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("echo").servers(2).build().unwrap();
    for (server, name) in topology.servers().iter().zip(["s1", "s2"]) {
        let udp = UdpEcho::start(server, name, 5353).unwrap();
        let tcp = TcpEcho::start(server, name, 7).unwrap();
        for target in both_families(server, 5353) {
            let answer = udp_ask(topology.client(), target, b"hello", PATIENCE).unwrap();
            assert_eq!(answer, format!("{name} hello").into_bytes());
        }
        for target in both_families(server, 7) {
            let stream = topology.client().enter(|| TcpStream::connect_timeout(&target, PATIENCE)).unwrap().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut reader = BufReader::new(&stream);
            let mut greeting = String::new();
            reader.read_line(&mut greeting).unwrap();
            assert_eq!(greeting, format!("{name}\n"));
            (&stream).write_all(b"again").unwrap();
            let mut answer = [0; 5];
            reader.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"again");
        }
        assert_eq!((udp.datagrams(), tcp.connections()), (2, 2));
    }
}

#[test]
fn servers_answer_from_the_vip_in_direct_routing() {
    if !privileged() {
        return;
    }
    // Without a balancer in between, a route of its own leads the VIP's packets to the server. The reply passes the
    // director's kernel, or not, but comes from the VIP in both.
    for builder in [Topology::new("dr").without_vip(), Topology::new("flat").flat().without_vip()] {
        let topology = builder.vip_on_servers().build().unwrap();
        let server = topology.server(0);
        let device = *topology.director_devices().last().unwrap();
        topology
            .director()
            .ip(&format!(
                "route add {VIP} via {} dev {device}\nroute add {VIP6} via {} dev {device}\n",
                server.v4(),
                server.v6()
            ))
            .unwrap();
        topology.client().ip("route add 10.0.0.100 via 10.0.0.1\nroute add fd00::100 via fd00::1\n").unwrap();
        let _backend = HttpBackend::start(server, "s1", 80).unwrap();
        let _echo = UdpEcho::start(server, "s1", 53).unwrap();
        for vip in [IpAddr::from(VIP), IpAddr::from(VIP6)] {
            let response = http_get(topology.client(), SocketAddr::new(vip, 80), "/").unwrap();
            assert_eq!(response.server(), Some("s1"));
            let answer = udp_ask(topology.client(), SocketAddr::new(vip, 53), b"x", PATIENCE).unwrap();
            assert_eq!(answer, b"s1 x");
        }
    }
}

#[test]
fn replies_from_the_vip_pass_a_director_that_holds_it_too() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("dr-return").vip_on_servers().build().unwrap();
    let (server, client) = (topology.server(0), topology.client());
    let echo_requests = [
        (VIP.to_string(), client.v4().to_string(), 26, VIP.octets().to_vec()),
        (VIP6.to_string(), client.v6().to_string(), 22, VIP6.octets().to_vec()),
    ];
    for (vip, target, source_at, octets) in echo_requests {
        let from_vip = move |frame: &Frame| !frame.outgoing && frame.bytes[source_at..].starts_with(&octets);
        let capture = Capture::start(client, HOST_DEVICE, from_vip).unwrap();
        // Unanswered: the echo reply goes to the director, which holds the VIP too. The request is what counts.
        let ping = server.output(&["ping", "-c", "1", "-W", "1", "-I", &vip, &target]).unwrap();
        assert!(!ping.status.success());
        capture.wait(1, PATIENCE).unwrap();
    }
}

#[test]
fn raw_frames_arrive_as_they_were_sent() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("raw").build().unwrap();
    let mut frame = [topology.director().mac().as_slice(), &topology.client().mac(), &[0x88, 0xb5]].concat();
    frame.extend(body::body(100));
    let marker = |frame: &Frame| frame.bytes[12..14] == [0x88, 0xb5];
    let received = Capture::start(topology.director(), FRONT, marker).unwrap();
    let sent = Capture::start(topology.client(), HOST_DEVICE, marker).unwrap();
    let sender = FrameSender::open(topology.client(), HOST_DEVICE).unwrap();
    sender.send(&frame).unwrap();
    sender.send(&frame).unwrap();
    for (capture, outgoing) in [(received, false), (sent, true)] {
        let frames = capture.wait(2, PATIENCE).unwrap();
        assert!(frames.iter().all(|seen| seen.bytes == frame && seen.outgoing == outgoing));
        assert_eq!(capture.stop().unwrap().len(), 2);
    }
    assert!(FrameSender::open(topology.client(), "none").is_err());
}

#[test]
fn small_ttl_names_the_hops() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("hops").router().build().unwrap();
    let (client, director, router) = (topology.client(), topology.director(), topology.router().unwrap());
    for target in both_families(topology.server(0), 33434) {
        for probe in [Probe::Udp, Probe::Tcp] {
            for (ttl, hop) in [(1, director), (2, router)] {
                let reply = ttl_probe(client, probe, target, ttl, PATIENCE).unwrap().expect("time exceeded");
                assert!(reply.is_time_exceeded(), "{reply:?}");
                assert_eq!(reply.from, hop.address_like(target.ip()), "{probe:?} ttl {ttl}");
                assert_eq!(reply.quoted_destination(), Some(target.ip()));
            }
        }
        let closed = ttl_probe(client, Probe::Udp, target, 3, PATIENCE).unwrap().expect("port unreachable");
        assert!(!closed.is_time_exceeded());
        assert_eq!(closed.from, target.ip());
    }
}

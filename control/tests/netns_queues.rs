//! Two queues, two workers: packets of a connection may arrive on either queue, in both directions, and at any time.
//!
//! A veth device receives on the queue that its peer sent on. Which one that is follows from the flow's hash, or from the
//! peer's XPS map: with the map of one queue naming all processors and that of the other none, everything leaves by the one.

mod common;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use common::{Config, PATIENCE, at, download, drops, finish, number, servers, upload};
use headgate_testbed::traffic::{HttpBackend, HttpClient, Load, UdpEcho, udp_ask};
use headgate_testbed::{Daemon, Host, Topology, privileged, wait_for};
use serde_json::Value;

const QUEUES: u16 = 2;

#[test]
fn replies_on_the_other_queue_find_their_connections() {
    if !privileged() {
        return;
    }
    for (request, reply) in [(0, 1), (1, 0)] {
        let (topology, daemon, _backend, _echo) = queues_and_workers("other-queue", "[0, 1]");
        send_by(topology.client(), request);
        send_by(topology.server(0), reply);
        for v6 in [false, true] {
            download(topology.client(), at(v6, 80));
            upload(topology.client(), at(v6, 80));
            assert_eq!(udp_ask(topology.client(), at(v6, 53), b"hello", PATIENCE).unwrap(), b"s1 hello");
        }
        // To the packet: one worker saw all requests and no reply, the other all replies and no request.
        let (mut seen, mut counted) = ([0; 2], [0; 2]);
        let separate = wait_for(PATIENCE, "requests on one queue, replies on the other", || {
            (seen, counted) = (received(&daemon), requests_and_replies(&daemon));
            [seen[request], seen[reply]] == counted
        });
        separate.unwrap_or_else(|error| panic!("{error}: received {seen:?}, requests and replies {counted:?}"));
        assert!(counted.iter().all(|packets| *packets > 1000), "{counted:?}");
        each_connection_once(&daemon, 6);
        finish(daemon);
    }
}

#[test]
fn a_connection_survives_when_its_packets_change_queues() {
    if !privileged() {
        return;
    }
    let (topology, daemon, backend, _echo) = queues_and_workers("change-queue", "[0, 1]");
    let (client, server) = (topology.client(), topology.server(0));
    let mut connections = Vec::new();
    for v6 in [false, true] {
        connections.push(HttpClient::connect(client, at(v6, 80)).unwrap());
    }
    for (request, reply) in [(0, 0), (0, 1), (1, 1), (1, 0), (0, 0)] {
        send_by(client, request);
        send_by(server, reply);
        let before = received(&daemon);
        for connection in &mut connections {
            let response = connection.get("/bytes/100000").unwrap();
            assert_eq!((response.status, response.body.len()), (200, 100_000));
        }
        let after = received(&daemon);
        for queue in 0..2 {
            let used = queue == request || queue == reply;
            assert_eq!(after[queue] > before[queue], used, "queue {queue} with {request} and {reply}");
        }
    }
    assert_eq!(backend.connections(), 2);
    each_connection_once(&daemon, 2);
    finish(daemon);
}

#[test]
fn one_worker_serves_both_queues() {
    if !privileged() {
        return;
    }
    let (topology, daemon, _backend, _echo) = queues_and_workers("one-worker", "[0]");
    for (request, reply) in [(0, 0), (0, 1), (1, 1), (1, 0)] {
        send_by(topology.client(), request);
        send_by(topology.server(0), reply);
        for v6 in [false, true] {
            download(topology.client(), at(v6, 80));
            assert_eq!(udp_ask(topology.client(), at(v6, 53), b"hello", PATIENCE).unwrap(), b"s1 hello");
        }
    }
    each_connection_once(&daemon, 16);
    finish(daemon);
}

#[test]
fn many_flows_spread_over_both_queues() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("spread").servers(2).queues(QUEUES).build().unwrap();
    let backends =
        [("s1", 0), ("s2", 1)].map(|(name, index)| HttpBackend::start(topology.server(index), name, 8080).unwrap());
    let mut config =
        Config::with(&topology, "workers = [0, 1]").service("web", "tcp", at(false, 80), "forward = \"nat\"");
    for server in topology.servers() {
        config = config.server(SocketAddr::new(server.v4().into(), 8080), "");
    }
    let daemon = config.start(&topology);
    // These close first, so their ports stay taken: every connection is another one.
    let (threads, each) = (8, 50);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..each {
                    let mut connection = HttpClient::connect(topology.client(), at(false, 80)).unwrap();
                    assert_eq!(connection.get("/").unwrap().status, 200);
                }
            });
        }
    });
    assert_eq!(connected(&daemon, &backends), threads * each);
    each_connection_once(&daemon, threads * each);
    // These leave closing to the server, so their ports are soon used again.
    for keep_alive in [true, false] {
        let duration = Duration::from_secs(1);
        let load = Load { clients: 64, keep_alive, duration, timeout: PATIENCE, ..Load::new(at(false, 80)) };
        let report = load.run(topology.client()).unwrap();
        assert_eq!(report.errors, 0, "{:?}", report.first_error);
        assert_eq!(report.by_server.len(), 2, "{:?}", report.by_server);
    }
    let (total, different) = (connected(&daemon, &backends), clients(&daemon));
    assert!((threads * each + 64..=total).contains(&different), "{different} different clients in {total} connections");
    each_connection_once(&daemon, different);
    // With 400 flows and a fair hash one queue gets less than a tenth of them once in 10^60 times.
    let seen = received(&daemon);
    let all: u64 = seen.iter().sum();
    assert!(seen.iter().all(|packets| packets * 10 > all), "{seen:?}");
    finish(daemon);
}

/// Connections so far; the balancer and the servers agree on them.
fn connected(daemon: &Daemon, backends: &[HttpBackend]) -> u64 {
    let seen: Vec<_> = backends.iter().map(HttpBackend::connections).collect();
    let counted: Vec<_> = servers(daemon, "web").iter().map(|server| number(server, "/stats/connections")).collect();
    assert_eq!(counted, seen, "what is balanced arrives, once");
    seen.iter().sum()
}

/// One client, one server, devices with two queues, HTTP and UDP services in both families.
fn queues_and_workers(name: &str, workers: &str) -> (Topology, Daemon, HttpBackend, UdpEcho) {
    let topology = Topology::new(name).queues(QUEUES).build().unwrap();
    let server = topology.server(0);
    let backend = HttpBackend::start(server, "s1", 8080).unwrap();
    let echo = UdpEcho::start(server, "s1", 5353).unwrap();
    let mut config = Config::with(&topology, &format!("workers = {workers}"));
    for v6 in [false, true] {
        let address = server.address_like(at(v6, 0).ip());
        for (name, protocol, port, server_port) in [("web", "tcp", 80, 8080), ("dns", "udp", 53, 5353)] {
            config = config
                .service(&format!("{name}{v6}"), protocol, at(v6, port), "forward = \"nat\"")
                .server(SocketAddr::new(address, server_port), "");
        }
    }
    let daemon = config.start(&topology);
    let status = daemon.json(&["status"]).unwrap();
    for interface in status["dataplane"]["interfaces"].as_array().unwrap() {
        assert_eq!(interface["queues"], QUEUES, "{status:#}");
    }
    (topology, daemon, backend, echo)
}

/// From now on everything the host sends leaves by one queue, so its peer receives it on that one.
fn send_by(host: &Host, queue: usize) {
    let path = |queue| format!("/sys/class/net/{}/queues/tx-{queue}/xps_cpus", host.device());
    // All processors of a bit mask that is never too long: the kernel ignores those it does not have.
    let all = host.run(&["cat", "/sys/devices/system/cpu/possible"]).unwrap();
    let last: u32 = all.trim().rsplit('-').next().unwrap().parse().unwrap();
    assert!(last < 31, "a longer mask is needed for {all} processors");
    let script = format!("echo {:x} > {}; echo 0 > {}", (1_u32 << (last + 1)) - 1, path(queue), path(1 - queue));
    host.run(&["sh", "-ec", &script]).unwrap();
}

/// Packets of all services so far, in and out.
fn requests_and_replies(daemon: &Daemon) -> [u64; 2] {
    let answer = daemon.json(&["services"]).unwrap();
    let services = answer["services"].as_array().unwrap();
    ["/stats/packets_in", "/stats/packets_out"].map(|key| services.iter().map(|service| number(service, key)).sum())
}

/// Packets each of the two workers has taken.
fn received(daemon: &Daemon) -> [u64; 2] {
    let status = daemon.json(&["status"]).unwrap();
    let workers = status["dataplane"]["workers"].as_array().unwrap();
    assert_eq!(workers.len(), 2, "{status:#}");
    [0, 1].map(|worker| number(&workers[worker], "/received"))
}

/// Different clients in the table, by protocol and service.
fn clients(daemon: &Daemon) -> u64 {
    let listing = daemon.json(&["connections", "--limit", "0"]).unwrap();
    let name = |row: &Value| ["protocol", "client", "virtual"].map(|key| row[key].as_str().unwrap().to_owned());
    listing["connections"].as_array().unwrap().iter().map(name).collect::<BTreeSet<_>>().len() as u64
}

/// The table holds `expected` connections, no two of the same client, and the servers' counts agree.
fn each_connection_once(daemon: &Daemon, expected: u64) {
    assert_eq!(clients(daemon), expected);
    let status = daemon.json(&["status"]).unwrap();
    assert_eq!(number(&status, "/dataplane/connections"), expected, "{status:#}");
    // A connection that is just being closed moves from one of the two counts to the other.
    wait_for(PATIENCE, "counts of the servers that agree with the table", || {
        let status = daemon.json(&["status"]).unwrap();
        let services = status["services"].as_array().unwrap().iter();
        services.map(|service| number(service, "/active") + number(service, "/inactive")).sum::<u64>() == expected
    })
    .unwrap();
    for reason in ["table_contended", "no_frame", "tx_ring_full", "queue_unserved"] {
        assert_eq!(drops(daemon, reason), 0, "{reason}");
    }
}

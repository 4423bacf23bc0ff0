//! Many clients at once through NAT, at rest and while the configuration changes under them: not one request may fail.

mod common;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use common::{Config, PATIENCE, at, drops, finish, number, servers};
use headgate_testbed::traffic::{HttpBackend, Load, LoadReport, RunningLoad, http_get};
use headgate_testbed::{Daemon, Namespace, Topology, privileged, wait_for};
use nix::sys::signal::Signal;

const CLIENTS: u64 = 200;
const WEIGHTS: [u64; 3] = [3, 2, 1];
const RELOADS: u64 = 20;

#[test]
fn two_hundred_clients_for_ten_seconds() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("load").servers(WEIGHTS.len()).build().unwrap();
    let backends = backends(&topology);
    let daemon = web(&topology, &WEIGHTS).start(&topology);
    let report = load(CLIENTS, true, Duration::from_secs(10)).run(topology.client()).unwrap();
    flawless(&report);
    println!(
        "{:.0} requests/s, latency {:?} median, {:?} at 99 %",
        report.rate(),
        report.latency(0.5),
        report.latency(0.99)
    );

    let total: u64 = WEIGHTS.iter().sum();
    for ((server, backend), (index, weight)) in servers(&daemon, "web").iter().zip(&backends).zip((1..).zip(WEIGHTS)) {
        let connections = number(server, "/stats/connections");
        assert_eq!(connections, backend.connections(), "what is balanced arrives, once: {server}");
        // wrr is exact after every round of all the weights; the last round may be cut off.
        let exact = CLIENTS * weight / total;
        assert!(connections.abs_diff(exact) <= weight, "{connections} connections instead of {exact}: {server}");
        // Clients ask as fast as they are answered, so requests follow the connections only roughly.
        let requests = report.by_server[&format!("s{index}")];
        let fair = report.requests * weight / total;
        assert!((fair / 2..=fair * 2).contains(&requests), "s{index}: {requests} requests instead of {fair}");
        assert!(number(server, "/stats/packets_in") > requests, "{server}");
        assert!(number(server, "/stats/packets_out") >= requests, "{server}");
    }
    nothing_dropped(&daemon);
    finish(daemon);
}

#[test]
fn twenty_reloads_under_load() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("reload").servers(WEIGHTS.len()).build().unwrap();
    let _backends = backends(&topology);
    let mut daemon = web(&topology, &WEIGHTS).start(&topology);
    let client = topology.client();
    // Ends when the reloads are through, unless they hang.
    let start = |clients, keep_alive| load(clients, keep_alive, Duration::from_mins(1)).start(client).unwrap();
    let (steady, fresh) = (start(40, true), start(4, false));

    let mut generation = number(&daemon.json(&["status"]).unwrap(), "/generation");
    let first = generation;
    for round in 1..=RELOADS {
        let answered = (steady.requests(), fresh.requests());
        let second = round % 2 == 1;
        let mut config = web(&topology, &WEIGHTS.map(|weight| weight + round % 5));
        if second {
            config = config
                .service("second", "tcp", at(false, 81), "forward = \"nat\"")
                .server(SocketAddr::new(topology.server(0).v4().into(), 8080), "");
        }
        // Two with the second service, two without: each way of reloading adds it and takes it away.
        if round % 4 < 2 {
            by_command(&daemon, &config);
        } else {
            by_signal(&mut daemon, &config, generation);
        }
        let status = daemon.json(&["status"]).unwrap();
        assert_eq!(status["last_reload"]["ok"], true, "{status}");
        assert_ne!(status["last_reload"]["message"], "nothing changed", "{status}");
        generation += 1;
        assert_eq!(number(&status, "/generation"), generation);
        second_service_is(second, client, &daemon);
        wait_for(PATIENCE, "answers after a reload", || {
            steady.requests() > answered.0 + 40 && fresh.requests() > answered.1 + 4 || failed(&steady, &fresh)
        })
        .unwrap();
    }
    assert_eq!(generation, first + RELOADS);
    let (steady, fresh) = (steady.stop().unwrap(), fresh.stop().unwrap());
    flawless(&steady);
    flawless(&fresh);
    println!("{} requests kept alive, {} on new connections", steady.requests, fresh.requests);
    let expected: BTreeSet<_> = ["s1", "s2", "s3"].map(str::to_owned).into();
    assert_eq!(fresh.by_server.into_keys().collect::<BTreeSet<_>>(), expected, "all servers stayed in use");
    nothing_dropped(&daemon);
    finish(daemon);
}

fn by_command(daemon: &Daemon, config: &Config) {
    let output = daemon.reload(config.text()).unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn by_signal(daemon: &mut Daemon, config: &Config, before: u64) {
    daemon.write_config(config.text()).unwrap();
    daemon.signal(Signal::SIGHUP).unwrap();
    wait_for(PATIENCE, "a new generation", || number(&daemon.json(&["status"]).unwrap(), "/generation") > before)
        .unwrap();
}

/// A reload is through when it says so: what it added answers at once, what it removed is the kernel's again at once.
fn second_service_is(there: bool, client: &Namespace, daemon: &Daemon) {
    let listed = daemon.json(&["services"]).unwrap()["services"].as_array().unwrap().len();
    assert_eq!(listed, if there { 2 } else { 1 });
    if there {
        assert_eq!(http_get(client, at(false, 81), "/").unwrap().server(), Some("s1"));
    } else {
        let refused = client.enter(|| TcpStream::connect_timeout(&at(false, 81), PATIENCE)).unwrap().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
}

fn failed(steady: &RunningLoad, fresh: &RunningLoad) -> bool {
    steady.errors() + fresh.errors() > 0
}

fn flawless(report: &LoadReport) {
    assert_eq!(report.errors, 0, "of {} requests; the first: {:?}", report.requests, report.first_error);
    assert!(report.requests > 0);
}

fn nothing_dropped(daemon: &Daemon) {
    for reason in ["no_frame", "tx_ring_full", "tx_refused", "table_full", "queue_unserved"] {
        assert_eq!(drops(daemon, reason), 0, "{reason}");
    }
}

fn load(clients: u64, keep_alive: bool, duration: Duration) -> Load {
    let clients = usize::try_from(clients).unwrap();
    Load { clients, keep_alive, duration, timeout: PATIENCE, ..Load::new(at(false, 80)) }
}

fn backends(topology: &Topology) -> Vec<HttpBackend> {
    let start = |(index, host): (usize, _)| HttpBackend::start(host, &format!("s{index}"), 8080).unwrap();
    (1..).zip(topology.servers().iter().map(|host| &**host)).map(start).collect()
}

fn web(topology: &Topology, weights: &[u64]) -> Config {
    let config = Config::new(topology).service("web", "tcp", at(false, 80), "forward = \"nat\"\nscheduler = \"wrr\"");
    topology.servers().iter().zip(weights).fold(config, |config, (server, weight)| {
        config.server(SocketAddr::new(server.v4().into(), 8080), &format!("weight = {weight}"))
    })
}

//! The end, orderly or not, and the start after it: the host is as it was, and traffic flows again at once.

mod common;

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use common::{BINARY, Config, PATIENCE, at, finish};
use headgate_testbed::topology::plan::{FRONT, VIP};
use headgate_testbed::traffic::{HttpBackend, HttpClient, Load, http_get};
use headgate_testbed::{Daemon, Namespace, Topology, privileged, wait_for};
use nix::sys::signal::Signal;

#[test]
fn an_orderly_stop_leaves_nothing() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("stop").without_vip().build().unwrap();
    let _backend = HttpBackend::start(topology.server(0), "s1", 80).unwrap();
    let before = settings(topology.director());
    let daemon = web(&topology).address(FRONT, &format!("{VIP}/32")).start(&topology);
    serves(&topology);
    let (program, socket) = (program(topology.director()), daemon.control_socket());
    assert!(socket.exists() && program_exists(program));
    assert_ne!(settings(topology.director()), before, "the comparison has to see that a daemon runs");
    finish(daemon);
    assert!(!socket.exists());
    as_before(&topology, &before, program);
}

#[test]
fn an_orderly_stop_under_load_resets_what_is_left() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("stop-load").build().unwrap();
    let _backend = HttpBackend::start(topology.server(0), "s1", 80).unwrap();
    let before = settings(topology.director());
    let mut daemon = web(&topology).start(&topology);
    let program = program(topology.director());
    let mut connection = HttpClient::connect(topology.client(), at(false, 80)).unwrap();
    assert_eq!(connection.get("/").unwrap().status, 200);
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let load = Load { clients: 16, timeout: PATIENCE, ..Load::new(at(false, 80)) };
        let load = load.start(topology.client()).unwrap();
        wait_for(PATIENCE, "load", || load.requests() > 500).unwrap();
        assert_eq!(load.errors(), 0);
        daemon.signal(signal).unwrap();
        stopped(&mut daemon);
        drop(load);
        as_before(&topology, &before, program);
        // The kernel has the VIP and knows nothing of the connection: its client need not wait for a time-out.
        assert_eq!(kind(&connection.get("/").unwrap_err()), Some(ErrorKind::ConnectionReset));
        daemon.restart().unwrap();
        connection = HttpClient::connect(topology.client(), at(false, 80)).unwrap();
        assert_eq!(connection.get("/").unwrap().status, 200);
    }
    finish(daemon);
}

#[test]
fn a_kill_leaves_nothing_but_the_socket_file() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("kill").build().unwrap();
    let _backend = HttpBackend::start(topology.server(0), "s1", 80).unwrap();
    let before = settings(topology.director());
    let mut daemon = web(&topology).start(&topology);
    let mut connection = HttpClient::connect(topology.client(), at(false, 80)).unwrap();
    assert_eq!(connection.get("/").unwrap().status, 200);
    let program = program(topology.director());
    daemon.kill().unwrap();
    as_before(&topology, &before, program);
    assert_eq!(kind(&connection.get("/").unwrap_err()), Some(ErrorKind::ConnectionReset));

    assert!(daemon.control_socket().exists());
    daemon.restart().unwrap();
    serves(&topology);
    let socket = daemon.control_socket();
    finish(daemon);
    assert!(!socket.exists());
    as_before(&topology, &before, program);
}

#[test]
fn a_start_right_after_a_kill_serves_at_once() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("again").build().unwrap();
    let backend = HttpBackend::start(topology.server(0), "s1", 80).unwrap();
    let mut daemon = web(&topology).start(&topology);
    for _ in 0..3 {
        // Its sockets die with packets in their rings.
        let load = Load { clients: 8, timeout: PATIENCE, ..Load::new(at(false, 80)) }.start(topology.client()).unwrap();
        wait_for(PATIENCE, "load", || load.requests() > 200).unwrap();
        daemon.kill().unwrap();
        drop(load);
        daemon.restart().unwrap();
        let answered = backend.requests();
        serves(&topology);
        assert_eq!(backend.requests(), answered + 1);
    }
    finish(daemon);
}

#[test]
fn draining_lets_connections_go_on_and_new_ones_not_in() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("drain").build().unwrap();
    let _backend = HttpBackend::start(topology.server(0), "s1", 80).unwrap();
    let before = settings(topology.director());
    let config = web(&topology);
    // Longer than the test may take: it is the second signal that ends it.
    let arguments = ["--drain", "600"];
    let mut daemon = Daemon::start_with(topology.director(), BINARY, config.text(), &arguments, &[]).unwrap();
    let program = program(topology.director());
    let mut connection = HttpClient::connect(topology.client(), at(false, 80)).unwrap();
    assert_eq!(connection.get("/").unwrap().status, 200);
    daemon.signal(Signal::SIGTERM).unwrap();
    wait_for(PATIENCE, "no new connections", || {
        connect(&topology).is_err_and(|error| error == ErrorKind::ConnectionRefused)
    })
    .unwrap();
    for _ in 0..20 {
        assert_eq!(connection.get("/bytes/100000").unwrap().status, 200);
    }
    let service = daemon.json(&["services"]).unwrap()["services"][0].take();
    assert_eq!((&service["up"], &service["servers"][0]["state"]), (&false.into(), &"drain".into()), "{service:#}");
    // What would let new connections in again has to wait for the next start.
    assert!(!daemon.reload(config.text()).unwrap().status.success());
    let enable = daemon.client(&["server", "web", &format!("{}:80", topology.server(0).v4()), "enable"]).unwrap();
    assert!(!enable.status.success(), "{enable:?}");
    assert_eq!(connect(&topology), Err(ErrorKind::ConnectionRefused));

    daemon.signal(Signal::SIGTERM).unwrap();
    stopped(&mut daemon);
    as_before(&topology, &before, program);
    assert_eq!(kind(&connection.get("/").unwrap_err()), Some(ErrorKind::ConnectionReset));
}

#[test]
fn a_stop_during_the_start_is_orderly_too() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("early").without_vip().build().unwrap();
    let before = settings(topology.director());
    let directory = topology.directory().join("early");
    std::fs::create_dir(&directory).unwrap();
    let (file, socket) = (directory.join("headgate.toml"), directory.join("headgate.sock"));
    let config = web(&topology).address(FRONT, &format!("{VIP}/32"));
    std::fs::write(&file, format!("{}[control]\nsocket = {socket:?}\n", config.text())).unwrap();
    let mut process = topology.director().spawn(&[BINARY, "run", "-c", file.to_str().unwrap()]).unwrap();
    wait_for(PATIENCE, "the socket", || socket.exists()).unwrap();
    process.signal(Signal::SIGHUP).unwrap();
    process.signal(Signal::SIGTERM).unwrap();
    let status = process.wait(PATIENCE).unwrap();
    assert!(status.success() && process.log().contains("headgate stopped"), "{status}\n{}", process.log());
    assert!(!process.log().contains("frames were not accounted for"), "{}", process.log());
    assert_eq!(difference(&before, &settings(topology.director())), "");
    assert!(!socket.exists());
}

#[test]
fn a_start_that_fails_leaves_nothing_and_disturbs_nobody() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("second").build().unwrap();
    let _backend = HttpBackend::start(topology.server(0), "s1", 80).unwrap();
    let config = web(&topology);
    let daemon = config.start(&topology);
    let mut connection = HttpClient::connect(topology.client(), at(false, 80)).unwrap();
    assert_eq!(connection.get("/").unwrap().status, 200);
    let before = settings(topology.director());

    // On the same socket.
    let file = daemon.config_file();
    let second = topology.director().output(&[BINARY, "run", "-c", file.to_str().unwrap()]).unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(second.status.code() == Some(1) && said.contains("another daemon"), "{}: {said}", second.status);
    // With a socket of its own, on the same devices.
    let third = Daemon::start(topology.director(), BINARY, config.address(FRONT, "10.0.0.101/32").text());
    let said = format!("{:#}", third.unwrap_err());
    assert!(said.contains("exit status: 1") && said.contains("XDP program"), "{said}");

    assert_eq!(difference(&before, &settings(topology.director())), "");
    assert_eq!(connection.get("/").unwrap().status, 200);
    serves(&topology);
    finish(daemon);
}

/// A NAT service on port 80.
fn web(topology: &Topology) -> Config {
    Config::new(topology)
        .service("web", "tcp", at(false, 80), "forward = \"nat\"")
        .server(SocketAddr::new(topology.server(0).v4().into(), 80), "")
}

/// The first attempt succeeds.
fn serves(topology: &Topology) {
    assert_eq!(http_get(topology.client(), at(false, 80), "/").unwrap().server(), Some("s1"));
}

fn connect(topology: &Topology) -> Result<(), ErrorKind> {
    let attempt = || TcpStream::connect_timeout(&at(false, 80), PATIENCE).map(drop);
    topology.client().enter(attempt).unwrap().map_err(|error| error.kind())
}

fn kind(error: &anyhow::Error) -> Option<ErrorKind> {
    error.downcast_ref::<std::io::Error>().map(std::io::Error::kind)
}

/// It ends in order and has lost no frame.
fn stopped(daemon: &mut Daemon) {
    let status = daemon.wait(Duration::from_secs(20)).unwrap();
    let log = daemon.log();
    assert!(status.success() && log.contains("headgate stopped"), "{status}\n{log}");
    assert!(!log.contains("frames were not accounted for"), "{log}");
}

/// Lines that only one of them has.
fn difference(before: &str, now: &str) -> String {
    let gone = before.lines().filter(|line| !now.lines().any(|other| other == *line)).map(|line| format!("- {line}\n"));
    let new = now.lines().filter(|line| !before.lines().any(|other| other == *line)).map(|line| format!("+ {line}\n"));
    gone.chain(new).collect()
}

/// The kernel clears up after a process a moment after its end.
fn as_before(topology: &Topology, before: &str, program: u32) {
    let mut now = String::new();
    let same = wait_for(PATIENCE, "the host as it was", || {
        now = settings(topology.director());
        now == before
    });
    same.unwrap_or_else(|error| panic!("{error}:\n{}", difference(before, &now)));
    wait_for(PATIENCE, "no steering program in the kernel", || !program_exists(program)).unwrap();
}

/// All that lasts in a namespace: devices with their programs and offloads, addresses, routes, rules, settings.
fn settings(ns: &Namespace) -> String {
    const SCRIPT: &str = "ip -d address; ip route show table all; ip -6 route show table all; ip rule; ip -6 rule
        for device in $(ls /sys/class/net); do ethtool -k $device; done
        grep -rs . /proc/sys/net/ipv4 /proc/sys/net/ipv6 | sort";
    ns.run(&["sh", "-c", SCRIPT]).unwrap()
}

/// Number of the XDP program on the device towards the clients.
fn program(ns: &Namespace) -> u32 {
    let links: serde_json::Value =
        serde_json::from_str(&ns.run(&["ip", "-j", "-d", "link", "show", FRONT]).unwrap()).unwrap();
    let id = links[0].pointer("/xdp/prog/id").and_then(serde_json::Value::as_u64);
    id.unwrap_or_else(|| panic!("no program: {links:#}")).try_into().unwrap()
}

/// Whether anything, a pin or a link included, still keeps the program.
fn program_exists(id: u32) -> bool {
    aya::programs::loaded_programs().any(|program| program.is_ok_and(|program| program.id() == id))
}

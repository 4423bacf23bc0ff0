//! What the namespace tests have in common: configurations in few words, and the end that every test has.

#![allow(dead_code, reason = "every test binary compiles this module and uses a part of it")]

pub mod exposition;
pub mod http2;
pub mod nginx;
pub mod proxy;
pub mod tls;
pub mod vrrp;

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use headgate_testbed::topology::plan::{VIP, VIP6};
use headgate_testbed::traffic::{HttpClient, Response, body};
use headgate_testbed::{Daemon, Namespace, Topology, wait_for};
use serde_json::Value;

/// Enough on a loaded machine; nothing waits that long when it works.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Three megabytes.
pub const LARGE: usize = 3_000_000;
pub const BINARY: &str = env!("CARGO_BIN_EXE_headgate");

pub fn vip(v6: bool) -> IpAddr {
    if v6 { VIP6.into() } else { VIP.into() }
}

pub fn at(v6: bool, port: u16) -> SocketAddr {
    SocketAddr::new(vip(v6), port)
}

/// A configuration: the director's devices and what [`Config::service`] adds.
#[derive(Clone)]
pub struct Config(String);

impl Config {
    pub fn new(topology: &Topology) -> Self {
        Self::with(topology, "")
    }

    /// `extra`: more keys of `[dataplane]`.
    pub fn with(topology: &Topology, extra: &str) -> Self {
        let devices = topology.director_devices();
        Self(format!("[dataplane]\ninterfaces = {devices:?}\nconnections = 65536\n{extra}\n"))
    }

    /// An address that the daemon holds while it runs.
    pub fn address(mut self, interface: &str, prefix: &str) -> Self {
        write!(self.0, "[[address]]\ninterface = \"{interface}\"\naddress = \"{prefix}\"\n").unwrap();
        self
    }

    /// A service; `keys`: more of its keys, a line each; `rr` unless they name a scheduler. Its servers follow as `(address, keys)`.
    pub fn service(mut self, name: &str, protocol: &str, address: impl ToString, keys: &str) -> Self {
        let address = address.to_string();
        let scheduler = if keys.contains("scheduler =") { "" } else { "scheduler = \"rr\"\n" };
        write!(
            self.0,
            "[[service]]\nname = \"{name}\"\nprotocol = \"{protocol}\"\naddress = \"{address}\"\n{scheduler}{keys}\n"
        )
        .unwrap();
        self
    }

    /// A server of the last service.
    pub fn server(mut self, address: impl ToString, keys: &str) -> Self {
        let address = address.to_string();
        write!(self.0, "[[service.server]]\naddress = \"{address}\"\n{keys}\n").unwrap();
        self
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    pub fn start(&self, topology: &Topology) -> Daemon {
        Daemon::start(topology.director(), BINARY, &self.0).unwrap()
    }
}

/// The end of every test: all packet memory is accounted for while it runs and after it, and it stops in order.
pub fn finish(mut daemon: Daemon) {
    let mut last = Value::Null;
    let balanced = wait_for(PATIENCE, "free frames + frames in rings = all frames", || {
        last = daemon.json(&["status"]).unwrap()["dataplane"]["frames"].clone();
        last["total"].as_u64() > Some(0) && last["total"] == last["accounted"]
    });
    balanced.unwrap_or_else(|error| panic!("{error}: {last}"));
    let status = daemon.stop().unwrap();
    let log = daemon.log();
    assert!(status.success(), "{status}\n{log}");
    assert!(log.contains("headgate stopped"), "{log}");
    assert!(!log.contains("frames were not accounted for"), "{log}");
}

/// Gets three megabytes and proves that they are the right ones.
pub fn download(ns: &Namespace, target: SocketAddr) -> Response {
    let response = HttpClient::connect(ns, target).unwrap().get(&format!("/bytes/{LARGE}")).unwrap();
    assert!(response.status == 200 && response.body == body::body(LARGE), "damaged: {} bytes", response.body.len());
    response
}

/// Sends three megabytes; the backend says what it got.
pub fn upload(ns: &Namespace, target: SocketAddr) -> Response {
    let sent = body::body(LARGE);
    let response = HttpClient::connect(ns, target).unwrap().request("POST", "/", &[], &sent).unwrap();
    let expected = format!("body: {LARGE} {:016x}", body::checksum(&sent));
    assert!(response.text().contains(&expected), "{}", response.text());
    response
}

/// Drops of `reason` so far.
pub fn drops(daemon: &Daemon, reason: &str) -> u64 {
    daemon.json(&["status"]).unwrap()["dataplane"]["drops"][reason].as_u64().unwrap_or(0)
}

/// The servers of a service in `services --json`.
pub fn servers(daemon: &Daemon, service: &str) -> Vec<Value> {
    let answer = daemon.json(&["services", service]).unwrap();
    answer["services"][0]["servers"].as_array().unwrap().clone()
}

/// A number of a server, e.g. `/stats/connections`.
pub fn number(server: &Value, pointer: &str) -> u64 {
    server.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {pointer} in {server}"))
}

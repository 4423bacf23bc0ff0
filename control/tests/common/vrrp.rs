//! Two routers and a client on one switch: Headgate on the director, a peer on the second client.

use headgate_testbed::process::Process;
use headgate_testbed::topology::Host;
use headgate_testbed::{Daemon, Namespace, Topology, wait_for};
use serde_json::Value;

use super::{BINARY, PATIENCE};

/// What both routers hold.
pub const SHARED: &str = "10.0.0.200";
pub const SHARED6: &str = "fd00::200";
/// Local to the link, as the first address of IPv6 adverts should be.
pub const LOCAL6: &str = "fe80::200";
/// Of Headgate, and of the peer.
pub const OURS: &str = "10.0.0.1";
pub const THEIRS: &str = "10.0.0.3";
/// The device of the director.
pub const DEVICE: &str = "front";

pub fn topology(name: &str) -> Topology {
    Topology::new(name).clients(2).without_vip().build().unwrap()
}

pub fn peer(topology: &Topology) -> &Host {
    &topology.clients()[1]
}

/// `keys`: more keys of the virtual router.
pub fn headgate(topology: &Topology, keys: &str) -> Daemon {
    Daemon::start(topology.director(), BINARY, &config(DEVICE, keys)).unwrap()
}

pub fn config(device: &str, keys: &str) -> String {
    let addresses =
        if keys.lines().any(|line| line.starts_with("addresses =")) { "" } else { "addresses = [\"10.0.0.200/24\"]\n" };
    format!("[[virtual_router]]\nname = \"VI_1\"\ninterface = \"{device}\"\nid = 51\n{addresses}{keys}\n")
}

/// keepalived on a host; `lines` of its `vrrp_instance`.
pub fn keepalived(ns: &Namespace, lines: &str) -> Process {
    let addresses = if lines.contains("virtual_ipaddress") {
        String::new()
    } else {
        format!("virtual_ipaddress {{\n{SHARED}/24\n}}\n")
    };
    let text = format!(
        "global_defs {{\nrouter_id test\n}}\nvrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\n{lines}\n{addresses}}}\n"
    );
    let directory = ns.directory();
    let file = |name: &str| directory.join(name).display().to_string();
    std::fs::write(file("keepalived.conf"), text).unwrap();
    let (conf, pid, vrrp_pid) = (file("keepalived.conf"), file("keepalived.pid"), file("vrrp.pid"));
    ns.spawn(&["keepalived", "-n", "-l", "-D", "-P", "-f", &conf, "-p", &pid, "-r", &vrrp_pid]).unwrap()
}

/// The only virtual router, as `headgate vrrp --json` shows it.
pub fn router(daemon: &Daemon) -> Value {
    daemon.json(&["vrrp"]).unwrap()["virtual_routers"][0].clone()
}

pub fn await_state(daemon: &Daemon, state: &str) {
    let mut last = Value::Null;
    let reached = wait_for(PATIENCE, state, || {
        last = router(daemon);
        last["state"] == state
    });
    reached.unwrap_or_else(|error| panic!("{error}: {last}\n{}", daemon.log()));
}

pub fn has(ns: &Namespace, address: &str) -> bool {
    ns.run(&["ip", "-brief", "address"])
        .unwrap()
        .split_whitespace()
        .any(|word| word.starts_with(&format!("{address}/")))
}

pub fn await_address(ns: &Namespace, address: &str, there: bool) {
    wait_for(PATIENCE, &format!("{address} there: {there}"), || has(ns, address) == there).unwrap();
}

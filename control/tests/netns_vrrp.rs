//! Virtual routers with keepalived on the same wire.

mod common;

use common::vrrp::{
    LOCAL6, OURS, SHARED, SHARED6, THEIRS, await_address, await_state, has, headgate, keepalived, peer, router,
    topology,
};
use headgate_testbed::{Topology, privileged};
use nix::sys::signal::Signal;

/// keepalived is master, leaves, comes back, and the other way round; the addresses follow.
fn elects(name: &str, ours: &str, theirs: &str, master: &str, shared: &str) {
    let topology: Topology = topology(name);
    let (ns, other) = (topology.director(), peer(&topology));
    let mut keepalived_process = keepalived(other, &format!("priority 150\n{theirs}"));
    await_address(other, shared, true);
    let mut daemon = headgate(&topology, &format!("priority = 100\n{ours}"));
    await_state(&daemon, "backup");
    let seen = headgate_testbed::wait_for(common::PATIENCE, "an advert", || {
        router(&daemon)["adverts_received"].as_u64() > Some(1)
    });
    seen.unwrap_or_else(|error| panic!("{error}: {}\n{}", router(&daemon), keepalived_process.log()));
    let seen = router(&daemon);
    if !master.is_empty() {
        assert_eq!(seen["master"], master, "{seen}");
    }
    assert_eq!(seen["discarded"].as_object().unwrap().len(), 0, "{seen}");
    assert!(!has(ns, shared));

    keepalived_process.signal(Signal::SIGTERM).unwrap();
    await_state(&daemon, "master");
    await_address(ns, shared, true);
    assert!(router(&daemon)["reason"].as_str().unwrap().ends_with(" left"), "{}", router(&daemon));
    let reply = topology.client().run(&["ping", "-c", "1", "-W", "5", shared]);
    assert!(reply.is_ok(), "{reply:?}");
    keepalived_process.wait(common::PATIENCE).unwrap();

    let mut keepalived_process = keepalived(other, &format!("priority 150\n{theirs}"));
    await_state(&daemon, "backup");
    await_address(ns, shared, false);
    await_address(other, shared, true);
    drop(keepalived_process.signal(Signal::SIGTERM));
    await_state(&daemon, "master");
    keepalived_process.wait(common::PATIENCE).unwrap();

    // A keepalived of lower priority hears us, and follows when we leave.
    let keepalived_process = keepalived(other, &format!("priority 50\n{theirs}"));
    let backup = headgate_testbed::wait_for(common::PATIENCE, "keepalived in BACKUP", || {
        keepalived_process.log().contains("Entering BACKUP STATE")
    });
    backup.unwrap_or_else(|error| panic!("{error}\n{}", keepalived_process.log()));
    let status = daemon.stop().unwrap();
    assert!(status.success() && daemon.log().contains("headgate stopped"), "{}", daemon.log());
    assert!(!has(ns, shared));
    await_address(other, shared, true);
    assert!(!keepalived_process.log().contains("nvalid"), "{}", keepalived_process.log());
}

#[test]
fn version_3_with_keepalived() {
    if !privileged() {
        return;
    }
    elects("vrrp-v3", "advert_interval = \"100ms\"", "version 3\nadvert_int 0.1", THEIRS, SHARED);
}

#[test]
fn version_2_without_a_password_with_keepalived() {
    if !privileged() {
        return;
    }
    elects("vrrp-v2", "version = 2", "version 2\nadvert_int 1", THEIRS, SHARED);
}

#[test]
fn version_2_with_a_password_with_keepalived() {
    if !privileged() {
        return;
    }
    let ours = "version = 2\nauthentication = { type = \"pass\", password = \"secret42\" }";
    let theirs = "version 2\nadvert_int 1\nauthentication {\nauth_type PASS\nauth_pass secret42\n}";
    elects("vrrp-pass", ours, theirs, THEIRS, SHARED);
}

#[test]
fn ipv6_with_keepalived() {
    if !privileged() {
        return;
    }
    let ours = format!("advert_interval = \"100ms\"\naddresses = [\"{LOCAL6}/64\", \"{SHARED6}/64\"]");
    let theirs = format!("version 3\nadvert_int 0.1\nvirtual_ipaddress {{\n{LOCAL6}/64\n{SHARED6}/64\n}}");
    elects("vrrp-v6", &ours, &theirs, "", SHARED6);
}

#[test]
fn unicast_with_keepalived() {
    if !privileged() {
        return;
    }
    let ours = format!("advert_interval = \"100ms\"\nunicast = {{ peers = [\"{THEIRS}\"] }}");
    let theirs = format!("version 3\nadvert_int 0.1\nunicast_src_ip {THEIRS}\nunicast_peer {{\n{OURS}\n}}");
    elects("vrrp-unicast", &ours, &theirs, THEIRS, SHARED);
}

#[test]
fn among_equals_the_higher_address_is_master() {
    if !privileged() {
        return;
    }
    let topology = topology("vrrp-equal");
    let mut daemon = headgate(&topology, "priority = 100\nadvert_interval = \"100ms\"");
    await_state(&daemon, "master");
    // Neither hears of the other at first, so both are master.
    let other = peer(&topology);
    let cut = Cut::new(&topology);
    let _keepalived = keepalived(other, "priority 100\nversion 3\nadvert_int 0.1");
    await_address(other, SHARED, true);
    drop(cut);
    await_state(&daemon, "backup");
    await_address(topology.director(), SHARED, false);
    assert!(has(other, SHARED));
    let seen = router(&daemon);
    assert_eq!(seen["reason"], format!("{THEIRS} has priority 100"), "{seen}");
    assert!(daemon.stop().unwrap().success());
}

/// The peer's adverts and ours do not reach each other.
struct Cut<'a>(&'a Topology);

impl<'a> Cut<'a> {
    fn new(topology: &'a Topology) -> Self {
        for ns in [topology.director(), peer(topology)] {
            let chain = "{ type filter hook input priority 0; }";
            ns.run(&["nft", "add table ip vrrp"]).unwrap();
            ns.run(&["nft", &format!("add chain ip vrrp input {chain}")]).unwrap();
            ns.run(&["nft", "add rule ip vrrp input ip protocol 112 drop"]).unwrap();
        }
        Self(topology)
    }
}

impl Drop for Cut<'_> {
    fn drop(&mut self) {
        for ns in [self.0.director(), peer(self.0)] {
            ns.run(&["nft", "delete table ip vrrp"]).unwrap();
        }
    }
}

#[test]
fn an_interface_without_carrier_is_a_fault_until_it_is_back() {
    if !privileged() {
        return;
    }
    let topology = topology("vrrp-link");
    let ns = topology.director();
    let mut daemon = headgate(&topology, "priority = 200\nadvert_interval = \"100ms\"");
    await_state(&daemon, "master");
    await_address(ns, SHARED, true);
    ns.run(&["ip", "link", "set", "front", "down"]).unwrap();
    await_state(&daemon, "fault");
    assert_eq!(router(&daemon)["fault"], "front is down");
    await_address(ns, SHARED, false);
    ns.run(&["ip", "link", "set", "front", "up"]).unwrap();
    await_state(&daemon, "master");
    await_address(ns, SHARED, true);
    // Somebody who tidies up finds it back at once.
    ns.run(&["ip", "address", "del", &format!("{SHARED}/24"), "dev", "front"]).unwrap();
    await_address(ns, SHARED, true);
    assert!(daemon.stop().unwrap().success());
}

#[test]
fn a_reload_changes_a_router_without_an_election() {
    if !privileged() {
        return;
    }
    let topology = topology("vrrp-reload");
    let ns = topology.director();
    let keys = "priority = 200\nadvert_interval = \"100ms\"\n";
    let mut daemon = headgate(&topology, keys);
    await_state(&daemon, "master");
    let sent = router(&daemon)["adverts_sent"].as_u64().unwrap();
    let more = format!("{keys}addresses = [\"{SHARED}/24\", \"10.0.0.201/24\"]\npreempt = false");
    let report = daemon.reload(&common::vrrp::config("front", &more)).unwrap();
    assert!(report.status.success(), "{report:?}");
    await_address(ns, "10.0.0.201", true);
    let seen = router(&daemon);
    assert_eq!((seen["state"].as_str(), seen["transitions"].as_u64()), (Some("master"), Some(2)), "{seen}");
    assert!(seen["adverts_sent"].as_u64().unwrap() > sent);
    let report = daemon.reload("").unwrap();
    assert!(report.status.success(), "{report:?}");
    await_address(ns, SHARED, false);
    await_address(ns, "10.0.0.201", false);
    assert_eq!(daemon.json(&["vrrp"]).unwrap()["virtual_routers"].as_array().unwrap().len(), 0);
    assert!(daemon.stop().unwrap().success());
}

#[test]
fn addresses_that_a_killed_predecessor_left_are_taken_away() {
    if !privileged() {
        return;
    }
    let topology = topology("vrrp-stray");
    let (ns, other) = (topology.director(), peer(&topology));
    let mut daemon = headgate(&topology, "priority = 100\nadvert_interval = \"100ms\"");
    await_state(&daemon, "master");
    await_address(ns, SHARED, true);
    daemon.kill().unwrap();
    assert!(has(ns, SHARED));
    let _keepalived = keepalived(other, "priority 150\nversion 3\nadvert_int 0.1");
    await_address(other, SHARED, true);
    daemon.restart().unwrap();
    await_state(&daemon, "backup");
    await_address(ns, SHARED, false);
    assert!(daemon.stop().unwrap().success());
}

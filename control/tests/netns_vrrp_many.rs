//! Virtual routers with many addresses, and reloads that change them.

mod common;

use std::fmt::Write as _;

use common::PATIENCE;
use common::vrrp::{
    DEVICE, SHARED, THEIRS, await_address, await_state, config, has, headgate, keepalived, peer, router, topology,
};
use headgate_testbed::{Namespace, privileged, wait_for};
use nix::sys::signal::Signal;

/// 1000 addresses: as many as an advert has room for, and others.
fn thousand() -> String {
    let list = |from: usize, to: usize| {
        let mut text = String::new();
        for index in from..to {
            let _ = write!(text, "\"10.1.{}.{}/32\", ", index / 250, index % 250 + 1);
        }
        text
    };
    format!("addresses = [{}]\nexcluded_addresses = [{}]", list(0, 255), list(255, 1000))
}

fn held(ns: &Namespace) -> usize {
    ns.run(&["ip", "-brief", "address", "show", "dev", DEVICE]).unwrap().matches("10.1.").count()
}

#[test]
fn a_thousand_addresses_come_are_announced_and_go() {
    if !privileged() {
        return;
    }
    let topology = topology("vrrp-many");
    let (ns, other) = (topology.director(), peer(&topology));
    let mut capture = other
        .spawn(&["tcpdump", "-n", "-tt", "-p", "-i", "eth0", "-B", "65536", "--immediate-mode", "vrrp or arp"])
        .unwrap();
    wait_for(PATIENCE, "tcpdump listens", || capture.log().contains("listening on")).unwrap();
    let keys = format!("advert_interval = \"100ms\"\nannounce = {{ repeat = 5, delay = \"0s\" }}\n{}", thousand());
    let mut daemon = headgate(&topology, &keys);
    wait_for(PATIENCE, "1000 addresses", || held(ns) == 1000).unwrap();
    assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
    let sent = router(&daemon)["adverts_sent"].as_u64().unwrap();
    wait_for(PATIENCE, "more adverts", || router(&daemon)["adverts_sent"].as_u64().unwrap() > sent + 3).unwrap();
    assert!(daemon.stop().unwrap().success(), "{}", daemon.log());
    assert_eq!(held(ns), 0, "{}", daemon.log());
    assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
    capture.signal(Signal::SIGINT).unwrap();
    capture.wait(PATIENCE).unwrap();
    std::fs::write("/tmp/hg/capture.txt", capture.log()).unwrap();
    // Each address as often as was wanted.
    let seen = capture.log();
    let announced = seen.lines().filter(|line| line.contains("ARP, Request who-has 10.1.")).count();
    assert_eq!(announced, 5000);
}

#[test]
fn a_reload_changes_the_addresses_that_are_not_advertised() {
    if !privileged() {
        return;
    }
    let topology = topology("vrrp-excluded");
    let ns = topology.director();
    let keys = |others: &str| format!("advert_interval = \"100ms\"\nexcluded_addresses = [{others}]");
    let mut daemon = headgate(&topology, &keys("\"10.0.0.201/24\", \"fd00::201/64\""));
    for address in [SHARED, "10.0.0.201", "fd00::201"] {
        await_address(ns, address, true);
    }
    let report = daemon.reload(&config(DEVICE, &keys("\"fd00::201/64\", \"10.0.0.202/24\""))).unwrap();
    assert!(report.status.success(), "{report:?}");
    await_address(ns, "10.0.0.202", true);
    await_address(ns, "10.0.0.201", false);
    assert!(has(ns, SHARED) && has(ns, "fd00::201"));
    assert_eq!(router(&daemon)["transitions"], 2);
    assert!(daemon.stop().unwrap().success());
    assert!(!has(ns, "10.0.0.202") && !has(ns, "fd00::201"));
}

#[test]
fn a_reload_from_unicast_to_multicast_hears_the_group() {
    if !privileged() {
        return;
    }
    let topology = topology("vrrp-regroup");
    let other = peer(&topology);
    let keys = "priority = 100\nadvert_interval = \"100ms\"\n";
    let mut daemon = headgate(&topology, &format!("{keys}unicast = {{ peers = [\"{THEIRS}\"] }}"));
    await_state(&daemon, "master");
    let _keepalived = keepalived(other, "priority 150\nversion 3\nadvert_int 0.1");
    await_address(other, SHARED, true);
    assert_eq!(router(&daemon)["state"], "master");
    let report = daemon.reload(&config(DEVICE, keys)).unwrap();
    assert!(report.status.success(), "{report:?}");
    await_state(&daemon, "backup");
    await_address(topology.director(), SHARED, false);
    assert!(daemon.stop().unwrap().success());
}

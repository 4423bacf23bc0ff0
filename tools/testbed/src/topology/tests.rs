use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::plan::{Net, VIP, VIP6};
use super::*;
use crate::traffic::{HttpBackend, http_get};
use crate::{privileged, wait_for};

#[test]
fn server_addresses_of_both_families_read_alike() {
    assert_eq!(Net::Server.v6(11).0.to_string(), "fd00:1::11");
    assert_eq!(Net::Server.v4(11).0.to_string(), "10.1.0.11");
    assert_eq!(Net::Client.v6(100).0, VIP6);
    assert_eq!(Net::Client.v4(100).0, VIP);
}

#[test]
fn contradicting_options_are_refused() {
    let refusal = |builder: Builder| builder.build().unwrap_err().to_string();
    assert!(refusal(Topology::new("x").servers(0)).starts_with("0 servers"));
    assert!(refusal(Topology::new("x").clients(81)).starts_with("81 clients"));
    assert!(refusal(Topology::new("x").queues(0)).contains("queue"));
    assert!(refusal(Topology::new("x").one_armed().router()).contains("second device"));
    assert!(refusal(Topology::new("x").one_armed().server_mtu(1400)).contains("one MTU"));
}

#[test]
fn netns_client_reaches_every_server_through_the_director() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("plain").clients(2).servers(2).build().unwrap();
    assert_eq!(topology.director_devices(), ["front", "back"]);
    for (client, server) in topology.clients().iter().zip(topology.servers()) {
        client.run(&["ping", "-c", "1", "-W", "2", &server.v4().to_string()]).unwrap();
        client.run(&["ping", "-c", "1", "-W", "2", &server.v6().to_string()]).unwrap();
        let backend = HttpBackend::start(server, server.role(), 8080).unwrap();
        for address in [SocketAddr::from((server.v4(), 8080)), SocketAddr::from((server.v6(), 8080))] {
            let response = http_get(client, address, "/").unwrap();
            assert_eq!(response.server(), Some(server.role()));
            let seen = client.address_like(address.ip());
            assert!(response.text().contains(&format!("client: {}", SocketAddr::new(seen, 1)).replace(":1", ":")));
        }
        assert_eq!(backend.requests(), 2);
    }
    topology.client().run(&["ping", "-c", "1", "-W", "2", &VIP.to_string()]).unwrap();
    topology.client().run(&["ping", "-c", "1", "-W", "2", &VIP6.to_string()]).unwrap();
}

#[test]
fn netns_one_armed_and_flat_have_one_device() {
    if !privileged() {
        return;
    }
    for (builder, checksumming) in [
        (Topology::new("one").one_armed(), "tx-checksumming: on"),
        (Topology::new("flat").flat().tx_off(), "tx-checksumming: off"),
    ] {
        let topology = builder.servers(2).queues(2).permanent_neighbours().build().unwrap();
        assert_eq!(topology.director_devices(), ["front"]);
        let devices = topology.director().run(&["ls", "/sys/class/net"]).unwrap();
        assert_eq!(devices.split_whitespace().collect::<Vec<_>>(), ["front", "lo"]);
        let queues = topology.director().run(&["ls", "/sys/class/net/front/queues"]).unwrap();
        assert_eq!(queues.split_whitespace().count(), 4, "{queues}");
        for server in topology.servers() {
            assert!(server.run(&["ethtool", "-k", server.device()]).unwrap().contains(checksumming));
            assert_eq!(server.mac_of(server.device()).unwrap(), server.mac());
            topology.client().run(&["ping", "-c", "1", "-W", "2", &server.v4().to_string()]).unwrap();
            topology.client().run(&["ping", "-c", "1", "-W", "2", &server.v6().to_string()]).unwrap();
        }
    }
}

#[test]
fn netns_router_with_a_small_mtu_asks_for_smaller_packets() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("router").router().server_mtu(1400).build().unwrap();
    let server = topology.server(0);
    let ping = |size: &str| {
        let target = server.v4().to_string();
        topology.client().output(&["ping", "-c", "1", "-W", "2", "-M", "do", "-s", size, &target]).unwrap()
    };
    assert!(ping("1372").status.success());
    let refused = ping("1373");
    assert!(!refused.status.success());
    let text = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(text.contains("mtu = 1400") || text.contains("mtu=1400"), "{text}");
    topology.client().run(&["ping", "-c", "1", "-W", "2", &server.v6().to_string()]).unwrap();
}

#[test]
fn netns_without_forwarding_nothing_passes() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("closed").no_forwarding().build().unwrap();
    let target = topology.server(0).v4().to_string();
    assert!(!topology.client().output(&["ping", "-c", "1", "-W", "1", &target]).unwrap().status.success());
}

#[test]
fn netns_nothing_is_left_after_drop() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("gone").servers(2).tunnel().build().unwrap();
    let (prefix, directory) = (topology.prefix().to_owned(), topology.directory().to_owned());
    assert_eq!(names::namespaces_of(&prefix).len(), 5);
    // Not tied to a handle: only the sweep of the namespace can end it.
    let mut orphan = topology.server(0).command(&["sleep", "600"]).unwrap().spawn().unwrap();
    let pid = orphan.id();
    wait_for(Duration::from_secs(5), "sleep inside the namespace", || is_inside(topology.server(0), pid)).unwrap();
    drop(topology);
    assert!(!orphan.wait().unwrap().success(), "killed");
    assert_eq!(names::namespaces_of(&prefix), Vec::<String>::new());
    assert!(!directory.exists());
}

#[test]
fn netns_nothing_is_left_after_a_panic() {
    if !privileged() {
        return;
    }
    let mut prefix = String::new();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let topology = Topology::new("panic").build().unwrap();
        topology.prefix().clone_into(&mut prefix);
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert!(!prefix.is_empty());
    assert_eq!(names::namespaces_of(&prefix), Vec::<String>::new());
}

#[test]
fn netns_kept_topology_stays_until_it_is_removed_as_told() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("kept").keep().build().unwrap();
    let (prefix, instructions) = (topology.prefix().to_owned(), topology.instructions());
    drop(topology);
    assert_eq!(names::namespaces_of(&prefix).len(), 4);
    let removal: Vec<&str> = instructions.lines().filter(|line| line.trim_start().starts_with("for n in")).collect();
    assert_eq!(removal.len(), 1, "{instructions}");
    let status = std::process::Command::new("sh").args(["-c", removal[0]]).status().unwrap();
    assert!(status.success());
    assert_eq!(names::namespaces_of(&prefix), Vec::<String>::new());
    assert!(!names::directory(&prefix).exists());
}

#[test]
fn netns_leftovers_of_a_dead_process_are_swept() {
    if !privileged() {
        return;
    }
    // Above the kernel's largest pid (2^22), so its owner is surely dead.
    let leftover = format!("hg{}-0", 4_194_305);
    let directory = names::directory(&leftover);
    std::fs::create_dir_all(&directory).unwrap();
    let ns = Namespace::create(&format!("{leftover}-lb"), &directory).unwrap();
    let mut orphan = ns.command(&["sleep", "600"]).unwrap().spawn().unwrap();
    wait_for(Duration::from_secs(5), "sleep inside the namespace", || is_inside(&ns, orphan.id())).unwrap();
    names::sweep();
    assert!(!orphan.wait().unwrap().success(), "killed");
    assert_eq!(names::namespaces_of(&leftover), Vec::<String>::new());
    assert!(!directory.exists());
}

fn is_inside(ns: &Namespace, pid: u32) -> bool {
    ns.output(&["ip", "netns", "pids", ns.name()]).is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout).split_whitespace().any(|inside| inside == pid.to_string())
    })
}

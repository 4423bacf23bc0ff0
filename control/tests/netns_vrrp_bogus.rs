//! Adverts of somebody who means no good, or is out of order.

mod common;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use common::vrrp::{OURS, await_state, config, headgate, peer, router, topology};
use common::{BINARY, PATIENCE};
use headgate_testbed::{Daemon, Topology, privileged, wait_for};
use headgate_vrrp::message::{Advert, Ends, PROTOCOL};
use headgate_vrrp::router::Coverage;
use serde_json::Value;
use socket2::{Domain, Protocol, Socket, Type};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const ROUNDS: u64 = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// Adverts of the highest priority that must not count: the reason, the distance they are sent with, and the message.
fn bogus(source: IpAddr) -> Vec<(&'static str, u32, Vec<u8>)> {
    let ends = Ends { source, destination: GROUP.into() };
    let advert =
        Advert { id: 51, priority: 255, interval: 100_000, addresses: vec![common::vrrp::SHARED.parse().unwrap()] };
    let encoded = |advert: &Advert| advert.encode_v3(ends, Coverage::PseudoHeader);
    let mut damaged = encoded(&advert);
    damaged[6] ^= 0x55;
    let mut other_version = encoded(&advert);
    other_version[0] = 0x41;
    let other_router = Advert { id: 52, ..advert.clone() };
    let without_interval = Advert { interval: 0, ..advert.clone() };
    let without_addresses = Advert { addresses: Vec::new(), ..advert.clone() };
    vec![
        ("checksum", 255, damaged),
        ("version", 255, other_version),
        ("interval-zero", 255, encoded(&without_interval)),
        ("count-zero", 255, encoded(&without_addresses)),
        ("vrid", 255, encoded(&other_router)),
        ("ttl", 64, encoded(&advert)),
        ("length-short", 255, encoded(&advert)[..10].to_vec()),
    ]
}

/// Every one of them each ten milliseconds.
fn flood(topology: &Topology) {
    let client = topology.client();
    let source = client.address_like(GROUP.into());
    let adverts = bogus(source);
    client
        .enter(|| {
            let protocol = Protocol::from(i32::from(PROTOCOL.0));
            let socket = Socket::new(Domain::IPV4, Type::RAW, Some(protocol)).unwrap();
            let IpAddr::V4(source) = source else { unreachable!("the group is of IPv4") };
            socket.set_multicast_if_v4(&source).unwrap();
            let group = SocketAddr::new(GROUP.into(), 0).into();
            for _ in 0..ROUNDS {
                for (_, ttl, message) in &adverts {
                    socket.set_multicast_ttl_v4(*ttl).unwrap();
                    socket.send_to(message, &group).unwrap();
                }
                std::thread::park_timeout(PAUSE);
            }
        })
        .unwrap();
}

#[test]
fn adverts_that_do_not_count_change_nothing_and_are_counted() {
    if !privileged() {
        return;
    }
    let topology = topology("vrrp-bogus");
    let keys = |priority: u8| format!("priority = {priority}\nadvert_interval = \"100ms\"");
    let mut master = headgate(&topology, &keys(200));
    await_state(&master, "master");
    let theirs = config("eth0", &keys(100));
    let mut backup = Daemon::start(peer(&topology), BINARY, &theirs).unwrap();
    wait_for(PATIENCE, "an advert", || router(&backup)["master"] == OURS).unwrap();
    let facts = |daemon: &Daemon| {
        let seen = router(daemon);
        [&seen["state"], &seen["transitions"], &seen["effective_priority"], &seen["master"]].map(Value::clone)
    };
    let (before, received) = ([facts(&master), facts(&backup)], router(&backup)["adverts_received"].as_u64());
    flood(&topology);
    for daemon in [&master, &backup] {
        for (reason, ..) in bogus(Ipv4Addr::LOCALHOST.into()) {
            let count = || match reason {
                "vrid" => daemon.json(&["vrrp"]).unwrap()["unmatched"][reason].as_u64(),
                _ => router(daemon)["discarded"][reason].as_u64(),
            };
            let all = wait_for(PATIENCE, reason, || count() == Some(ROUNDS));
            all.unwrap_or_else(|error| panic!("{error}: {}", router(daemon)));
        }
    }
    // Each goes on as before: the backup has heard of no other master, nor missed the one there is.
    assert_eq!([facts(&master), facts(&backup)], before, "{}\n{}", master.log(), backup.log());
    let more = || router(&backup)["adverts_received"].as_u64() > received;
    wait_for(PATIENCE, "adverts of the master", more).unwrap();
    assert!(master.stop().unwrap().success() && backup.stop().unwrap().success());
}

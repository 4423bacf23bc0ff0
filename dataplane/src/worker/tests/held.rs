//! Packets that wait for a neighbour.

use std::net::IpAddr;

use super::rig::Rig;
use crate::drop_reason::DropReason;
use crate::pipeline::Resolve;
use crate::proto;
use crate::snapshot::Forward;
use crate::testing::packets::{SYN, client, client6, open, tcp, udp};
use crate::testing::world::{BACK, FRONT, VIP, VIP6, VirtualService, World, server_mac, v4, v6};
use crate::worker::HOUSEKEEPING_MS;

fn rig(unknown: impl IntoIterator<Item = IpAddr>) -> Rig {
    let mut world = World::new();
    let udp = (2..=21).fold(VirtualService::new(proto::UDP, VIP, 53), |udp, n| udp.with(v4(n), Forward::Dr));
    world.services = vec![
        VirtualService::new(proto::TCP, VIP, 80).with(v4(11), Forward::Nat),
        VirtualService::new(proto::TCP, VIP6, 80).with(v6(11), Forward::Nat),
        udp,
    ];
    world.unknown.extend(unknown);
    Rig::new(world, 1)
}

#[test]
fn they_leave_in_order_once_it_is_known() {
    let mut rig = rig([v4(11), v6(11)]);
    rig.swallowed(0, FRONT, &tcp(client6(1), (VIP6, 80).into(), SYN, b""));
    for n in 1..4 {
        rig.swallowed(0, FRONT, &tcp(client(n), (VIP, 80).into(), SYN, b""));
    }
    assert!(rig.stations[0].worker.idle_for(rig.now) <= HOUSEKEEPING_MS, "no long sleep meanwhile");
    rig.advance(HOUSEKEEPING_MS, HOUSEKEEPING_MS);
    let asked: Vec<_> = rig.asked.try_iter().collect();
    assert_eq!(asked, [v6(11), v4(11)].map(|address| Resolve { device: BACK, address }), "each is asked for once");

    rig.world.unknown.remove(&v4(11));
    rig.publish();
    rig.round(0);
    let back: Vec<_> = rig.collect(0, BACK).iter().map(|frame| open(frame)).collect();
    assert_eq!(back.iter().map(|packet| packet.source).collect::<Vec<_>>(), [client(1), client(2), client(3)]);
    assert!(back.iter().all(|packet| packet.to_mac == server_mac(11) && packet.destination.ip() == v4(11)));
    rig.world.unknown.clear();
    rig.publish();
    rig.round(0);
    assert_eq!(open(&rig.collect(0, BACK)[0]).source, client6(1));
    assert_eq!(rig.stations[0].dropped_in_all(), 0);
    rig.shut_down();
}

#[test]
fn they_are_dropped_when_it_does_not_answer() {
    let mut rig = rig([v4(11)]);
    rig.swallowed(0, FRONT, &tcp(client(1), (VIP, 80).into(), SYN, b""));
    rig.advance(3_000, 100);
    assert_eq!(rig.stations[0].dropped_in_all(), 0, "three seconds are given");
    rig.advance(100, 100);
    assert_eq!(rig.stations[0].dropped(DropReason::NeighbourUnresolved), 1);
    assert_eq!(rig.collect(0, BACK).len(), 0);
    let asked = rig.asked.try_iter().count();
    assert!((5..=7).contains(&asked), "asked about every half second: {asked}");
    rig.shut_down();
}

#[test]
fn one_neighbour_holds_eight_and_all_together_128() {
    let mut rig = rig((2..=21).map(v4));
    for n in 1..=12 {
        rig.swallowed(0, FRONT, &tcp(client(n), (VIP, 80).into(), SYN, b""));
    }
    assert_eq!(rig.stations[0].dropped(DropReason::HoldQueueFull), 4);
    // Twenty servers in turn, seven datagrams each.
    for n in 0..140 {
        rig.swallowed(0, FRONT, &udp(client(n), (VIP, 53).into(), b""));
    }
    let dropped = rig.stations[0].dropped(DropReason::HoldQueueFull);
    // Server 11 has its eight; of the others 120 find a place among the 128.
    assert_eq!(12 + 140 - dropped, 128);
    rig.world.unknown.clear();
    rig.publish();
    let mut left = 0;
    // What finds no room in the ring is dropped, but not lost.
    for _ in 0..10 {
        rig.round(0);
        left += rig.collect(0, BACK).len() as u64;
    }
    assert_eq!(left + rig.stations[0].dropped(DropReason::TxRingFull), 128);
    rig.shut_down();
}

#[test]
fn a_worker_that_ends_gives_their_frames_back() {
    let mut rig = rig([v4(11)]);
    rig.swallowed(0, FRONT, &tcp(client(1), (VIP, 80).into(), SYN, b""));
    rig.shut_down();
}

//! What goes in comes out, or is counted.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;

use headgate_wire::ether;

use super::rig::{RING, Rig, STACK_MAC};
use crate::drop_reason::DropReason;
use crate::proto;
use crate::snapshot::Forward;
use crate::testing::packets::{ACK, FIN, RST, SYN, client, client6, open, tcp, udp, with_ttl};
use crate::testing::random::Rng;
use crate::testing::world::{BACK, FRONT, ROUTER_MAC, VIP, VIP6, VirtualService, World, server_mac, v4, v6};

fn world() -> World {
    let mut world = World::new();
    world.services = vec![
        VirtualService::new(proto::TCP, VIP, 80).with(v4(11), Forward::Nat),
        VirtualService::new(proto::UDP, VIP, 53).with(v4(12), Forward::Dr).with(v4(13), Forward::Nat),
        VirtualService::new(proto::TCP, VIP6, 80).with(v6(11), Forward::Nat).with(v6(12), Forward::Tunnel),
        VirtualService::new(proto::TCP, VIP, 81),
    ];
    world
}

#[test]
fn a_request_and_its_reply_go_through() {
    let mut rig = Rig::new(world(), 1);
    let (vip, server): (SocketAddr, SocketAddr) = ((VIP, 80).into(), (v4(11), 8080).into());
    let request = open(&rig.through(0, FRONT, &tcp(client(1), vip, SYN, b"")));
    assert_eq!((request.source, request.destination, request.ttl), (client(1), server, 63));
    assert_eq!(request.to_mac, server_mac(11));
    let reply = open(&rig.through(0, BACK, &tcp(server, client(1), SYN, b"hello")));
    assert_eq!((reply.source, reply.destination, reply.ttl), (vip, client(1), 63));
    assert_eq!((reply.to_mac, &reply.payload[..]), (ROUTER_MAC, &b"hello"[..]));
    let counters = &rig.stations[0].counters;
    assert_eq!((counters.received.value(), counters.transmitted.value(), counters.to_kernel.value()), (2, 2, 0));
    assert_eq!(rig.stations[0].dropped_in_all(), 0);
    rig.shut_down();
}

#[test]
fn what_is_not_balanced_goes_to_the_stack_behind_a_link_header_of_its_own() {
    let mut rig = Rig::new(world(), 1);
    let unserved = tcp(client(1), (VIP, 22).into(), SYN, b"");
    let unserved6 = tcp(client6(1), (VIP6, 22).into(), SYN, b"");
    rig.swallowed(0, FRONT, &unserved);
    rig.swallowed(0, FRONT, &unserved6);
    let got = rig.stations[0].to_stack();
    for (got, sent) in got.iter().zip([&unserved, &unserved6]) {
        let (got, sent) = (ether::Header::parse(got).unwrap(), ether::Header::parse(sent).unwrap());
        assert_eq!((got.0.destination(), got.0.ethertype()), (STACK_MAC, sent.0.ethertype()));
        assert_eq!(got.1, sent.1, "the IP packet is untouched");
    }
    assert_eq!((got.len(), rig.stations[0].counters.to_kernel.value()), (2, 2));

    rig.stations[0].stack.refuses.store(true, Relaxed);
    rig.swallowed(0, FRONT, &unserved);
    assert_eq!(rig.stations[0].dropped(DropReason::KernelRefused), 1);
    assert_eq!(rig.stations[0].counters.to_kernel.value(), 2);
    rig.shut_down();
}

#[test]
fn with_a_full_transmit_ring_packets_wait_where_they_came_in() {
    let mut rig = Rig::new(world(), 1);
    let frame = tcp(client(1), (VIP, 80).into(), SYN, b"");
    for _ in 0..RING {
        assert!(rig.stations[0].wire(FRONT).deliver(&frame));
    }
    assert_eq!(rig.round(0), RING as usize);
    for _ in 0..5 {
        assert!(rig.stations[0].wire(FRONT).deliver(&frame));
    }
    assert_eq!(rig.round(0), 0, "the ring of the back is full");
    assert_eq!(rig.collect(0, BACK).len(), RING as usize);
    assert_eq!(rig.round(0), 5);
    assert_eq!((rig.collect(0, BACK).len(), rig.stations[0].dropped_in_all()), (5, 0));
    rig.shut_down();
}

#[test]
fn fragments_that_find_no_room_are_dropped_and_counted() {
    let mut world = world();
    world.mtu[BACK.index()] = 600;
    let mut rig = Rig::new(world, 1);
    let small = tcp(client(1), (VIP, 80).into(), SYN, b"");
    for _ in 0..RING - 1 {
        assert!(rig.stations[0].wire(FRONT).deliver(&small));
    }
    rig.round(0);
    // One place is left for a packet that leaves in three parts.
    assert!(rig.stations[0].wire(FRONT).deliver(&tcp(client(1), (VIP, 80).into(), ACK, &[7; 1400])));
    assert_eq!(rig.round(0), 1);
    assert_eq!(rig.stations[0].dropped(DropReason::TxRingFull), 2);
    assert_eq!(rig.stations[0].counters.transmitted.value(), u64::from(RING));
    assert_eq!(rig.collect(0, BACK).len(), RING as usize);
    rig.shut_down();
}

#[test]
fn a_device_without_a_lane_is_a_reason_to_drop() {
    let mut rig = Rig::new(world(), 1);
    // Replies to this client leave by a device that the snapshot knows but no lane of the worker.
    let client: SocketAddr = (Ipv4Addr::new(203, 0, 113, 1), 40_000).into();
    rig.through(0, FRONT, &tcp(client, (VIP, 80).into(), SYN, b""));
    rig.swallowed(0, BACK, &tcp((v4(11), 8080).into(), client, SYN, b""));
    assert_eq!(rig.stations[0].dropped(DropReason::DeviceNotServed), 1);
    rig.shut_down();
}

/// Packets of all kinds in random rounds, rings read now and then: every packet received is sent, handed over, held or counted as dropped,
/// and [`Rig::round`] finds no frame missing.
#[test]
fn every_packet_is_accounted_for() {
    let mut rng = Rng::seeded(11);
    let mut world = world();
    world.unknown.insert(v4(13));
    world.settings.icmp_per_second = 20;
    let mut rig = Rig::new(world, 1);
    let mut sent = 0;
    for _ in 0..3000 {
        for _ in 0..rng.below(6) {
            let device = if rng.below(3) == 0 { BACK } else { FRONT };
            let frame = random_frame(&mut rng);
            rig.stations[0].wire(device).deliver(&frame);
        }
        rig.advance(u64::from(rng.below(30)), 30);
        rig.round(0);
        if rng.below(3) == 0 {
            sent += rig.collect(0, FRONT).len() + rig.collect(0, BACK).len();
        }
    }
    rig.advance(60_000, 1000);
    sent += rig.collect(0, FRONT).len() + rig.collect(0, BACK).len();

    let station = &rig.stations[0];
    let counters = &station.counters;
    assert_eq!(counters.transmitted.value(), sent as u64);
    assert_eq!(counters.to_kernel.value(), station.to_stack().len() as u64);
    for reason in [DropReason::NeighbourUnresolved, DropReason::HoldQueueFull, DropReason::IcmpRateLimit] {
        assert!(station.dropped(reason) > 0, "{reason:?} was met");
    }
    assert!(counters.icmp_sent.value() > 0 && counters.received.value() > 5000);
    let ended = counters.transmitted.value() + counters.to_kernel.value() + station.dropped_in_all();
    assert_eq!(ended, counters.received.value());
    assert_eq!(counters.frames_accounted.load(Relaxed), counters.frames_total.load(Relaxed));
    rig.shut_down();
}

fn random_frame(rng: &mut Rng) -> Vec<u8> {
    let n = rng.below(40) as u16;
    let flags = [SYN, ACK, FIN, RST][rng.below(4) as usize];
    let payload = vec![0x5a; [0, 10, 400, 1300][rng.below(4) as usize]];
    let frame = match rng.below(9) {
        0 => tcp(client(n), (VIP, 80).into(), flags, &payload),
        1 => tcp((v4(11), 8080).into(), client(n), flags, &payload),
        2 => udp(client(n), (VIP, 53).into(), &payload),
        3 => tcp(client6(n), (VIP6, 80).into(), flags, &payload),
        4 => tcp((v6(11), 8080).into(), client6(n), flags, &payload),
        5 => tcp(client(n), (VIP, 81).into(), SYN, &payload),
        6 => tcp(client(n), (VIP, 7).into(), flags, &payload),
        7 => with_ttl(tcp(client(n), (VIP, 80).into(), SYN, &payload), 1),
        _ => (0..rng.below(120)).map(|_| rng.next() as u8).collect(),
    };
    // Now and then a byte is damaged.
    let mut frame = frame;
    if rng.below(8) == 0 && !frame.is_empty() {
        let at = rng.below(frame.len().min(60) as u32) as usize;
        frame[at] ^= 1 << rng.below(8);
    }
    frame
}

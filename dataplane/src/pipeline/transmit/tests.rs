//! TTL, sizes, checksums and link headers on the way out, both ways.

use std::net::{IpAddr, SocketAddr};

use headgate_wire::checksum::pseudo_header_v4;
use headgate_wire::{Protocol, ether, ipv4};

use crate::drop_reason::DropReason;
use crate::pipeline::Verdict;
use crate::proto;
use crate::snapshot::Forward;
use crate::testing::bench::{Bench, sent};
use crate::testing::packets::{ACK, SYN, client, client6, frame, open, open_ip, packet, tcp, udp, with_df, with_ttl};
use crate::testing::random::Rng;
use crate::testing::world::{BACK, FRONT, VIP, VIP6, VirtualService, World, own_mac, server_mac, v4, v6};

fn world(vip: IpAddr, server: IpAddr, forward: Forward) -> World {
    let mut world = World::new();
    world.services = vec![
        VirtualService::new(proto::TCP, vip, 80).with(server, forward),
        VirtualService::new(proto::UDP, vip, 80).with(server, forward),
    ];
    world
}

fn bench(vip: IpAddr, server: IpAddr, forward: Forward) -> Bench {
    Bench::new(world(vip, server, forward))
}

fn client_of(vip: IpAddr) -> SocketAddr {
    if vip.is_ipv4() { client(1) } else { client6(1) }
}

/// The IP packet of a frame that left.
fn ip_of(frame: &[u8]) -> &[u8] {
    &frame[ether::Header::LEN..]
}

/// Type and code of an ICMP error, and its second word.
fn error_of(frame: &[u8]) -> ([u8; 2], u32) {
    let packet = ip_of(frame);
    let message = &packet[if packet[0] >> 4 == 4 { 20 } else { 40 }..];
    ([message[0], message[1]], u32::from_be_bytes(message[4..8].try_into().unwrap()))
}

/// The VIP, the family of the server, the method.
type Kind = (IpAddr, fn(u8) -> IpAddr, Forward);

const WAYS: [Kind; 8] = [
    (VIP, v4, Forward::Nat),
    (VIP, v4, Forward::Dr),
    (VIP, v4, Forward::Tunnel),
    (VIP, v6, Forward::Tunnel),
    (VIP6, v6, Forward::Nat),
    (VIP6, v6, Forward::Dr),
    (VIP6, v6, Forward::Tunnel),
    (VIP6, v4, Forward::Tunnel),
];

#[test]
fn a_packet_with_no_hop_left_is_answered_by_the_vip() {
    for (vip, server, forward) in WAYS {
        let mut bench = bench(vip, server(11), forward);
        let request = tcp(client_of(vip), (vip, 80).into(), SYN, b"");
        for ttl in [0, 1] {
            let (out, verdict) = bench.send_one(FRONT, &with_ttl(request.clone(), ttl));
            let (told, _) = error_of(&out);
            let expected = if vip.is_ipv4() { [11, 0] } else { [3, 0] };
            assert_eq!((verdict, told), (Verdict::Tx(FRONT), expected), "{vip} {forward:?}");
            let source = if vip.is_ipv4() { out[26..30].to_vec() } else { out[22..38].to_vec() };
            let vip = match vip {
                IpAddr::V4(vip) => vip.octets().to_vec(),
                IpAddr::V6(vip) => vip.octets().to_vec(),
            };
            assert_eq!(source, vip);
        }
        assert_eq!(bench.send_one(FRONT, &with_ttl(request, 2)).1, Verdict::Tx(BACK));
    }
}

#[test]
fn every_way_takes_one_hop_off() {
    for (vip, server, forward) in WAYS {
        let mut bench = bench(vip, server(11), forward);
        let out = bench.send_one(FRONT, &with_ttl(tcp(client_of(vip), (vip, 80).into(), SYN, b""), 9)).0;
        let outer = match (forward, server(11)) {
            (Forward::Tunnel, IpAddr::V4(_)) => 20,
            (Forward::Tunnel, IpAddr::V6(_)) => 40,
            _ => 0,
        };
        let ttl = if out[12..14] == [8, 0] { ip_of(&out)[8] } else { ip_of(&out)[7] };
        assert_eq!((open_ip(&ip_of(&out)[outer..]).ttl, ttl), (8, 8), "{vip} {forward:?}");
    }
}

#[test]
fn a_reply_with_no_hop_left_is_answered_by_our_address_there() {
    for (vip, server) in [(VIP, v4(11)), (VIP6, v6(11))] {
        let mut bench = bench(vip, server, Forward::Nat);
        let id = bench.world.id(0, server);
        bench.send(FRONT, &tcp(client_of(vip), (vip, 80).into(), SYN, b""));
        let reply = tcp((server, 8080).into(), client_of(vip), SYN | ACK, b"");
        let (out, verdict) = bench.send_one(BACK, &with_ttl(reply.clone(), 1));
        assert_eq!((verdict, error_of(&out).0), (Verdict::Tx(BACK), if vip.is_ipv4() { [11, 0] } else { [3, 0] }));
        assert_eq!(bench.traffic(id).packets_out, 0);
        assert_eq!(bench.send_one(BACK, &with_ttl(reply, 2)).1, Verdict::Tx(FRONT));
        assert_eq!(bench.traffic(id).packets_out, 1);
    }
}

#[test]
fn what_is_too_big_is_told_the_mtu_of_its_way() {
    let announced = [1500, 1500, 1480, 1460, 1500, 1500, 1460, 1480];
    for ((vip, server, forward), announced) in WAYS.into_iter().zip(announced) {
        let mut bench = bench(vip, server(11), forward);
        let headers = if vip.is_ipv4() { 40 } else { 60 };
        let of_length = |length: usize| {
            let frame = tcp(client_of(vip), (vip, 80).into(), SYN, &vec![0; length - headers]);
            if vip.is_ipv4() { with_df(frame) } else { frame }
        };
        assert_eq!(bench.send_one(FRONT, &of_length(announced)).1, Verdict::Tx(BACK), "{vip} {forward:?}");
        let (out, verdict) = bench.send_one(FRONT, &of_length(announced + 1));
        let expected = if vip.is_ipv4() { [3, 4] } else { [2, 0] };
        assert_eq!((verdict, error_of(&out)), (Verdict::Tx(FRONT), (expected, announced as u32)), "{vip} {forward:?}");
        // IPVS sees the error leave and counts it where the server has the VIP too.
        let traffic = bench.traffic(bench.world.id(0, server(11)));
        assert_eq!((traffic.packets_in, traffic.packets_out), (2, u64::from(forward != Forward::Nat)));
    }
}

#[test]
fn a_reply_that_is_too_big_is_told_to_the_server_or_cut() {
    let mut world = world(VIP, v4(11), Forward::Nat);
    world.mtu[FRONT.index()] = 1000;
    let mut bench = Bench::new(world);
    bench.send(FRONT, &tcp(client(1), (VIP, 80).into(), SYN, b""));
    let reply = tcp((v4(11), 8080).into(), client(1), ACK, &[5; 1400]);
    let (out, verdict) = bench.send_one(BACK, &with_df(reply.clone()));
    assert_eq!((verdict, error_of(&out)), (Verdict::Tx(BACK), ([3, 4], 1000)));
    assert_eq!(ip_of(&out)[28..], ip_of(&with_df(reply.clone()))[..548], "quoted untranslated");
    assert_eq!(bench.traffic(bench.world.id(0, v4(11))).packets_out, 0);
    let results = bench.send(BACK, &reply);
    let frames = sent(&results);
    assert_eq!(frames.iter().map(|(device, _)| *device).collect::<Vec<_>>(), [FRONT, FRONT]);
    assert_eq!(frames[0].1[26..30], [10, 0, 0, 100]);
    assert_eq!(bench.traffic(bench.world.id(0, v4(11))).packets_out, 1);
}

/// Random packets both ways: all checksums are right, and the payload arrives.
#[test]
fn nat_keeps_checksums_right() {
    let mut rng = Rng::seeded(5);
    for (vip, server) in [(VIP, v4(11)), (VIP6, v6(11))] {
        let mut bench = bench(vip, server, Forward::Nat);
        for _ in 0..2000 {
            let n = rng.next() as u16;
            let mut client = if vip.is_ipv4() { client(n) } else { client6(n) };
            client.set_port(1 + rng.below(60_000) as u16);
            if client.port() == 20 {
                continue;
            }
            let payload: Vec<u8> = (0..rng.below(40)).map(|_| rng.next() as u8).collect();
            let make = |from, to, flags| match rng.clone().below(2) {
                0 => tcp(from, to, flags, &payload),
                _ => udp(from, to, &payload),
            };
            let (vip, server) = ((vip, 80).into(), (server, 8080).into());
            let results = bench.send(FRONT, &make(client, vip, SYN));
            if !matches!(results[0].1, Verdict::Tx(BACK)) {
                assert_eq!(results[0].1, Verdict::Drop(DropReason::TableFull));
                break;
            }
            let request = open(&results[0].0);
            assert_eq!((request.source, request.destination, &request.payload), (client, server, &payload));
            let reply = open(&bench.send_one(BACK, &make(server, client, ACK)).0);
            assert_eq!((reply.source, reply.destination, &reply.payload), (vip, client, &payload));
            rng.next();
        }
        assert!(bench.dropped_in_all() < 2);
    }
}

#[test]
fn a_wrong_checksum_stays_wrong_by_as_much() {
    let mut bench = bench(VIP, v4(11), Forward::Nat);
    let good = tcp(client(1), (VIP, 80).into(), SYN, b"x");
    let mut bad = good.clone();
    bad[ether::Header::LEN + 40] ^= 4;
    let (good, bad) = (bench.send_one(FRONT, &good).0, bench.send_one(FRONT, &bad).0);
    let at = ether::Header::LEN + 36;
    assert_eq!(good[at..at + 2], bad[at..at + 2]);
    assert_ne!(good, bad);
}

#[test]
fn a_datagram_without_checksum_gets_one_from_nat_alone() {
    for (forward, gets) in [(Forward::Nat, true), (Forward::Dr, false), (Forward::Tunnel, false)] {
        let mut bench = bench(VIP, v4(11), forward);
        let mut request = udp(client(1), (VIP, 80).into(), b"query");
        request[ether::Header::LEN + 26..][..2].fill(0);
        let out = bench.send_one(FRONT, &request).0;
        let inner = if forward == Forward::Tunnel { &ip_of(&out)[20..] } else { ip_of(&out) };
        assert_eq!(inner[26..28] != [0, 0], gets, "{forward:?}");
        if gets {
            assert_eq!(open_ip(inner).payload, b"query");
            let mut reply = udp((v4(11), 8080).into(), client(1), b"answer");
            reply[ether::Header::LEN + 26..][..2].fill(0);
            assert_eq!(open(&bench.send_one(BACK, &reply).0).payload, b"answer", "and on the way back");
        }
    }
}

/// A computed UDP checksum of 0 is sent as ffff; a TCP one as it is.
#[test]
fn a_sum_of_zero_is_sent_as_the_other_zero() {
    let mut bench = bench(VIP, v4(11), Forward::Nat);
    let mut met = false;
    for word in 0..=u16::MAX {
        let request = udp(client(1), (VIP, 80).into(), &word.to_be_bytes());
        let out = bench.send_one(FRONT, &request).0;
        let sum = &ip_of(&out)[26..28];
        assert_ne!(sum, [0, 0], "{word:#06x}");
        met |= sum == [0xff, 0xff];
    }
    assert!(met, "one of all words brings it about");
}

#[test]
fn half_made_checksums_are_completed_everywhere() {
    for (vip, server, forward) in WAYS {
        let mut world = world(vip, server(11), forward);
        world.partial_checksums = true;
        let mut bench = Bench::new(world);
        let (request, whole) = half_made(client_of(vip), (vip, 80).into());
        let out = bench.send_one(FRONT, &request).0;
        let outer = match (forward, server(11)) {
            (Forward::Tunnel, IpAddr::V4(_)) => 20,
            (Forward::Tunnel, IpAddr::V6(_)) => 40,
            _ => 0,
        };
        let seen = open_ip(&ip_of(&out)[outer..]);
        assert_eq!(seen.payload, open(&whole).payload, "{vip} {forward:?}");
        assert_eq!(bench.counters.checksums_completed.value(), 1);
        // A whole one is left as it is.
        open_ip(&ip_of(&bench.send_one(FRONT, &whole).0)[outer..]);
        assert_eq!(bench.counters.checksums_completed.value(), 1);
        // So is the kernel's stack given whole ones.
        let (unserved, _) = half_made(client_of(vip), (vip, 22).into());
        let (out, verdict) = bench.send_one(FRONT, &unserved);
        assert_eq!(verdict, Verdict::ToKernel);
        open_ip(&out);
    }
}

/// A SYN whose checksum field holds the sum of the pseudo header alone, and the same one whole.
fn half_made(from: SocketAddr, to: SocketAddr) -> (Vec<u8>, Vec<u8>) {
    let whole = tcp(from, to, SYN, b"half");
    let mut half = whole.clone();
    let packet = &mut half[ether::Header::LEN..];
    let (at, sum) = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => (36, pseudo_header_v4(from, to, Protocol::TCP, 24)),
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            (56, headgate_wire::checksum::pseudo_header_v6(&from.octets(), &to.octets(), Protocol::TCP, 24))
        }
        _ => panic!("one family"),
    };
    packet[at..at + 2].copy_from_slice(&sum.fold().to_be_bytes());
    (half, whole)
}

#[test]
fn ipv4_options_and_ipv6_extension_headers_are_stepped_over() {
    let mut bench4 = bench(VIP, v4(11), Forward::Nat);
    let plain = tcp(client(1), (VIP, 80).into(), SYN, b"data");
    let mut packet4 = [&ip_of(&plain)[..20], &[0x94, 4, 0, 0], &ip_of(&plain)[20..]].concat();
    packet4[0] = 0x46;
    packet4[3] += 4;
    ipv4::fill_checksum(&mut packet4[..24]);
    let out = bench4.send_one(FRONT, &frame(&packet4)).0;
    let out = ip_of(&out);
    assert!(ipv4::verify_checksum(&out[..24]));
    let expected = packet(client(1).ip(), v4(11), proto::TCP, with_port(&packet4[24..], 8080));
    assert_eq!((&out[20..24], &out[24..]), (&[0x94, 4, 0, 0][..], &expected[20..]));

    let mut bench6 = bench(VIP6, v6(11), Forward::Nat);
    let plain = tcp(client6(1), (VIP6, 80).into(), SYN, b"data");
    // Hop-by-hop and destination options of eight bytes each, and a fragment header of a whole packet.
    let headers = [60, 0, 1, 4, 0, 0, 0, 0, 44, 0, 1, 4, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 9];
    let mut packet6 = [&ip_of(&plain)[..40], &headers, &ip_of(&plain)[40..]].concat();
    packet6[6] = 0;
    packet6[5] += 24;
    let out = bench6.send_one(FRONT, &frame(&packet6)).0;
    let out = ip_of(&out);
    let expected = packet(client6(1).ip(), v6(11), proto::TCP, with_port(&packet6[64..], 8080));
    assert_eq!((&out[40..64], &out[64..], out[7]), (&headers[..], &expected[40..], 63));
}

/// A segment to another port, its checksum to be filled in.
fn with_port(segment: &[u8], port: u16) -> Vec<u8> {
    let mut segment = segment.to_vec();
    segment[2..4].copy_from_slice(&port.to_be_bytes());
    segment[16..18].fill(0);
    segment
}

#[test]
fn padding_is_left_behind_and_tags_are_those_of_the_way_out() {
    let mut world = world(VIP, v4(11), Forward::Nat);
    world.vlan = Some(7);
    let mut bench = Bench::new(world);
    let mut request = tcp(client(1), (VIP, 80).into(), SYN, b"");
    request.splice(12..12, [0x81, 0, 0, 42]);
    request.extend([0xee; 6]);
    let out = bench.send_one(FRONT, &request).0;
    assert_eq!(out[..18], [&server_mac(11).0[..], &own_mac(BACK).0, &[0x81, 0, 0, 7, 8, 0]].concat());
    assert_eq!(open_ip(&out[18..]).payload, b"");
}

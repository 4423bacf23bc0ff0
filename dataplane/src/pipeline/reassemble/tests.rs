//! A datagram in pieces is balanced once and leaves whole.

use std::net::{IpAddr, SocketAddr};

use headgate_wire::{ether, ipv4};

use crate::drop_reason::DropReason;
use crate::pipeline::Verdict;
use crate::proto;
use crate::snapshot::Forward;
use crate::testing::bench::{Bench, sent};
use crate::testing::packets::{client, client6, frame, ip, open_ip, udp};
use crate::testing::world::{BACK, FRONT, VIP, VIP6, VirtualService, World, v4, v6};

fn bench(forward: Forward) -> Bench {
    let mut world = World::new();
    world.services = vec![
        VirtualService::new(proto::UDP, VIP, 53).with(v4(11), forward),
        VirtualService::new(proto::UDP, VIP6, 53).with(v6(11), forward),
    ];
    Bench::new(world)
}

/// Cuts an IP packet into fragments of `step` payload bytes.
fn cut(packet: &[u8], step: usize) -> Vec<Vec<u8>> {
    let v4 = packet[0] >> 4 == 4;
    let (header, payload) = packet.split_at(if v4 { 20 } else { 40 });
    let parts = payload.chunks(step).enumerate();
    parts
        .map(|(number, part)| {
            let (offset, more) = ((number * step) as u16, (number + 1) * step < payload.len());
            let mut fragment = header.to_vec();
            if v4 {
                fragment[2..4].copy_from_slice(&(20 + part.len() as u16).to_be_bytes());
                fragment[6..8].copy_from_slice(&((offset / 8) | (u16::from(more) << 13)).to_be_bytes());
                ipv4::fill_checksum(&mut fragment);
            } else {
                fragment[4..6].copy_from_slice(&(8 + part.len() as u16).to_be_bytes());
                let protocol = std::mem::replace(&mut fragment[6], 44);
                fragment.extend([protocol, 0]);
                fragment.extend((offset | u16::from(more)).to_be_bytes());
                fragment.extend([0, 0, 0, 77]);
            }
            fragment.extend(part);
            frame(&fragment)
        })
        .collect()
}

/// The IP packet in fragments that left, and how much each carried.
fn join(frames: &[&[u8]]) -> (Vec<u8>, Vec<usize>) {
    let (mut whole, mut sizes) = (Vec::new(), Vec::new());
    for frame in frames {
        let packet = &frame[ether::Header::LEN..];
        let v4 = packet[0] >> 4 == 4;
        let (header, fixed) = if v4 { (20, 20) } else { (48, 40) };
        if whole.is_empty() {
            whole.extend(&packet[..fixed]);
            if !v4 {
                whole[6] = packet[40];
            }
        }
        sizes.push(packet.len() - header);
        whole.extend(&packet[header..]);
    }
    if whole[0] >> 4 == 4 {
        let length = whole.len() as u16;
        whole[2..4].copy_from_slice(&length.to_be_bytes());
        whole[6..8].fill(0);
        ipv4::fill_checksum(&mut whole[..20]);
    } else {
        let length = whole.len() as u16 - 40;
        whole[4..6].copy_from_slice(&length.to_be_bytes());
    }
    (whole, sizes)
}

fn without_sum(mut datagram: Vec<u8>) -> Vec<u8> {
    datagram[ether::Header::LEN + 26..][..2].fill(0);
    datagram
}

fn send(bench: &mut Bench, datagram: &[u8], step: usize) -> (Vec<u8>, Vec<usize>) {
    let parts = cut(&datagram[ether::Header::LEN..], step);
    let (last, first) = parts.split_last().unwrap();
    for part in first {
        assert_eq!(bench.send(FRONT, part), []);
    }
    let results = bench.send(FRONT, last);
    let frames = sent(&results);
    assert_eq!(frames.len(), results.len());
    assert!(frames.iter().all(|(device, _)| *device == BACK));
    join(&frames.iter().map(|(_, frame)| *frame).collect::<Vec<_>>())
}

#[test]
fn a_datagram_keeps_its_bytes_and_the_size_of_its_fragments() {
    let cases: [(SocketAddr, IpAddr, IpAddr); 2] = [(client(1), VIP, v4(11)), (client6(1), VIP6, v6(11))];
    for (client, vip, server) in cases {
        for (length, step) in [(100, 80), (572, 568), (1400, 800), (9000, 1232), (20_000, 1400)] {
            let mut bench = bench(Forward::Nat);
            let payload: Vec<u8> = (0..length).map(|n| (n / 7) as u8).collect();
            let (whole, sizes) = send(&mut bench, &udp(client, (vip, 53).into(), &payload), step);
            let seen = open_ip(&whole);
            assert_eq!((seen.source, seen.destination, seen.ttl), (client, (server, 8080).into(), 63));
            assert!(seen.payload == payload, "{length} bytes by {step}");
            assert_eq!(sizes[0], step);
            let traffic = bench.traffic(bench.world.id(usize::from(vip.is_ipv6()), server));
            let header = if vip.is_ipv4() { 28 } else { 48 };
            assert_eq!((traffic.connections, traffic.packets_in, traffic.bytes_in), (1, 1, header + length as u64));
        }
    }
}

#[test]
fn nat_sums_the_whole_datagram_when_it_came_without_a_checksum() {
    for length in [100, 1400, 9000] {
        let mut bench = bench(Forward::Nat);
        let (whole, _) = send(
            &mut bench,
            &without_sum(udp(client(1), (VIP, 53).into(), &vec![3; length])),
            800.min(length - 20) & !7,
        );
        assert_ne!(whole[26..28], [0, 0]);
        assert_eq!(open_ip(&whole).payload, vec![3; length], "its checksum is right");
    }
    let mut bench = bench(Forward::Dr);
    let (whole, _) = send(&mut bench, &without_sum(udp(client(1), (VIP, 53).into(), &[3; 1400])), 800);
    assert_eq!(whole[26..28], [0, 0], "nobody else gives it one");
}

#[test]
fn replies_come_back_whole_too() {
    let mut bench = bench(Forward::Nat);
    bench.send(FRONT, &udp(client(1), (VIP, 53).into(), b"?"));
    let reply = udp((v4(11), 8080).into(), client(1), &[9; 3000]);
    let mut results = Vec::new();
    for part in cut(&reply[ether::Header::LEN..], 1480) {
        results = bench.send(BACK, &part);
    }
    let frames = sent(&results);
    assert!(frames.iter().all(|(device, _)| *device == FRONT));
    let seen = open_ip(&join(&frames.iter().map(|(_, frame)| *frame).collect::<Vec<_>>()).0);
    assert_eq!((seen.source, seen.payload), ((VIP, 53).into(), vec![9; 3000]));
    let traffic = bench.traffic(bench.world.id(0, v4(11)));
    assert_eq!((traffic.packets_out, traffic.bytes_out), (1, 3028));
}

#[test]
fn what_never_came_whole_is_told_but_not_about_icmp() {
    for (client, vip, icmp, told) in [(client(1), VIP, 1, [11, 1]), (client6(1), VIP6, 58, [3, 1])] {
        let mut bench = bench(Forward::Nat);
        let datagram = udp(client, (vip, 53).into(), &[0; 1000]);
        let error = ip(client.ip(), vip, icmp, &[3; 1000]);
        bench.send(FRONT, &cut(&datagram[ether::Header::LEN..], 800)[0]);
        let mut error = cut(&error, 800).remove(0);
        if vip.is_ipv6() {
            // Another identification: IPv6 fragments are not told apart by protocol.
            error[ether::Header::LEN + 47] ^= 1;
        }
        bench.send(FRONT, &error);
        assert_eq!(bench.pipeline.frames_held(), 2);
        assert_eq!(bench.advance(29_000), []);
        let results = bench.advance(2_000);
        let frames = sent(&results);
        assert_eq!((frames.len(), results.len()), (1, 2));
        let at = if vip.is_ipv4() { 20 } else { 40 };
        assert_eq!(frames[0].1[ether::Header::LEN + at..][..2], told);
        assert_eq!(bench.dropped(DropReason::Fragment), 1);
    }
}

#[test]
fn other_protocols_go_to_the_stack_as_they_came() {
    let mut bench = bench(Forward::Nat);
    let parts = cut(&ip(client(1).ip(), VIP, 1, &[8; 1000]), 800);
    assert_eq!(bench.send(FRONT, &parts[1]), []);
    let results = bench.send(FRONT, &parts[0]);
    assert!(results.iter().all(|(_, verdict)| *verdict == Verdict::ToKernel));
    let expected: Vec<_> = parts.iter().map(|part| part[ether::Header::LEN..].to_vec()).collect();
    assert_eq!(results.into_iter().map(|(bytes, _)| bytes).collect::<Vec<_>>(), expected);
}

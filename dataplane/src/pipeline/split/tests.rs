//! What arrives in fragments is what was sent, whatever the sizes.

use std::net::SocketAddr;

use headgate_wire::{ether, ipv4};

use super::blank_uncopied_options;
use crate::drop_reason::DropReason;
use crate::pipeline::Verdict;
use crate::proto;
use crate::snapshot::Forward;
use crate::testing::bench::{Bench, sent};
use crate::testing::packets::{client, frame, open_ip, udp, with_df};
use crate::testing::random::Rng;
use crate::testing::world::{BACK, FRONT, VIP, VirtualService, World, v4};

fn bench(mtu: u16, forward: Forward) -> Bench {
    let mut world = World::new();
    world.services = vec![VirtualService::new(proto::UDP, VIP, 53).with(v4(11), forward)];
    world.mtu[BACK.index()] = mtu;
    Bench::new(world)
}

fn vip() -> SocketAddr {
    (VIP, 53).into()
}

/// The IP packet that the fragments make, and their sizes. Checks all that must hold of each fragment.
fn assemble(frames: &[(crate::snapshot::DeviceId, &[u8])], mtu: u16) -> Vec<u8> {
    let (mut whole, mut next, mut id) = (Vec::new(), 0, None);
    for (number, (device, frame)) in frames.iter().enumerate() {
        assert_eq!(*device, BACK);
        let packet = &frame[ether::Header::LEN..];
        let (header, _) = ipv4::Header::parse(packet).unwrap();
        let length = header.header_len();
        assert!(ipv4::verify_checksum(&packet[..length]));
        assert!(packet.len() <= usize::from(mtu) && !header.dont_fragment());
        assert_eq!(usize::from(header.total_len()), packet.len());
        assert_eq!(header.more_fragments(), number + 1 < frames.len());
        assert_eq!(*id.get_or_insert(header.id()), header.id());
        assert_eq!(usize::from(header.fragment_offset()), next);
        if number == 0 {
            whole.extend(&packet[..length]);
        }
        whole.extend(&packet[length..]);
        next += packet.len() - length;
    }
    let length = whole.len() as u16;
    let header = usize::from(whole[0] & 15) * 4;
    whole[2..4].copy_from_slice(&length.to_be_bytes());
    whole[6..8].fill(0);
    ipv4::fill_checksum(&mut whole[..header]);
    whole
}

#[test]
fn the_payload_arrives_whole() {
    let mut rng = Rng::seeded(3);
    for _ in 0..300 {
        let mtu = 68 + rng.below(1433) as u16;
        let payload: Vec<u8> = (0..rng.below(1473)).map(|_| rng.next() as u8).collect();
        let mut bench = bench(mtu, Forward::Nat);
        let packet = udp(client(1), vip(), &payload);
        let results = bench.send(FRONT, &packet);
        let frames = sent(&results);
        let fits = packet.len() - ether::Header::LEN <= usize::from(mtu);
        assert_eq!(frames.len() == 1, fits, "{} bytes at {mtu}", packet.len());
        if !fits {
            // As few as can be: all but the last are as long as the MTU allows.
            let step = usize::from((mtu - 20) & !7);
            assert_eq!(frames.len(), (payload.len() + 8).div_ceil(step));
        }
        let seen = open_ip(&assemble(&frames, mtu));
        assert_eq!((seen.payload, seen.ttl), (payload, 63));
        assert_eq!(seen.destination, (v4(11), 8080).into());
    }
}

#[test]
fn what_must_not_be_cut_is_not() {
    let mut bench = bench(600, Forward::Nat);
    let results = bench.send(FRONT, &with_df(udp(client(1), vip(), &[0; 1000])));
    let frames = sent(&results);
    assert_eq!((results.len(), frames[0].0), (1, FRONT), "the client is told");
    let packet = &frames[0].1[ether::Header::LEN..];
    assert_eq!((packet[9], &packet[20..22], &packet[26..28]), (1, &[3, 4][..], &600_u16.to_be_bytes()[..]));
}

#[test]
fn an_outer_packet_is_cut_around_the_whole_inner_one() {
    let mut bench = bench(1000, Forward::Tunnel);
    let payload: Vec<u8> = (0..1400).map(|n| n as u8).collect();
    let results = bench.send(FRONT, &udp(client(1), vip(), &payload));
    let frames = sent(&results);
    assert_eq!(frames.len(), 2);
    let outer = assemble(&frames, 1000);
    assert_eq!(outer[9], 4);
    let inner = open_ip(&outer[20..]);
    assert_eq!((inner.payload, inner.source, inner.destination, inner.ttl), (payload, client(1), vip(), 63));
}

#[test]
fn options_that_are_not_to_be_copied_stay_in_the_first() {
    // Record route (not copied), no-operation, router alert (copied), end.
    let options = [7, 7, 4, 0, 0, 0, 0, 1, 0x94, 4, 0, 0];
    let mut bench = bench(600, Forward::Dr);
    let plain = udp(client(1), vip(), &[9; 1000]);
    let plain = &plain[ether::Header::LEN..];
    let mut packet = [&plain[..20], &options, &plain[20..]].concat();
    packet[0] = 0x48;
    let length = packet.len() as u16;
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    ipv4::fill_checksum(&mut packet[..32]);
    let results = bench.send(FRONT, &frame(&packet));
    let frames = sent(&results);
    assert_eq!(frames.len(), 2);
    let at = ether::Header::LEN + 20;
    assert_eq!(frames[0].1[at..at + 12], options);
    assert_eq!(frames[1].1[at..at + 12], [1, 1, 1, 1, 1, 1, 1, 1, 0x94, 4, 0, 0]);
    assert_eq!(assemble(&frames, 600)[32..], packet[32..]);
}

#[test]
fn damaged_options_end_the_walk() {
    for damaged in [&[7_u8][..], &[7, 0, 1], &[7, 1], &[7, 9, 0], &[0, 7, 3, 0]] {
        let mut options = damaged.to_vec();
        blank_uncopied_options(&mut options);
        assert_eq!(options, damaged);
    }
}

#[test]
fn without_frames_for_all_parts_none_is_sent() {
    let mut bench = bench(68, Forward::Nat);
    // A datagram of 21 parts, and frames for 20.
    bench.leave_frames(20);
    let (_, verdict) = bench.send_one(FRONT, &udp(client(1), vip(), &[1; 1000]));
    assert_eq!(verdict, Verdict::Drop(DropReason::NoFrame));
    let results = bench.send(FRONT, &udp(client(1), vip(), &[1; 1000 - 48]));
    assert_eq!(sent(&results).len(), 20);
}

//! Outer headers byte for byte, as `ip_vs_tunnel_xmit` writes them.

use std::net::IpAddr;

use headgate_wire::{ether, ipv4};

use super::outer_tos;
use crate::drop_reason::DropReason;
use crate::pipeline::Verdict;
use crate::proto;
use crate::snapshot::Forward;
use crate::testing::bench::Bench;
use crate::testing::packets::{SYN, client, client6, tcp, with_df};
use crate::testing::world::{FRONT, VIP, VIP6, VirtualService, World, v4, v6};

const V4_TO_11: [u8; 8] = [10, 1, 0, 1, 10, 1, 0, 11];

/// The outer header and the inner packet of a tunnel to `server`, and the inner packet as it came.
fn through(
    vip: IpAddr,
    server: IpAddr,
    change: impl Fn(&mut World, Vec<u8>) -> Vec<u8>,
) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let mut world = World::new();
    world.services = vec![VirtualService::new(proto::TCP, vip, 80).with(server, Forward::Tunnel)];
    let from = if vip.is_ipv4() { client(1) } else { client6(1) };
    let frame = change(&mut world, tcp(from, (vip, 80).into(), SYN, b"data"));
    let (out, verdict) = Bench::new(world).send_one(FRONT, &frame);
    assert!(matches!(verdict, Verdict::Tx(_)), "{verdict:?}");
    let outer = if server.is_ipv4() { 20 } else { 40 };
    let (outer, inner) = out[ether::Header::LEN..].split_at(outer);
    (outer.to_vec(), inner.to_vec(), frame[ether::Header::LEN..].to_vec())
}

/// The same frame with another type of service or traffic class.
fn with_tos(mut frame: Vec<u8>, tos: u8) -> Vec<u8> {
    let packet = &mut frame[ether::Header::LEN..];
    if packet[0] >> 4 == 4 {
        packet[1] = tos;
        ipv4::fill_checksum(&mut packet[..20]);
    } else {
        packet[0] = 0x60 | tos >> 4;
        packet[1] = tos << 4;
    }
    frame
}

/// What the inner packet must look like: one hop further.
fn one_hop_on(mut packet: Vec<u8>) -> Vec<u8> {
    if packet[0] >> 4 == 4 {
        packet[8] -= 1;
        ipv4::fill_checksum(&mut packet[..20]);
    } else {
        packet[7] -= 1;
    }
    packet
}

fn checked(mut header: Vec<u8>) -> Vec<u8> {
    ipv4::fill_checksum(&mut header);
    header
}

#[test]
fn ipv4_in_ipv4_takes_df_over_and_then_needs_no_id() {
    let (outer, inner, sent) = through(VIP, v4(11), |_, frame| with_tos(with_df(frame), 0x28));
    let fixed = vec![0x45, 0x28, 0, 64, 0, 0, 0x40, 0, 63, 4, 0, 0];
    assert_eq!(outer, checked([fixed, V4_TO_11.to_vec()].concat()));
    assert_eq!(inner, one_hop_on(sent));
}

#[test]
fn ipv4_in_ipv4_without_df_has_an_id_of_its_own() {
    let plain = |_: &mut World, frame| frame;
    let no_discovery = |world: &mut World, frame| {
        world.settings.pmtu_disc = false;
        with_df(frame)
    };
    for (outer, inner, sent) in [through(VIP, v4(11), plain), through(VIP, v4(11), no_discovery)] {
        let fixed = vec![0x45, 0, 0, 64, outer[4], outer[5], 0, 0, 63, 4, 0, 0];
        assert_eq!(outer, checked([fixed, V4_TO_11.to_vec()].concat()));
        assert_ne!(outer[4..6], [0, 0]);
        assert_eq!(inner, one_hop_on(sent));
    }
}

#[test]
fn ids_differ_from_packet_to_packet() {
    let mut world = World::new();
    world.services = vec![VirtualService::new(proto::TCP, VIP, 80).with(v4(11), Forward::Tunnel)];
    let mut bench = Bench::new(world);
    let frame = tcp(client(1), (VIP, 80).into(), SYN, b"");
    let mut id = || bench.send_one(FRONT, &frame).0[ether::Header::LEN + 4..][..2].to_vec();
    assert_ne!(id(), id());
}

#[test]
fn ipv6_in_ipv4_never_sets_df() {
    let (outer, inner, sent) = through(VIP6, v4(11), |_, frame| with_tos(frame, 0xb8));
    let fixed = vec![0x45, 0xb8, 0, 84, outer[4], outer[5], 0, 0, 63, 41, 0, 0];
    assert_eq!(outer, checked([fixed, V4_TO_11.to_vec()].concat()));
    assert_eq!(inner, one_hop_on(sent));
}

#[test]
fn ipv6_outside_names_the_inner_protocol() {
    for (vip, protocol, length) in [(VIP6, 41, 64), (VIP, 4, 44)] {
        let (outer, inner, sent) = through(vip, v6(11), |_, frame| with_tos(frame, 0xb8));
        let mut expected = vec![0x6b, 0x80, 0, 0, 0, length, protocol, 63];
        expected.extend([0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        expected.extend([0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11]);
        assert_eq!((outer, inner), (expected, one_hop_on(sent)));
    }
}

#[test]
fn congestion_inside_is_not_shown_outside() {
    for tos in 0..=u8::MAX {
        let ecn = if tos & 3 == 3 { 2 } else { tos & 3 };
        assert_eq!(outer_tos(tos), (tos & 0xfc) | ecn);
    }
    for server in [v4(11), v6(11)] {
        let (outer, inner, _) = through(VIP, server, |_, frame| with_tos(frame, 0x2b));
        let tos = if server.is_ipv4() { outer[1] } else { outer[0] << 4 | outer[1] >> 4 };
        assert_eq!((tos, inner[1]), (0x2a, 0x2b), "the inner one is left alone");
    }
}

#[test]
fn without_an_address_of_our_own_there_is_no_tunnel() {
    let mut world = World::new();
    world.services = vec![VirtualService::new(proto::TCP, VIP, 80).with(v6(11), Forward::Tunnel)];
    world.own_v6 = false;
    let mut bench = Bench::new(world);
    bench.send(FRONT, &tcp(client(1), (VIP, 80).into(), SYN, b""));
    assert_eq!(bench.dropped(DropReason::NoRoute), 1);
}

//! The user-space end of tunnels: hand-made packets from the client straight to a server's address, unwrapped there,
//! answered by an echo on the VIP.
//!
//! ```text
//! client ─ outer: client → 10.1.0.11 or fd00:1::11, inner: client → VIP ─ director (plain router) ─ server, VIP on lo
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use headgate_testbed::decap::{GUE_PORT, Tunnel};
use headgate_testbed::probe::{Capture, Frame, FrameSender};
use headgate_testbed::topology::plan::{HOST_DEVICE, VIP, VIP6};
use headgate_testbed::traffic::UdpEcho;
use headgate_testbed::{Topology, privileged, wait_for};

const PATIENCE: Duration = Duration::from_secs(5);
const ECHO: u16 = 53;
const SOURCE_PORT: u16 = 40000;

#[test]
fn v4_in_v4() {
    check(false, false, Wrap::Plain, Tunnel::OverV4);
}

#[test]
fn v6_in_v6() {
    check(true, true, Wrap::Plain, Tunnel::OverV6);
}

#[test]
fn v6_in_v4() {
    check(true, false, Wrap::Plain, Tunnel::OverV4);
}

#[test]
fn v4_in_v6() {
    check(false, true, Wrap::Plain, Tunnel::OverV6);
}

#[test]
fn gre_in_both_families() {
    check(false, false, Wrap::Gre, Tunnel::Gre);
    check(true, true, Wrap::Gre, Tunnel::Gre);
}

#[test]
fn gue_over_v4() {
    check(false, false, Wrap::Gue, Tunnel::Gue);
    check(true, false, Wrap::Gue, Tunnel::Gue);
}

#[test]
fn nonsense_is_counted_and_harms_nobody() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("nonsense").tunnel().permanent_neighbours().build().unwrap();
    let packet = ip(topology.client().v4().into(), topology.server(0).v4().into(), 4, &[0xff; 20]);
    send(&topology, &packet);
    let decapsulator = &topology.decapsulators()[0];
    wait_for(PATIENCE, "a malformed packet", || decapsulator.malformed() == 1).unwrap();
    assert_eq!(decapsulator.packets(Tunnel::OverV4), 0);
}

#[derive(Clone, Copy)]
enum Wrap {
    Plain,
    Gre,
    Gue,
}

fn check(inner_v6: bool, outer_v6: bool, wrap: Wrap, tunnel: Tunnel) {
    if !privileged() {
        return;
    }
    // Real servers in tunnel mode answer past the director's NAT; its kernel is a plain router here.
    let topology = Topology::new("decap").tunnel().permanent_neighbours().build().unwrap();
    let (client, server) = (topology.client(), topology.server(0));
    let _echo = UdpEcho::start(server, "s1", ECHO).unwrap();
    // The client's kernel would answer the echo with port unreachable; the capture sees it all the same.
    let capture = Capture::start(client, HOST_DEVICE, |frame: &Frame| {
        !frame.outgoing && frame.bytes.windows(8).any(|window| window == b"s1 hello")
    })
    .unwrap();

    let (source, vip): (IpAddr, IpAddr) =
        if inner_v6 { (client.v6().into(), VIP6.into()) } else { (client.v4().into(), VIP.into()) };
    let inner = udp(source, vip, SOURCE_PORT, ECHO, b"hello");
    let (from, to): (IpAddr, IpAddr) =
        if outer_v6 { (client.v6().into(), server.v6().into()) } else { (client.v4().into(), server.v4().into()) };
    let number = if inner_v6 { 41 } else { 4 };
    let ethertype: [u8; 2] = if inner_v6 { [0x86, 0xdd] } else { [8, 0] };
    let outer = match wrap {
        Wrap::Plain => ip(from, to, number, &inner),
        Wrap::Gre => ip(from, to, 47, &[[0, 0].as_slice(), &ethertype, &inner].concat()),
        Wrap::Gue => udp(from, to, 1, GUE_PORT, &[[0, number, 0, 0].as_slice(), &inner].concat()),
    };
    send(&topology, &outer);

    let answer = capture.wait(1, PATIENCE).unwrap().remove(0);
    let expected: Vec<u8> = match vip {
        IpAddr::V4(vip) => vip.octets().to_vec(),
        IpAddr::V6(vip) => vip.octets().to_vec(),
    };
    let at = if inner_v6 { 14 + 8 } else { 14 + 12 };
    assert_eq!(answer.bytes[at..at + expected.len()], expected, "the answer comes from the VIP");
    assert_eq!(topology.decapsulators()[0].packets(tunnel), 1);
    assert_eq!(topology.decapsulators()[0].malformed(), 0);
}

fn send(topology: &Topology, packet: &[u8]) {
    let ethertype: [u8; 2] = if packet[0] >> 4 == 6 { [0x86, 0xdd] } else { [8, 0] };
    let (to, from) = (topology.director().mac(), topology.client().mac());
    let frame = [to.as_slice(), &from, &ethertype, packet].concat();
    FrameSender::open(topology.client(), HOST_DEVICE).unwrap().send(&frame).unwrap();
}

/// An IP packet of the addresses' family around `payload`.
fn ip(source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => ipv4(source, destination, protocol, payload),
        (IpAddr::V6(source), IpAddr::V6(destination)) => ipv6(source, destination, protocol, payload),
        _ => panic!("one family"),
    }
}

fn ipv4(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = (20 + payload.len()) as u16;
    let mut header = vec![0x45, 0, 0, 0, 0, 1, 0, 0, 64, protocol, 0, 0];
    header[2..4].copy_from_slice(&length.to_be_bytes());
    header.extend(source.octets());
    header.extend(destination.octets());
    let sum = checksum(&[&header]);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    [header.as_slice(), payload].concat()
}

fn ipv6(source: Ipv6Addr, destination: Ipv6Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0];
    header.extend((payload.len() as u16).to_be_bytes());
    header.extend([protocol, 64]);
    header.extend(source.octets());
    header.extend(destination.octets());
    [header.as_slice(), payload].concat()
}

fn udp(source: IpAddr, destination: IpAddr, source_port: u16, port: u16, payload: &[u8]) -> Vec<u8> {
    let length = (8 + payload.len()) as u16;
    let mut datagram = [source_port, port, length, 0].map(u16::to_be_bytes).concat();
    datagram.extend(payload);
    let addresses = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => [source.octets(), destination.octets()].concat(),
        (IpAddr::V6(source), IpAddr::V6(destination)) => [source.octets(), destination.octets()].concat(),
        _ => panic!("one family"),
    };
    let sum = checksum(&[&addresses, &[0, 17], &length.to_be_bytes(), &datagram]);
    datagram[6..8].copy_from_slice(&if sum == 0 { 0xffff } else { sum }.to_be_bytes());
    ip(source, destination, 17, &datagram)
}

/// The Internet checksum; every part but the last has an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let sum: u32 = words.map(|word| u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

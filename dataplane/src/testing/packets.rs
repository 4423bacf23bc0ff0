//! Frames as clients and servers send them, and what became of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use headgate_wire::tcp::Flags;
use headgate_wire::{EtherType, MacAddr, Protocol, checksum, ether, ipv4};

use crate::proto;

pub const SYN: Flags = Flags::SYN;
pub const ACK: Flags = Flags::ACK;
pub const FIN: Flags = Flags(Flags::FIN.0 | Flags::ACK.0);
pub const RST: Flags = Flags::RST;

const TTL: u8 = 64;

/// Client number `n`, one address each.
pub fn client(n: u16) -> SocketAddr {
    let [high, low] = n.to_be_bytes();
    (Ipv4Addr::new(198, 51, high, low), 40_000).into()
}

/// As [`client`].
pub fn client6(n: u16) -> SocketAddr {
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n), 40_000).into()
}

/// A frame with a TCP segment.
pub fn tcp(source: SocketAddr, destination: SocketAddr, flags: Flags, payload: &[u8]) -> Vec<u8> {
    let mut segment = ports(source, destination);
    segment.extend([0, 0, 3, 0xe8, 0, 0, 0, 0, 0x50, flags.0, 0xfa, 0xf0, 0, 0, 0, 0]);
    segment.extend(payload);
    frame(&packet(source.ip(), destination.ip(), proto::TCP, segment))
}

/// A frame with a UDP datagram.
pub fn udp(source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let mut datagram = ports(source, destination);
    datagram.extend((8 + payload.len() as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    frame(&packet(source.ip(), destination.ip(), proto::UDP, datagram))
}

/// An IP packet around a segment, whose checksum is filled in.
pub fn packet(source: IpAddr, destination: IpAddr, protocol: u8, mut segment: Vec<u8>) -> Vec<u8> {
    let sum = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            checksum::transport_v4(source, destination, Protocol(protocol), &segment)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            checksum::transport_v6(&source.octets(), &destination.octets(), Protocol(protocol), &segment)
        }
        _ => panic!("one family"),
    };
    let at = checksum_at(protocol);
    segment[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    ip(source, destination, protocol, &segment)
}

/// An IP packet around anything.
pub fn ip(source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let length = (20 + payload.len() as u16).to_be_bytes();
            let mut header = vec![0x45, 0, length[0], length[1], 0x12, 0x34, 0, 0, TTL, protocol, 0, 0];
            header.extend(source.octets());
            header.extend(destination.octets());
            ipv4::fill_checksum(&mut header);
            header
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let length = (payload.len() as u16).to_be_bytes();
            let mut header = vec![0x60, 0, 0, 0, length[0], length[1], protocol, TTL];
            header.extend(source.octets());
            header.extend(destination.octets());
            header
        }
        _ => panic!("one family"),
    };
    packet.extend(payload);
    packet
}

/// The Ethernet frame around an IP packet.
pub fn frame(packet: &[u8]) -> Vec<u8> {
    let ethertype = if packet[0] >> 4 == 4 { EtherType::IPV4 } else { EtherType::IPV6 };
    let mut frame =
        ether::Header::new(MacAddr([2, 0, 0, 0, 0, 9]), MacAddr([2, 0, 0, 0, 0, 8]), ethertype).as_bytes().to_vec();
    frame.extend(packet);
    frame
}

/// The same frame with another TTL or hop limit.
pub fn with_ttl(mut frame: Vec<u8>, ttl: u8) -> Vec<u8> {
    let packet = &mut frame[ether::Header::LEN..];
    match packet[0] >> 4 {
        4 => {
            packet[8] = ttl;
            ipv4::fill_checksum(&mut packet[..20]);
        }
        _ => packet[7] = ttl,
    }
    frame
}

/// The same frame with the don't-fragment bit.
pub fn with_df(mut frame: Vec<u8>) -> Vec<u8> {
    let packet = &mut frame[ether::Header::LEN..];
    packet[6] |= 0x40;
    ipv4::fill_checksum(&mut packet[..20]);
    frame
}

/// A TCP or UDP packet that left, without IP options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub to_mac: MacAddr,
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub protocol: u8,
    pub ttl: u8,
    pub payload: Vec<u8>,
}

/// Reads a frame with a TCP or UDP packet; all its checksums must be right.
#[track_caller]
pub fn open(frame: &[u8]) -> Seen {
    let (header, packet) = ether::Header::parse(frame).unwrap();
    Seen { to_mac: header.destination(), ..open_ip(packet) }
}

/// As [`open`], without a link header.
#[track_caller]
pub fn open_ip(packet: &[u8]) -> Seen {
    let (source, destination, protocol, ttl, at): (IpAddr, IpAddr, u8, u8, usize) = if packet[0] >> 4 == 4 {
        assert!(ipv4::verify_checksum(&packet[..20]), "header checksum of {packet:02x?}");
        assert_eq!(usize::from(u16::from_be_bytes([packet[2], packet[3]])), packet.len());
        (octets::<4>(packet, 12).into(), octets::<4>(packet, 16).into(), packet[9], packet[8], 20)
    } else {
        assert_eq!(usize::from(u16::from_be_bytes([packet[4], packet[5]])) + 40, packet.len());
        (octets::<16>(packet, 8).into(), octets::<16>(packet, 24).into(), packet[6], packet[7], 40)
    };
    let segment = &packet[at..];
    let mut again = segment.to_vec();
    let sum = checksum_at(protocol);
    again[sum..sum + 2].fill(0);
    let right = self::packet(source, destination, protocol, again);
    assert_eq!(packet[at + sum..at + sum + 2], right[at + sum..at + sum + 2], "transport checksum of {packet:02x?}");
    let port = |at: usize| u16::from_be_bytes([segment[at], segment[at + 1]]);
    let header = if protocol == proto::TCP { usize::from(segment[12] >> 4) * 4 } else { 8 };
    Seen {
        to_mac: MacAddr([0; 6]),
        source: (source, port(0)).into(),
        destination: (destination, port(2)).into(),
        protocol,
        ttl,
        payload: segment[header..].to_vec(),
    }
}

fn octets<const N: usize>(packet: &[u8], at: usize) -> [u8; N] {
    packet[at..at + N].try_into().unwrap()
}

fn ports(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    [source.port().to_be_bytes(), destination.port().to_be_bytes()].concat()
}

fn checksum_at(protocol: u8) -> usize {
    if protocol == proto::TCP { 16 } else { 6 }
}

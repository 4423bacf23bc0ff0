//! The packets that benchmarks send: 64-byte frames (without FCS) with right checksums.

use std::net::Ipv4Addr;

use headgate_wire::{EtherType, MacAddr, Protocol, checksum, ether, ipv4, tcp, udp};

/// Length of every frame made here, in bytes.
pub const FRAME: usize = 64;

const L3: usize = ether::HEADER_LEN;
const L4: usize = L3 + ipv4::MIN_LEN;

/// Source and destination MAC address of frames on their way to us.
pub const PEER_MAC: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 1]);
pub const OWN_MAC: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 2]);

/// One end of a flow.
pub type Endpoint = (Ipv4Addr, u16);

/// A UDP datagram with a checksum.
pub fn udp4(source: Endpoint, destination: Endpoint) -> [u8; FRAME] {
    let mut frame = blank(source.0, destination.0, Protocol::UDP);
    let length = (FRAME - L4) as u16;
    let header = udp::Header::new(source.1, destination.1, length);
    frame[L4..L4 + udp::HEADER_LEN].copy_from_slice(header.as_bytes());
    fill(&mut frame, source.0, destination.0, Protocol::UDP, udp::CHECKSUM_OFFSET);
    frame
}

/// A TCP segment.
pub fn tcp4(source: Endpoint, destination: Endpoint, flags: tcp::Flags) -> [u8; FRAME] {
    let mut frame = blank(source.0, destination.0, Protocol::TCP);
    let mut header = tcp::Header::new();
    header.set_source_port(source.1);
    header.set_destination_port(destination.1);
    header.set_header_len(tcp::MIN_LEN);
    header.set_flags(flags);
    frame[L4..L4 + tcp::MIN_LEN].copy_from_slice(header.as_bytes());
    fill(&mut frame, source.0, destination.0, Protocol::TCP, tcp::CHECKSUM_OFFSET);
    frame
}

/// Replaces the TTL of a frame made here and keeps the header checksum right.
pub fn set_ttl(frame: &mut [u8; FRAME], ttl: u8) {
    frame[L3 + 8] = ttl;
    ipv4::fill_checksum(&mut frame[L3..L4]);
}

fn blank(source: Ipv4Addr, destination: Ipv4Addr, protocol: Protocol) -> [u8; FRAME] {
    let mut frame = [0; FRAME];
    frame[..L3].copy_from_slice(ether::Header::new(OWN_MAC, PEER_MAC, EtherType::IPV4).as_bytes());
    let mut header = ipv4::Header::new();
    header.set_total_len((FRAME - L3) as u16);
    header.set_ttl(64);
    header.set_protocol(protocol);
    header.set_source(source);
    header.set_destination(destination);
    header.fill_own_checksum();
    frame[L3..L4].copy_from_slice(header.as_bytes());
    frame
}

fn fill(frame: &mut [u8; FRAME], source: Ipv4Addr, destination: Ipv4Addr, protocol: Protocol, offset: usize) {
    let sum = checksum::transport_v4(source, destination, protocol, &frame[L4..]);
    frame[L4 + offset..L4 + offset + 2].copy_from_slice(&sum.to_be_bytes());
}

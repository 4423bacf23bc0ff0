//! Crafted packets, layer by layer.

use std::net::IpAddr;

pub(super) const MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x10];
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;

pub(super) fn ethernet(mac: [u8; 6], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&mac[..], &[2, 0, 0, 0, 0, 0x20], &ethertype.to_be_bytes(), payload].concat()
}

/// An IP packet in an Ethernet frame to our address.
pub(super) fn frame(ip: &[u8]) -> Vec<u8> {
    ethernet(MAC, ethertype(ip), ip)
}

/// The same with VLAN tags, the outermost first.
pub(super) fn tagged(tags: &[u16], ip: &[u8]) -> Vec<u8> {
    let mut payload = ip.to_vec();
    let mut kind = ethertype(ip);
    for tag in tags.iter().rev() {
        payload = [&100u16.to_be_bytes()[..], &kind.to_be_bytes(), &payload].concat();
        kind = *tag;
    }
    ethernet(MAC, kind, &payload)
}

pub(super) fn ip(source: &str, destination: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match (source.parse().unwrap(), destination.parse().unwrap()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let len = (20 + payload.len() as u16).to_be_bytes();
            let head = [0x45, 0, len[0], len[1], 0, 1, 0, 0, 64, protocol, 0, 0];
            [&head[..], &source.octets(), &destination.octets(), payload].concat()
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let len = (payload.len() as u16).to_be_bytes();
            let head = [0x60, 0, 0, 0, len[0], len[1], protocol, 64];
            [&head[..], &source.octets(), &destination.octets(), payload].concat()
        }
        mixed => panic!("{mixed:?}"),
    }
}

/// Makes an IPv4 packet a fragment.
pub(super) fn fragment(mut ip: Vec<u8>, offset: u16, more: bool) -> Vec<u8> {
    ip[6..8].copy_from_slice(&((offset / 8) | if more { 0x2000 } else { 0 }).to_be_bytes());
    ip
}

/// Puts `words` words of options into an IPv4 header.
pub(super) fn with_options(mut ip: Vec<u8>, words: u8) -> Vec<u8> {
    ip[0] = 0x45 + words;
    let options = vec![1; usize::from(words) * 4];
    ip.splice(20..20, options);
    ip
}

/// The first bytes of a TCP, UDP or SCTP header, and some more.
pub(super) fn ports(source: u16, destination: u16) -> Vec<u8> {
    [&source.to_be_bytes()[..], &destination.to_be_bytes(), &[0; 16]].concat()
}

/// An IPv6 extension header of 8 bytes times `units` (4 bytes for AH, as its length field counts).
pub(super) fn extension(kind: u8, next: u8, units: u8, rest: &[u8]) -> Vec<u8> {
    let (length, bytes) =
        if kind == 51 { (units, (usize::from(units) + 2) * 4) } else { (units - 1, usize::from(units) * 8) };
    let mut header = vec![0; bytes];
    (header[0], header[1]) = (next, length);
    [header, rest.to_vec()].concat()
}

pub(super) fn icmp(kind: u8, quoted: &[u8]) -> Vec<u8> {
    [&[kind, 0, 0, 0, 0, 0, 0, 0], quoted].concat()
}

fn ethertype(ip: &[u8]) -> u16 {
    if ip[0] >> 4 == 6 { 0x86dd } else { 0x0800 }
}

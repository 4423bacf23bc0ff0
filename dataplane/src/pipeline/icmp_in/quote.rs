//! What an ICMP error quotes, and how a quote is rewritten. Quotes are cut short and so are read by hand, not by the parsers of whole
//! packets: as little as 4 bytes of the transport header are enough.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use headgate_wire::checksum;
use headgate_wire::{Protocol, icmpv4, icmpv6, ipv4, ipv6};

use super::{Towards, Translate};
use crate::family::{V4, V6};
use crate::proto;

const ICMP_HEADER: usize = 8;
/// ICMPv6 types from here on are no errors (RFC 4443 §2.1).
const FIRST_INFORMATIONAL: u8 = 128;

/// A quoted TCP segment or UDP datagram, as it was when it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quote<A> {
    pub source: A,
    pub destination: A,
    /// Source and destination port.
    pub ports: (u16, u16),
    pub protocol: u8,
    /// Where the transport header begins, from the start of the quoted packet.
    pub l4: usize,
}

/// What happened to a tunnel packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TunnelError {
    /// The MTU that the router announced for the outer packet.
    TooBig {
        mtu: u16,
    },
    Other {
        kind: u8,
        code: u8,
    },
}

/// What an ICMP message is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Quoted<A> {
    Flow(Quote<A>),
    /// An outer packet of ours to `server`; `inner` is the client's packet in it.
    Tunnel {
        server: IpAddr,
        inner: Range<usize>,
        kind: TunnelError,
    },
    /// No error, or about nothing that could be balanced.
    Nothing,
}

pub(super) fn of_v4(packet: &[u8], l4: usize) -> Quoted<u32> {
    let Some(&[kind, code, _, _, _, _, mtu_high, mtu_low]) = packet.get(l4..l4 + ICMP_HEADER) else {
        return Quoted::Nothing;
    };
    if !matches!(
        kind,
        icmpv4::types::DESTINATION_UNREACHABLE | icmpv4::types::SOURCE_QUENCH | icmpv4::types::TIME_EXCEEDED
    ) {
        return Quoted::Nothing;
    }
    let at = l4 + ICMP_HEADER;
    let quoted = &packet[at..];
    if let Some(quote) = V4::quoted_flow(quoted) {
        return Quoted::Flow(quote);
    }
    let Some((header, protocol)) = v4_header(quoted) else {
        return Quoted::Nothing;
    };
    if !matches!(Protocol(protocol), Protocol::IPIP | Protocol::IPV6) {
        return Quoted::Nothing;
    }
    let server = IpAddr::V4(Ipv4Addr::from_bits(u32_at(quoted, 16)));
    let error = if kind == icmpv4::types::DESTINATION_UNREACHABLE && code == icmpv4::codes::FRAGMENTATION_NEEDED {
        TunnelError::TooBig { mtu: u16::from_be_bytes([mtu_high, mtu_low]) }
    } else {
        TunnelError::Other { kind, code }
    };
    Quoted::Tunnel { server, inner: at + header..packet.len(), kind: error }
}

pub(super) fn of_v6(packet: &[u8], l4: usize) -> Quoted<u128> {
    let Some(message) = packet.get(l4..l4 + ICMP_HEADER) else {
        return Quoted::Nothing;
    };
    let (kind, code) = (message[0], message[1]);
    if kind >= FIRST_INFORMATIONAL {
        return Quoted::Nothing;
    }
    let at = l4 + ICMP_HEADER;
    let quoted = &packet[at..];
    if let Some(quote) = V6::quoted_flow(quoted) {
        return Quoted::Flow(quote);
    }
    if quoted.len() < ipv6::Header::LEN || !matches!(Protocol(quoted[6]), Protocol::IPIP | Protocol::IPV6) {
        return Quoted::Nothing;
    }
    let server = IpAddr::V6(Ipv6Addr::from_bits(u128_at(quoted, 24)));
    let error = if kind == icmpv6::types::PACKET_TOO_BIG {
        TunnelError::TooBig { mtu: u32_at(message, 4).min(u16::MAX.into()) as u16 }
    } else {
        TunnelError::Other { kind, code }
    };
    Quoted::Tunnel { server, inner: at + ipv6::Header::LEN..packet.len(), kind: error }
}

/// Header length and protocol of a quoted IPv4 packet that is whole or a first fragment.
fn v4_header(quoted: &[u8]) -> Option<(usize, u8)> {
    let first = *quoted.first()?;
    let length = usize::from(first & 0xf) * 4;
    if first >> 4 != 4 || length < ipv4::MIN_LEN || quoted.len() < length {
        return None;
    }
    let offset = u16::from_be_bytes([quoted[6], quoted[7]]) & 0x1fff;
    (offset == 0).then_some((length, quoted[9]))
}

fn ports(quoted: &[u8], l4: usize) -> Option<(u16, u16)> {
    let &[s0, s1, d0, d1] = quoted.get(l4..l4 + 4)? else {
        return None;
    };
    Some((u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1])))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes)
}

fn u128_at(bytes: &[u8], at: usize) -> u128 {
    bytes.get(at..at + 16).and_then(|bytes| bytes.try_into().ok()).map_or(0, u128::from_be_bytes)
}

impl Translate for V4 {
    const MIN_MTU: usize = 68;

    fn icmp_is_intact(packet: &[u8], l4: usize) -> bool {
        checksum::sum(&packet[l4..]).is_valid()
    }

    fn translate(packet: &mut [u8], l4: usize, quote: &Quote<u32>, towards: Towards<u32>) {
        let at = l4 + ICMP_HEADER;
        let (outer_at, quoted_at, port_at, address, port) = match towards {
            Towards::Server(address, port) => (16, 12, 0, address, port),
            Towards::Client(address, port) => (12, 16, 2, address, port),
        };
        let quoted = &mut packet[at..];
        quoted[quoted_at..quoted_at + 4].copy_from_slice(&address.to_be_bytes());
        quoted[quote.l4 + port_at..quote.l4 + port_at + 2].copy_from_slice(&port.to_be_bytes());
        ipv4::fill_checksum(&mut quoted[..quote.l4]);

        let message = &mut packet[l4..];
        message[2..4].fill(0);
        let sum = checksum::sum(message).checksum();
        message[2..4].copy_from_slice(&sum.to_be_bytes());

        packet[outer_at..outer_at + 4].copy_from_slice(&address.to_be_bytes());
        ipv4::fill_checksum(&mut packet[..l4]);
    }

    fn quoted_flow(quoted: &[u8]) -> Option<Quote<u32>> {
        let (l4, protocol) = v4_header(quoted)?;
        if !matches!(protocol, proto::TCP | proto::UDP) {
            return None;
        }
        let ports = ports(quoted, l4)?;
        Some(Quote { source: u32_at(quoted, 12), destination: u32_at(quoted, 16), ports, protocol, l4 })
    }
}

impl Translate for V6 {
    const MIN_MTU: usize = 1280;

    fn icmp_is_intact(packet: &[u8], l4: usize) -> bool {
        icmpv6_sum(packet, l4).is_valid()
    }

    fn translate(packet: &mut [u8], l4: usize, quote: &Quote<u128>, towards: Towards<u128>) {
        let at = l4 + ICMP_HEADER;
        let (outer_at, quoted_at, port_at, address, port) = match towards {
            Towards::Server(address, port) => (24, 8, 0, address, port),
            Towards::Client(address, port) => (8, 24, 2, address, port),
        };
        let quoted = &mut packet[at..];
        quoted[quoted_at..quoted_at + 16].copy_from_slice(&address.to_be_bytes());
        quoted[quote.l4 + port_at..quote.l4 + port_at + 2].copy_from_slice(&port.to_be_bytes());
        packet[outer_at..outer_at + 16].copy_from_slice(&address.to_be_bytes());
        packet[l4 + 2..l4 + 4].fill(0);
        let sum = icmpv6_sum(packet, l4).checksum();
        packet[l4 + 2..l4 + 4].copy_from_slice(&sum.to_be_bytes());
    }

    fn quoted_flow(quoted: &[u8]) -> Option<Quote<u128>> {
        if quoted.len() < ipv6::Header::LEN || quoted[0] >> 4 != 6 {
            return None;
        }
        let (protocol, l4) = upper_of_quote(quoted)?;
        if !matches!(protocol, proto::TCP | proto::UDP) {
            return None;
        }
        let ports = ports(quoted, l4)?;
        Some(Quote { source: u128_at(quoted, 8), destination: u128_at(quoted, 24), ports, protocol, l4 })
    }
}

/// The transport protocol of a quoted IPv6 packet and where its header begins; `None` behind a later fragment.
fn upper_of_quote(quoted: &[u8]) -> Option<(u8, usize)> {
    let (mut protocol, mut at) = (quoted[6], ipv6::Header::LEN);
    for _ in 0..ipv6::ext::MAX_HEADERS {
        match Protocol(protocol) {
            Protocol::HOP_BY_HOP | Protocol::ROUTING | Protocol::DESTINATION_OPTIONS => {
                let &[next, units] = quoted.get(at..at + 2)? else {
                    return None;
                };
                (protocol, at) = (next, at + (usize::from(units) + 1) * 8);
            }
            Protocol::FRAGMENT => {
                let header = quoted.get(at..at + 8)?;
                if u16::from_be_bytes([header[2], header[3]]) & 0xfff8 != 0 {
                    return None;
                }
                (protocol, at) = (header[0], at + 8);
            }
            _ => return Some((protocol, at)),
        }
    }
    None
}

/// The sum over an ICMPv6 message and its pseudo header.
fn icmpv6_sum(packet: &[u8], l4: usize) -> checksum::Sum {
    let message = &packet[l4..];
    let (source, destination) = (u128_at(packet, 8).to_be_bytes(), u128_at(packet, 24).to_be_bytes());
    checksum::pseudo_header_v6(&source, &destination, Protocol::ICMPV6, message.len() as u32).add_bytes(message)
}

//! What a received frame is, decided once.
//!
//! [`classify`] strips the frame to its IP packet (link header and padding gone, so offset 0 is the IP header) and says which way through
//! the pipeline it takes. Nothing after it looks at lengths again.

use headgate_wire::{EtherType, Protocol, ipv4, ipv6, tcp, udp, vlan};
use headgate_xsk::Frame;

use crate::drop_reason::DropReason;
use crate::family::{Family, V4, V6};
use crate::proto;
use crate::table::{KIND_CONNECTION, Key4, Key6};

/// A TCP segment or UDP datagram that is whole.
#[derive(Debug, Clone, Copy)]
pub struct Flow<F: Family> {
    /// The packet's own addresses and ports.
    pub key: F::Key,
    /// Where the transport header begins.
    pub l4: u16,
    /// Empty for UDP.
    pub flags: tcp::Flags,
}

/// The classes of packets.
#[derive(Debug, Clone, Copy)]
pub enum Packet {
    V4(Flow<V4>),
    V6(Flow<V6>),
    /// An ICMPv4 message; the offset is that of its header.
    Icmp4 {
        l4: u16,
    },
    /// An ICMPv6 message; the offset is that of its header.
    Icmp6 {
        l4: u16,
    },
    /// Part of an IPv4 datagram.
    Fragment4,
    /// Part of an IPv6 datagram; the offset is that of the fragment header.
    Fragment6 {
        header: u16,
    },
    /// Nothing to balance: the kernel's business.
    Other,
    Bad(DropReason),
}

/// Strips `frame` down to its IP packet and classifies it.
#[inline]
pub fn classify(frame: &mut Frame) -> Packet {
    let (ethertype, l3) = match vlan::skip_tags(frame.bytes()) {
        Ok(found) => found,
        Err(error) => return Packet::Bad(error.into()),
    };
    if frame.pull_front(l3).is_none() {
        return Packet::Bad(DropReason::Truncated);
    }
    match ethertype {
        EtherType::IPV4 => classify_v4(frame),
        EtherType::IPV6 => classify_v6(frame),
        _ => Packet::Bad(DropReason::NotIp),
    }
}

#[inline(always)]
fn classify_v4(frame: &mut Frame) -> Packet {
    let bytes = frame.bytes();
    let (header, _) = match ipv4::Header::parse(bytes) {
        Ok(parsed) => parsed,
        Err(error) => return Packet::Bad(error.into()),
    };
    let (l4, end) = (header.header_len(), usize::from(header.total_len()));
    // The length is a constant in nearly all packets, and the sum then a handful of instructions.
    let intact = if header.has_options() {
        ipv4::verify_checksum(&bytes[..l4])
    } else {
        ipv4::verify_checksum(header.as_bytes())
    };
    if !intact {
        return Packet::Bad(DropReason::IpChecksum);
    }
    if is_martian_v4(header.source_bits()) {
        return Packet::Bad(DropReason::MartianSource);
    }
    let packet = if header.is_fragment() {
        Packet::Fragment4
    } else {
        let (source, destination) = (header.source_bits(), header.destination_bits());
        match header.protocol() {
            protocol @ (Protocol::TCP | Protocol::UDP) => match transport(&bytes[l4..end], protocol.0) {
                Ok((ports, flags)) => Packet::V4(Flow {
                    key: Key4::new(source, destination, ports.0, ports.1, protocol.0, KIND_CONNECTION),
                    l4: l4 as u16,
                    flags,
                }),
                Err(reason) => Packet::Bad(reason),
            },
            Protocol::ICMP => Packet::Icmp4 { l4: l4 as u16 },
            _ => Packet::Other,
        }
    };
    frame.truncate(end);
    packet
}

#[inline(always)]
fn classify_v6(frame: &mut Frame) -> Packet {
    let bytes = frame.bytes();
    let (header, _) = match ipv6::Header::parse(bytes) {
        Ok(parsed) => parsed,
        Err(error) => return Packet::Bad(error.into()),
    };
    let end = ipv6::Header::LEN + usize::from(header.payload_len());
    if is_martian_v6(header.source().to_bits()) {
        return Packet::Bad(DropReason::MartianSource);
    }
    let (protocol, l4) = match header.next_header() {
        protocol @ (Protocol::TCP | Protocol::UDP | Protocol::ICMPV6) => (protocol, ipv6::Header::LEN),
        _ => match ipv6::ext::walk(&bytes[..end]) {
            Ok(upper) => {
                if let Some(fragment) = upper.fragment.filter(|fragment| !fragment.is_atomic()) {
                    frame.truncate(end);
                    return Packet::Fragment6 { header: fragment.header_offset as u16 };
                }
                (upper.protocol, upper.offset)
            }
            Err(error) => return Packet::Bad(error.into()),
        },
    };
    let packet = match protocol {
        Protocol::TCP | Protocol::UDP => match transport(&bytes[l4..end], protocol.0) {
            Ok((ports, flags)) => Packet::V6(Flow {
                key: Key6::new(
                    *header.source_bytes(),
                    *header.destination_bytes(),
                    ports.0,
                    ports.1,
                    protocol.0,
                    KIND_CONNECTION,
                ),
                l4: l4 as u16,
                flags,
            }),
            Err(reason) => Packet::Bad(reason),
        },
        Protocol::ICMPV6 => Packet::Icmp6 { l4: l4 as u16 },
        _ => Packet::Other,
    };
    frame.truncate(end);
    packet
}

/// Ports and TCP flags. The header must be there in full; what it says of lengths is the receiver's business, as in IPVS.
#[inline(always)]
pub fn transport(segment: &[u8], protocol: u8) -> Result<((u16, u16), tcp::Flags), DropReason> {
    let needed = if protocol == proto::TCP { tcp::Header::LEN } else { udp::Header::LEN };
    let Some(&[s0, s1, d0, d1, ..]) = segment.get(..needed) else {
        return Err(DropReason::Truncated);
    };
    let flags = if protocol == proto::TCP { tcp::Flags(segment[13]) } else { tcp::Flags::NONE };
    Ok(((u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1])), flags))
}

/// Sources the kernel refuses to receive from: 0/8, loopback, multicast and above.
#[inline(always)]
fn is_martian_v4(source: u32) -> bool {
    let first = source >> 24;
    first == 0 || first == 127 || first >= 224
}

/// Unspecified, loopback, multicast.
#[inline(always)]
fn is_martian_v6(source: u128) -> bool {
    source <= 1 || source >> 120 == 0xff
}

#[cfg(all(test, not(loom)))]
mod tests;

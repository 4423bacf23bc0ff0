//! ICMP errors made here, byte for byte as the kernel makes them around IPVS (recordings of Linux 6.1; RFC 792, RFC 1812 §4.3.2,
//! RFC 4443 §2.4, §3).
//!
//! * IPv4: TTL 64, DF clear, TOS 0xc0 with the TOS bits of the offender, at most 576 bytes.
//! * IPv6: hop limit 64, at most 1280 bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use headgate_wire::{Protocol, icmpv4, icmpv6, ipv4, ipv6};
use headgate_xsk::Frame;
use pnet_packet::icmp::{IcmpCode, IcmpType, MutableIcmpPacket};
use pnet_packet::icmpv6::{Icmpv6Code, Icmpv6Type, MutableIcmpv6Packet};
use pnet_packet::ip::IpNextHeaderProtocol;
use pnet_packet::ipv4::MutableIpv4Packet;
use pnet_packet::ipv6::MutableIpv6Packet;
use pnet_packet::{icmp, icmpv6 as pnet_icmpv6, ipv4 as pnet_ipv4};

use super::{Env, Now, Pipeline};
use crate::drop_reason::DropReason;

/// Longest ICMPv4 error in bytes (RFC 1812 §4.3.2.3).
const MAX_V4: usize = 576;
/// Longest ICMPv6 error in bytes: the least MTU (RFC 4443 §2.4 (c)).
const MAX_V6: usize = 1280;
/// IP header and ICMP header of an error.
const HEADERS_V4: usize = 28;
const HEADERS_V6: usize = 48;
const TTL: u8 = 64;

/// What the sender of a packet is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IcmpError {
    TimeExceeded,
    PortUnreachable,
    /// Fragmentation needed, packet too big.
    TooBig {
        mtu: u16,
    },
    /// An error from inside a tunnel, passed on to the client as ours: type and code as they came.
    Relayed {
        kind: u8,
        code: u8,
    },
}

impl IcmpError {
    /// Type, code, and the second word of the ICMPv4 header.
    fn v4(self) -> (u8, u8, u32) {
        match self {
            Self::TimeExceeded => (icmpv4::types::TIME_EXCEEDED, 0, 0),
            Self::PortUnreachable => (icmpv4::types::DESTINATION_UNREACHABLE, icmpv4::codes::PORT_UNREACHABLE, 0),
            Self::TooBig { mtu } => {
                (icmpv4::types::DESTINATION_UNREACHABLE, icmpv4::codes::FRAGMENTATION_NEEDED, mtu.into())
            }
            Self::Relayed { kind, code } => (kind, code, 0),
        }
    }

    /// Type, code, and the second word of the ICMPv6 header.
    fn v6(self) -> (u8, u8, u32) {
        match self {
            Self::TimeExceeded => (icmpv6::types::TIME_EXCEEDED, 0, 0),
            Self::PortUnreachable => (icmpv6::types::DESTINATION_UNREACHABLE, icmpv6::codes::PORT_UNREACHABLE, 0),
            Self::TooBig { mtu } => (icmpv6::types::PACKET_TOO_BIG, 0, mtu.into()),
            Self::Relayed { kind, code } => (kind, code, 0),
        }
    }
}

/// The rate limit of ICMP errors: a bucket that fills with time. Errors answer packets whose source may be forged.
#[derive(Debug)]
pub(super) struct IcmpOut {
    /// Thousandths of a message.
    tokens: u64,
    filled_ms: u64,
    scratch: Box<[u8; MAX_V6]>,
}

impl IcmpOut {
    pub fn new(now: Now) -> Self {
        Self { tokens: u64::MAX / 2, filled_ms: now.millis, scratch: Box::new([0; MAX_V6]) }
    }

    fn allows(&mut self, per_second: u32, now: Now) -> bool {
        if per_second == 0 {
            return true;
        }
        // A message per second is a thousandth of a message per millisecond. The bucket holds a tenth of a second.
        let burst = u64::from(per_second).max(10) * 100;
        let passed = now.millis.saturating_sub(self.filled_ms);
        self.filled_ms = now.millis;
        self.tokens = self.tokens.saturating_add(passed * u64::from(per_second)).min(burst);
        if self.tokens < 1000 {
            return false;
        }
        self.tokens -= 1000;
        true
    }
}

impl Pipeline {
    /// Turns the offending IP packet in `frame` into the error for its sender, from `source`. Returns the length of what was sent.
    #[cold]
    pub(super) fn icmp_error(
        &mut self,
        env: &mut Env<'_>,
        mut frame: Frame,
        error: IcmpError,
        source: IpAddr,
    ) -> Option<usize> {
        if !self.icmp.allows(env.snapshot.settings.icmp_per_second, env.now) {
            self.drop(frame, DropReason::IcmpRateLimit);
            return None;
        }
        self.ident = self.ident.wrapping_add(1);
        let built = match source {
            IpAddr::V4(source) => build_v4(&mut self.icmp.scratch[..], frame.bytes(), error, source, self.ident),
            IpAddr::V6(source) => build_v6(&mut self.icmp.scratch[..], frame.bytes(), error, source),
        };
        let Some((length, receiver)) = built else {
            self.drop(frame, DropReason::IcmpUnsent);
            return None;
        };
        frame.reset();
        if frame.set_len(length).is_none() {
            self.drop(frame, DropReason::IcmpUnsent);
            return None;
        }
        frame.bytes_mut().copy_from_slice(&self.icmp.scratch[..length]);
        self.counters.icmp_sent.add(1);
        let way = env.snapshot.network.way_to(receiver);
        self.emit(env, frame, &way);
        Some(length)
    }
}

fn build_v4(
    out: &mut [u8],
    offender: &[u8],
    error: IcmpError,
    source: Ipv4Addr,
    ident: u16,
) -> Option<(usize, IpAddr)> {
    // Not parsed as a packet: one that a router quoted may be cut short.
    let receiver = Ipv4Addr::from(<[u8; 4]>::try_from(offender.get(12..16)?).ok()?);
    let quote = offender.len().min(MAX_V4 - HEADERS_V4);
    let length = HEADERS_V4 + quote;
    let out = out.get_mut(..length)?;
    out.fill(0);
    out[HEADERS_V4..].copy_from_slice(&offender[..quote]);
    let tos = 0xc0 | (offender[1] & 0x1e);

    let (kind, code, rest) = error.v4();
    let mut message = MutableIcmpPacket::new(&mut out[ipv4::MIN_LEN..])?;
    message.set_icmp_type(IcmpType(kind));
    message.set_icmp_code(IcmpCode(code));
    message_rest(&mut out[ipv4::MIN_LEN..], rest);
    let mut message = MutableIcmpPacket::new(&mut out[ipv4::MIN_LEN..])?;
    let sum = icmp::checksum(&message.to_immutable());
    message.set_checksum(sum);

    let mut packet = MutableIpv4Packet::new(out)?;
    packet.set_version(4);
    packet.set_header_length(5);
    packet.set_dscp(tos >> 2);
    packet.set_ecn(tos & 3);
    packet.set_total_length(length as u16);
    packet.set_identification(ident);
    packet.set_ttl(TTL);
    packet.set_next_level_protocol(IpNextHeaderProtocol(Protocol::ICMP.0));
    packet.set_source(source);
    packet.set_destination(receiver);
    let sum = pnet_ipv4::checksum(&packet.to_immutable());
    packet.set_checksum(sum);
    Some((length, receiver.into()))
}

fn build_v6(out: &mut [u8], offender: &[u8], error: IcmpError, source: Ipv6Addr) -> Option<(usize, IpAddr)> {
    let receiver = Ipv6Addr::from(<[u8; 16]>::try_from(offender.get(8..24)?).ok()?);
    let quote = offender.len().min(MAX_V6 - HEADERS_V6);
    let length = HEADERS_V6 + quote;
    let out = out.get_mut(..length)?;
    out.fill(0);
    out[HEADERS_V6..].copy_from_slice(&offender[..quote]);

    let (kind, code, rest) = error.v6();
    message_rest(&mut out[ipv6::Header::LEN..], rest);
    let mut message = MutableIcmpv6Packet::new(&mut out[ipv6::Header::LEN..])?;
    message.set_icmpv6_type(Icmpv6Type(kind));
    message.set_icmpv6_code(Icmpv6Code(code));
    let sum = pnet_icmpv6::checksum(&message.to_immutable(), &source, &receiver);
    message.set_checksum(sum);

    let mut packet = MutableIpv6Packet::new(out)?;
    packet.set_version(6);
    packet.set_payload_length((length - ipv6::Header::LEN) as u16);
    packet.set_next_header(IpNextHeaderProtocol(Protocol::ICMPV6.0));
    packet.set_hop_limit(TTL);
    packet.set_source(source);
    packet.set_destination(receiver);
    Some((length, receiver.into()))
}

/// The second word of an ICMP header, which pnet counts as payload.
fn message_rest(message: &mut [u8], rest: u32) {
    message[4..8].copy_from_slice(&rest.to_be_bytes());
}

#[cfg(all(test, not(loom)))]
mod tests;

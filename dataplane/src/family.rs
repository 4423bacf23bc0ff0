//! What differs between IPv4 and IPv6, so that the rest is written once and compiled twice.

mod v4;
mod v6;

use std::fmt::Debug;
use std::net::IpAddr;

use headgate_wire::checksum::Delta;
use headgate_wire::{tcp, udp};

pub use v4::V4;
pub use v6::V6;

use crate::proto;
use crate::snapshot::Network;
use crate::snapshot::egress::Way;
use crate::table::{self, Key, SubTable, Table};

/// Which side of a packet is rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Source,
    Destination,
}

/// Whether the transport checksum of a packet was found half made, and what came of rewriting it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    Updated,
    Completed,
}

/// An IP family. `packet` is a whole IP packet from its first byte, already classified, in every function here.
pub trait Family: Copy + Debug + 'static {
    type Key: Key;
    /// An address as an integer in host order.
    type Addr: Copy + Eq + Debug;

    const FAMILY: table::Family;

    fn table(table: &Table) -> &SubTable<Self::Key>;

    fn key(source: Self::Addr, destination: Self::Addr, ports: (u16, u16), protocol: u8, kind: u8) -> Self::Key;
    fn source(key: &Self::Key) -> Self::Addr;
    fn destination(key: &Self::Key) -> Self::Addr;
    /// Source and destination port.
    fn ports(key: &Self::Key) -> (u16, u16);
    fn protocol(key: &Self::Key) -> u8;
    fn is_template(key: &Self::Key) -> bool;

    fn to_ip(address: Self::Addr) -> IpAddr;
    /// `None` when `address` is of the other family.
    fn from_ip(address: IpAddr) -> Option<Self::Addr>;
    /// The first `prefix_len` bits of an address.
    fn mask(address: Self::Addr, prefix_len: u8) -> Self::Addr;

    fn way_to(network: &Network, address: Self::Addr) -> Way;

    fn packet_source(packet: &[u8]) -> Self::Addr;
    /// TTL or hop limit.
    fn ttl(packet: &[u8]) -> u8;
    /// Takes one off the TTL or hop limit.
    fn decrement_ttl(packet: &mut [u8]);
    /// Whether the packet must not be fragmented on its way: the DF bit, or IPv6.
    fn dont_fragment(packet: &[u8]) -> bool;

    /// Takes one off the TTL or hop limit, replaces address and port of one side, and keeps the checksums right, or as wrong as they
    /// were. With `partial`, a transport checksum that holds only the pseudo header is completed.
    fn rewrite(
        packet: &mut [u8],
        l4: usize,
        side: Side,
        to: (Self::Addr, u16),
        protocol: u8,
        partial: bool,
    ) -> Checksum;
    /// Computes the transport checksum anew.
    fn fill_checksum(packet: &mut [u8], l4: usize, protocol: u8);
    /// Completes a transport checksum that holds only the pseudo header; true if it did.
    fn complete_checksum(packet: &mut [u8], l4: usize, protocol: u8) -> bool;
}

/// Where the checksum lies in a transport header.
#[inline(always)]
fn checksum_offset(protocol: u8) -> usize {
    if protocol == proto::TCP { tcp::CHECKSUM_OFFSET } else { udp::CHECKSUM_OFFSET }
}

/// Writes the port of one side and brings the checksum up to date with `delta` (the change of address) and the change of port. False
/// when there is no checksum to update: a UDP datagram without one, for which IPVS computes one (`ip_vs_proto_udp.c`).
#[inline(always)]
fn update_transport(segment: &mut [u8], side: Side, port: u16, delta: Delta, protocol: u8) -> bool {
    if protocol == proto::TCP {
        let Some(header) = segment.first_chunk_mut::<{ tcp::MIN_LEN }>() else { return true };
        let delta = set_port(header, side, port, delta);
        let old = u16::from_be_bytes([header[tcp::CHECKSUM_OFFSET], header[tcp::CHECKSUM_OFFSET + 1]]);
        [header[tcp::CHECKSUM_OFFSET], header[tcp::CHECKSUM_OFFSET + 1]] = delta.apply(old).to_be_bytes();
        true
    } else {
        let Some(header) = segment.first_chunk_mut::<{ udp::HEADER_LEN }>() else { return true };
        let delta = set_port(header, side, port, delta);
        let old = u16::from_be_bytes([header[udp::CHECKSUM_OFFSET], header[udp::CHECKSUM_OFFSET + 1]]);
        if old == 0 {
            return false;
        }
        [header[udp::CHECKSUM_OFFSET], header[udp::CHECKSUM_OFFSET + 1]] = delta.apply_udp(old).to_be_bytes();
        true
    }
}

/// Writes the port of one side, which begins every transport header, and adds the change to `delta`.
#[inline(always)]
fn set_port<const N: usize>(header: &mut [u8; N], side: Side, port: u16, delta: Delta) -> Delta {
    let at = if side == Side::Source { 0 } else { 2 };
    let old = u16::from_be_bytes([header[at], header[at + 1]]);
    [header[at], header[at + 1]] = port.to_be_bytes();
    delta.u16(old, port)
}

//! [`Family`] of IPv4.

use std::net::{IpAddr, Ipv4Addr};

use headgate_wire::checksum::Delta;
use headgate_wire::{Protocol, checksum, ipv4};

use super::{Checksum, Family, Side, checksum_offset, update_transport};
use crate::snapshot::Network;
use crate::snapshot::egress::Way;
use crate::table::{self, KIND_TEMPLATE, Key4, SubTable, Table};

const FLAGS_OFFSET: usize = 6;
const TTL_OFFSET: usize = 8;

/// IPv4.
#[derive(Debug, Clone, Copy)]
pub struct V4;

impl Family for V4 {
    type Key = Key4;
    type Addr = u32;

    const FAMILY: table::Family = table::Family::V4;

    #[inline(always)]
    fn table(table: &Table) -> &SubTable<Key4> {
        table.v4()
    }

    #[inline(always)]
    fn key(source: u32, destination: u32, ports: (u16, u16), protocol: u8, kind: u8) -> Key4 {
        Key4::new(source, destination, ports.0, ports.1, protocol, kind)
    }

    #[inline(always)]
    fn source(key: &Key4) -> u32 {
        key.src()
    }

    #[inline(always)]
    fn destination(key: &Key4) -> u32 {
        key.dst()
    }

    #[inline(always)]
    fn ports(key: &Key4) -> (u16, u16) {
        (key.sport(), key.dport())
    }

    #[inline(always)]
    fn protocol(key: &Key4) -> u8 {
        key.protocol()
    }

    fn is_template(key: &Key4) -> bool {
        key.kind() == KIND_TEMPLATE
    }

    fn to_ip(address: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(address))
    }

    fn from_ip(address: IpAddr) -> Option<u32> {
        match address {
            IpAddr::V4(address) => Some(address.to_bits()),
            IpAddr::V6(_) => None,
        }
    }

    fn mask(address: u32, prefix_len: u8) -> u32 {
        address & u32::MAX.checked_shl(32 - u32::from(prefix_len.min(32))).unwrap_or(0)
    }

    #[inline(always)]
    fn way_to(network: &Network, address: u32) -> Way {
        network.way_to_v4(address)
    }

    fn packet_source(packet: &[u8]) -> u32 {
        ipv4::Header::view(packet).map_or(0, |(header, _)| header.source_bits())
    }

    #[inline(always)]
    fn ttl(packet: &[u8]) -> u8 {
        packet[TTL_OFFSET]
    }

    #[inline(always)]
    fn decrement_ttl(packet: &mut [u8]) {
        if let Ok((header, _)) = ipv4::Header::view_mut(packet) {
            header.decrement_ttl();
        }
    }

    #[inline(always)]
    fn dont_fragment(packet: &[u8]) -> bool {
        packet[FLAGS_OFFSET] & 0x40 != 0
    }

    #[inline(always)]
    fn rewrite(packet: &mut [u8], l4: usize, side: Side, to: (u32, u16), protocol: u8, partial: bool) -> Checksum {
        let half_made = partial && is_half_made(packet, l4, protocol);
        let Ok((header, _)) = ipv4::Header::view_mut(packet) else {
            return Checksum::Updated;
        };
        // One change of the header checksum for all.
        let word = |ttl: u8| u16::from_be_bytes([ttl, protocol]);
        let ttl = header.ttl().saturating_sub(1);
        let change = Delta::new().u16(word(header.ttl()), word(ttl));
        header.set_ttl(ttl);
        let old = match side {
            Side::Source => header.source_bits(),
            Side::Destination => header.destination_bits(),
        };
        match side {
            Side::Source => header.set_source(Ipv4Addr::from_bits(to.0)),
            Side::Destination => header.set_destination(Ipv4Addr::from_bits(to.0)),
        }
        let delta = Delta::new().u32(old, to.0);
        header.update_checksum(change.and(delta));
        let whole = update_transport(&mut packet[l4..], side, to.1, delta, protocol);
        if half_made || !whole {
            Self::fill_checksum(packet, l4, protocol);
        }
        if half_made { Checksum::Completed } else { Checksum::Updated }
    }

    fn fill_checksum(packet: &mut [u8], l4: usize, protocol: u8) {
        let at = l4 + checksum_offset(protocol);
        packet[at..at + 2].fill(0);
        let Ok((header, _)) = ipv4::Header::view(packet) else {
            return;
        };
        let (source, destination) = (header.source(), header.destination());
        let sum = checksum::transport_v4(source, destination, Protocol(protocol), &packet[l4..]);
        packet[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }

    fn complete_checksum(packet: &mut [u8], l4: usize, protocol: u8) -> bool {
        let half_made = is_half_made(packet, l4, protocol);
        if half_made {
            Self::fill_checksum(packet, l4, protocol);
        }
        half_made
    }
}

/// Whether the transport checksum is that of the pseudo header alone, as virtual devices leave it.
#[inline(always)]
fn is_half_made(packet: &[u8], l4: usize, protocol: u8) -> bool {
    let Ok((header, _)) = ipv4::Header::view(packet) else {
        return false;
    };
    let at = l4 + checksum_offset(protocol);
    let field = u16::from_be_bytes([packet[at], packet[at + 1]]);
    let length = (packet.len() - l4) as u16;
    checksum::is_partial(
        field,
        checksum::pseudo_header_v4(header.source(), header.destination(), Protocol(protocol), length),
    )
}

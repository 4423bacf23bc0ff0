//! [`Family`] of IPv6.

use std::net::{IpAddr, Ipv6Addr};

use headgate_wire::{Protocol, checksum, ipv6};

use super::{Checksum, Family, Side, checksum_offset, update_transport};
use crate::snapshot::Network;
use crate::snapshot::egress::Way;
use crate::table::{self, KIND_TEMPLATE, Key6, SubTable, Table};

const HOP_LIMIT_OFFSET: usize = 7;

/// IPv6.
#[derive(Debug, Clone, Copy)]
pub struct V6;

impl Family for V6 {
    type Key = Key6;
    type Addr = u128;

    const FAMILY: table::Family = table::Family::V6;

    #[inline(always)]
    fn table(table: &Table) -> &SubTable<Key6> {
        table.v6()
    }

    #[inline(always)]
    fn key(source: u128, destination: u128, ports: (u16, u16), protocol: u8, kind: u8) -> Key6 {
        Key6::new(source.to_be_bytes(), destination.to_be_bytes(), ports.0, ports.1, protocol, kind)
    }

    #[inline(always)]
    fn source(key: &Key6) -> u128 {
        u128::from_be_bytes(key.src())
    }

    #[inline(always)]
    fn destination(key: &Key6) -> u128 {
        u128::from_be_bytes(key.dst())
    }

    #[inline(always)]
    fn ports(key: &Key6) -> (u16, u16) {
        (key.sport(), key.dport())
    }

    #[inline(always)]
    fn protocol(key: &Key6) -> u8 {
        key.protocol()
    }

    fn is_template(key: &Key6) -> bool {
        key.kind() == KIND_TEMPLATE
    }

    fn to_ip(address: u128) -> IpAddr {
        IpAddr::V6(Ipv6Addr::from_bits(address))
    }

    fn from_ip(address: IpAddr) -> Option<u128> {
        match address {
            IpAddr::V6(address) => Some(address.to_bits()),
            IpAddr::V4(_) => None,
        }
    }

    fn mask(address: u128, prefix_len: u8) -> u128 {
        address & u128::MAX.checked_shl(128 - u32::from(prefix_len.min(128))).unwrap_or(0)
    }

    #[inline(always)]
    fn way_to(network: &Network, address: u128) -> Way {
        network.way_to_v6(address)
    }

    fn packet_source(packet: &[u8]) -> u128 {
        ipv6::Header::view(packet).map_or(0, |(header, _)| header.source().to_bits())
    }

    #[inline(always)]
    fn ttl(packet: &[u8]) -> u8 {
        packet[HOP_LIMIT_OFFSET]
    }

    #[inline(always)]
    fn decrement_ttl(packet: &mut [u8]) {
        packet[HOP_LIMIT_OFFSET] = packet[HOP_LIMIT_OFFSET].saturating_sub(1);
    }

    #[inline(always)]
    fn dont_fragment(_packet: &[u8]) -> bool {
        true
    }

    #[inline(always)]
    fn rewrite(packet: &mut [u8], l4: usize, side: Side, to: (u128, u16), protocol: u8, partial: bool) -> Checksum {
        let half_made = partial && is_half_made(packet, l4, protocol);
        let Ok((header, _)) = ipv6::Header::view_mut(packet) else {
            return Checksum::Updated;
        };
        header.decrement_hop_limit();
        let delta = match side {
            Side::Source => header.rewrite_source(&to.0.to_be_bytes()),
            Side::Destination => header.rewrite_destination(&to.0.to_be_bytes()),
        };
        let whole = update_transport(&mut packet[l4..], side, to.1, delta, protocol);
        if half_made || !whole {
            Self::fill_checksum(packet, l4, protocol);
        }
        if half_made { Checksum::Completed } else { Checksum::Updated }
    }

    fn fill_checksum(packet: &mut [u8], l4: usize, protocol: u8) {
        let at = l4 + checksum_offset(protocol);
        packet[at..at + 2].fill(0);
        let Ok((header, _)) = ipv6::Header::view(packet) else {
            return;
        };
        let (source, destination) = (*header.source_bytes(), *header.destination_bytes());
        let sum = checksum::transport_v6(&source, &destination, Protocol(protocol), &packet[l4..]);
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
    let Ok((header, _)) = ipv6::Header::view(packet) else {
        return false;
    };
    let at = l4 + checksum_offset(protocol);
    let field = u16::from_be_bytes([packet[at], packet[at + 1]]);
    let length = (packet.len() - l4) as u32;
    checksum::is_partial(
        field,
        checksum::pseudo_header_v6(header.source_bytes(), header.destination_bytes(), Protocol(protocol), length),
    )
}

//! Writing an IPv4 header: setters, which leave the checksum to the caller, and rewrites, which keep it right.

use core::net::Ipv4Addr;

use zerocopy::network_endian::U16;

use super::{DONT_FRAGMENT, Header, MAX_LEN, MIN_LEN, MORE_FRAGMENTS, OFFSET_MASK, OFFSET_UNIT_SHIFT, VERSION};
use crate::Protocol;
use crate::checksum::{self, Delta};

/// Setters. The header checksum must follow each of them.
impl Header {
    /// In bytes: a multiple of 4 from 20 to 60, rounded down to that.
    pub fn set_header_len(&mut self, len: usize) {
        self.version_ihl = (VERSION << 4) | (len.clamp(MIN_LEN, MAX_LEN) / 4) as u8;
    }

    #[inline(always)]
    pub fn set_tos(&mut self, tos: u8) {
        self.tos = tos;
    }

    #[inline(always)]
    pub fn set_total_len(&mut self, len: u16) {
        self.total_len.set(len);
    }

    #[inline(always)]
    pub fn set_id(&mut self, id: u16) {
        self.id.set(id);
    }

    #[inline(always)]
    pub fn set_dont_fragment(&mut self, on: bool) {
        self.set_flag(DONT_FRAGMENT, on);
    }

    #[inline(always)]
    pub fn set_more_fragments(&mut self, on: bool) {
        self.set_flag(MORE_FRAGMENTS, on);
    }

    /// In bytes; rounded down to a multiple of 8.
    #[inline(always)]
    pub fn set_fragment_offset(&mut self, offset: u16) {
        self.flags_offset.set((self.flags_offset.get() & !OFFSET_MASK) | (offset >> OFFSET_UNIT_SHIFT));
    }

    #[inline(always)]
    pub fn set_ttl(&mut self, ttl: u8) {
        self.ttl = ttl;
    }

    #[inline(always)]
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol.0;
    }

    #[inline(always)]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.checksum.set(checksum);
    }

    /// The checksum of TCP and UDP must follow too.
    #[inline(always)]
    pub fn set_source(&mut self, address: Ipv4Addr) {
        self.source.set(address.to_bits());
    }

    /// The checksum of TCP and UDP must follow too.
    #[inline(always)]
    pub fn set_destination(&mut self, address: Ipv4Addr) {
        self.destination.set(address.to_bits());
    }

    #[inline(always)]
    fn set_flag(&mut self, flag: u16, on: bool) {
        let rest = self.flags_offset.get() & !flag;
        self.flags_offset.set(if on { rest | flag } else { rest });
    }
}

/// Rewrites. They neither repair nor hide a wrong header checksum.
impl Header {
    /// Applies a change of fields to the header checksum.
    #[inline(always)]
    pub fn update_checksum(&mut self, delta: Delta) {
        self.checksum.set(delta.apply(self.checksum.get()));
    }

    /// Takes one from the TTL and keeps the checksum right (RFC 1624). A TTL of 0 stays. Returns what is left.
    #[inline(always)]
    pub fn decrement_ttl(&mut self) -> u8 {
        let word = |ttl: u8| u16::from_be_bytes([ttl, self.protocol]);
        let left = self.ttl.saturating_sub(1);
        let delta = Delta::new().u16(word(self.ttl), word(left));
        self.ttl = left;
        self.update_checksum(delta);
        left
    }

    /// Replaces the source address and keeps the header checksum right. Returns the change for the transport checksum.
    #[inline(always)]
    pub fn rewrite_source(&mut self, address: Ipv4Addr) -> Delta {
        let delta = Delta::new().u32(self.source_bits(), address.to_bits());
        self.set_source(address);
        self.update_checksum(delta);
        delta
    }

    /// Replaces the destination address and keeps the header checksum right. Returns the change for the transport checksum.
    #[inline(always)]
    pub fn rewrite_destination(&mut self, address: Ipv4Addr) -> Delta {
        let delta = Delta::new().u32(self.destination_bits(), address.to_bits());
        self.set_destination(address);
        self.update_checksum(delta);
        delta
    }

    /// Computes the checksum of a header without options.
    #[inline(always)]
    pub fn fill_own_checksum(&mut self) {
        self.checksum = U16::ZERO;
        self.checksum.set(checksum::sum(self.as_bytes()).checksum());
    }
}

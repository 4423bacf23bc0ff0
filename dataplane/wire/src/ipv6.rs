//! Internet Protocol version 6 (RFC 8200).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |Version| traffic class |              flow label               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |        payload length         |  next header  |   hop limit   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                                                               |
//! +                    source address, 16 bytes                   +
//! |                                                               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                                                               |
//! +                 destination address, 16 bytes                 +
//! |                                                               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! `parse` guarantees version 6 and 40 + payload length <= buffer length. The buffer may be longer (Ethernet padding).
//! Extension headers are not looked at: see [`ext`]. Jumbograms (RFC 2675) are not supported. Accessors never panic after it.

pub mod ext;

use core::fmt;
use core::net::Ipv6Addr;

use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checksum::Delta;
use crate::{ParseError, Protocol, view};

/// Length of the fixed header in bytes.
pub const HEADER_LEN: usize = 40;
/// Offset of the next header field in the fixed header.
pub const NEXT_HEADER_OFFSET: usize = 6;

const VERSION: u32 = 6;
const VERSION_SHIFT: u32 = 28;
const CLASS_SHIFT: u32 = 20;
const CLASS_MASK: u32 = 0xff << CLASS_SHIFT;
const LABEL_MASK: u32 = 0x000f_ffff;

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(clippy::struct_field_names, reason = "next header is the field's name in the RFC")]
pub struct Header {
    version_class_label: U32,
    payload_len: U16,
    next_header: u8,
    hop_limit: u8,
    source: [u8; 16],
    destination: [u8; 16],
}

const _: () = assert!(size_of::<Header>() == HEADER_LEN);

impl Header {
    pub const LEN: usize = HEADER_LEN;

    /// Version 6, all else zero.
    pub const fn new() -> Self {
        Self {
            version_class_label: U32::from_bytes((VERSION << VERSION_SHIFT).to_be_bytes()),
            payload_len: U16::ZERO,
            next_header: 0,
            hop_limit: 0,
            source: [0; 16],
            destination: [0; 16],
        }
    }

    /// Writes [`Header::new`] over the front of `bytes`, to be completed by setters.
    #[inline(always)]
    pub fn init(bytes: &mut [u8]) -> Result<(&mut Self, &mut [u8]), ParseError> {
        view::init(bytes, Self::new(), ParseError::Ipv6Short)
    }

    /// The header, and what follows it: extension headers, payload, padding.
    #[inline(always)]
    pub fn parse(packet: &[u8]) -> Result<(&Self, &[u8]), ParseError> {
        let (header, rest) = Self::view(packet)?;
        header.check(rest.len())?;
        Ok((header, rest))
    }

    /// As [`Header::parse`], writable.
    #[inline(always)]
    pub fn parse_mut(packet: &mut [u8]) -> Result<(&mut Self, &mut [u8]), ParseError> {
        let (header, rest) = Self::view_mut(packet)?;
        header.check(rest.len())?;
        Ok((header, rest))
    }

    /// For the packet quoted in an ICMPv6 error: as [`Header::parse`], but the payload length may exceed the buffer, because only
    /// the beginning is quoted.
    pub fn parse_quoted(packet: &[u8]) -> Result<(&Self, &[u8]), ParseError> {
        let (header, rest) = Self::view(packet)?;
        header.check_version()?;
        Ok((header, rest))
    }

    /// As [`Header::parse_quoted`], writable.
    pub fn parse_quoted_mut(packet: &mut [u8]) -> Result<(&mut Self, &mut [u8]), ParseError> {
        let (header, rest) = Self::view_mut(packet)?;
        header.check_version()?;
        Ok((header, rest))
    }

    /// Only checks that 40 bytes are there: for a packet that was parsed before.
    #[inline(always)]
    pub fn view(packet: &[u8]) -> Result<(&Self, &[u8]), ParseError> {
        view::prefix(packet, ParseError::Ipv6Short)
    }

    /// As [`Header::view`], writable.
    #[inline(always)]
    pub fn view_mut(packet: &mut [u8]) -> Result<(&mut Self, &mut [u8]), ParseError> {
        view::prefix_mut(packet, ParseError::Ipv6Short)
    }

    /// Length of the fixed header in bytes; extension headers count as payload.
    #[inline(always)]
    pub const fn header_len(&self) -> usize {
        HEADER_LEN
    }

    /// DSCP and ECN.
    #[inline(always)]
    pub fn traffic_class(&self) -> u8 {
        (self.version_class_label.get() >> CLASS_SHIFT) as u8
    }

    /// 20 bits.
    #[inline(always)]
    pub fn flow_label(&self) -> u32 {
        self.version_class_label.get() & LABEL_MASK
    }

    /// Length of what follows the fixed header, in bytes.
    #[inline(always)]
    pub fn payload_len(&self) -> u16 {
        self.payload_len.get()
    }

    /// Length of the packet with its fixed header, in bytes.
    #[inline(always)]
    pub fn total_len(&self) -> usize {
        HEADER_LEN + usize::from(self.payload_len())
    }

    /// The upper-layer protocol, or the first extension header.
    #[inline(always)]
    pub const fn next_header(&self) -> Protocol {
        Protocol(self.next_header)
    }

    #[inline(always)]
    pub const fn hop_limit(&self) -> u8 {
        self.hop_limit
    }

    #[inline(always)]
    pub const fn source(&self) -> Ipv6Addr {
        Ipv6Addr::from_octets(self.source)
    }

    #[inline(always)]
    pub const fn destination(&self) -> Ipv6Addr {
        Ipv6Addr::from_octets(self.destination)
    }

    #[inline(always)]
    pub const fn source_bytes(&self) -> &[u8; 16] {
        &self.source
    }

    #[inline(always)]
    pub const fn destination_bytes(&self) -> &[u8; 16] {
        &self.destination
    }

    /// The payload in `rest`, the second result of `parse`, without padding. Of a quoted packet: as much as there is.
    #[inline(always)]
    pub fn payload<'a>(&self, rest: &'a [u8]) -> &'a [u8] {
        rest.get(..usize::from(self.payload_len())).unwrap_or(rest)
    }

    #[inline(always)]
    pub fn set_traffic_class(&mut self, class: u8) {
        let rest = self.version_class_label.get() & !CLASS_MASK;
        self.version_class_label.set(rest | (u32::from(class) << CLASS_SHIFT));
    }

    /// Only the low 20 bits count.
    #[inline(always)]
    pub fn set_flow_label(&mut self, label: u32) {
        let rest = self.version_class_label.get() & !LABEL_MASK;
        self.version_class_label.set(rest | (label & LABEL_MASK));
    }

    #[inline(always)]
    pub fn set_payload_len(&mut self, len: u16) {
        self.payload_len.set(len);
    }

    #[inline(always)]
    pub fn set_next_header(&mut self, protocol: Protocol) {
        self.next_header = protocol.0;
    }

    #[inline(always)]
    pub fn set_hop_limit(&mut self, hops: u8) {
        self.hop_limit = hops;
    }

    /// The checksums of TCP, UDP and ICMPv6 must follow.
    #[inline(always)]
    pub fn set_source(&mut self, address: &[u8; 16]) {
        self.source = *address;
    }

    /// The checksums of TCP, UDP and ICMPv6 must follow.
    #[inline(always)]
    pub fn set_destination(&mut self, address: &[u8; 16]) {
        self.destination = *address;
    }

    /// Takes one from the hop limit; no checksum covers it. A hop limit of 0 stays. Returns what is left.
    #[inline(always)]
    pub fn decrement_hop_limit(&mut self) -> u8 {
        self.hop_limit = self.hop_limit.saturating_sub(1);
        self.hop_limit
    }

    /// Replaces the source address. Returns the change for the transport checksum.
    #[inline(always)]
    pub fn rewrite_source(&mut self, address: &[u8; 16]) -> Delta {
        let delta = Delta::new().addr16(&self.source, address);
        self.set_source(address);
        delta
    }

    /// Replaces the destination address. Returns the change for the transport checksum.
    #[inline(always)]
    pub fn rewrite_destination(&mut self, address: &[u8; 16]) -> Delta {
        let delta = Delta::new().addr16(&self.destination, address);
        self.set_destination(address);
        delta
    }

    /// The fixed header as bytes.
    #[inline(always)]
    pub fn as_bytes(&self) -> &[u8; HEADER_LEN] {
        zerocopy::transmute_ref!(self)
    }

    #[inline(always)]
    fn check(&self, payload: usize) -> Result<(), ParseError> {
        self.check_version()?;
        if usize::from(self.payload_len()) > payload {
            return Err(ParseError::Ipv6Truncated);
        }
        Ok(())
    }

    #[inline(always)]
    fn check_version(&self) -> Result<(), ParseError> {
        if self.version_class_label.get() >> VERSION_SHIFT == VERSION { Ok(()) } else { Err(ParseError::Ipv6Version) }
    }
}

impl Default for Header {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IP6 {} > {}: ", self.source(), self.destination())?;
        write!(f, "class 0x{:02x}, flowlabel 0x{:05x}, ", self.traffic_class(), self.flow_label())?;
        write!(f, "hlim {}, next-header {}, ", self.hop_limit(), self.next_header())?;
        write!(f, "payload length {}", self.payload_len())
    }
}

#[cfg(test)]
mod tests;

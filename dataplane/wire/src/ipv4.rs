//! Internet Protocol version 4 (RFC 791).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |Version|  IHL  |Type of service|         total length          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |        identification         |0|D|M|     fragment offset     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | time to live  |   protocol    |        header checksum        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                        source address                         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                      destination address                      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                 options, 0 to 40 bytes ...
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! `parse` guarantees version 4 and 20 <= header length <= total length <= buffer length. The buffer may be longer: Ethernet
//! pads short frames. It does not verify the header checksum. Accessors never panic after it.

pub mod options;
mod write;

use core::fmt;
use core::net::Ipv4Addr;

use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checksum;
use crate::{ParseError, Protocol, view};

/// Length of a header without options, in bytes.
pub const MIN_LEN: usize = 20;
/// Length of a header with all possible options, in bytes.
pub const MAX_LEN: usize = 60;
/// Offset of the checksum field in the header.
pub const CHECKSUM_OFFSET: usize = 10;

const VERSION: u8 = 4;
const MIN_IHL: u8 = 5;
const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET_MASK: u16 = 0x1fff;
/// Fragment offsets count units of 8 bytes.
const OFFSET_UNIT_SHIFT: u32 = 3;

/// The fixed 20 bytes; options follow them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    version_ihl: u8,
    tos: u8,
    total_len: U16,
    id: U16,
    flags_offset: U16,
    ttl: u8,
    protocol: u8,
    checksum: U16,
    source: U32,
    destination: U32,
}

const _: () = assert!(size_of::<Header>() == MIN_LEN);

impl Header {
    pub const LEN: usize = MIN_LEN;

    /// Version 4, no options, all else zero.
    pub const fn new() -> Self {
        Self {
            version_ihl: (VERSION << 4) | MIN_IHL,
            tos: 0,
            total_len: U16::ZERO,
            id: U16::ZERO,
            flags_offset: U16::ZERO,
            ttl: 0,
            protocol: 0,
            checksum: U16::ZERO,
            source: U32::ZERO,
            destination: U32::ZERO,
        }
    }

    /// Writes [`Header::new`] over the front of `bytes`, to be completed by setters and [`Header::fill_own_checksum`].
    #[inline(always)]
    pub fn init(bytes: &mut [u8]) -> Result<(&mut Self, &mut [u8]), ParseError> {
        view::init(bytes, Self::new(), ParseError::Ipv4Short)
    }

    /// The header, and what follows its fixed part: options, payload, padding.
    #[inline(always)]
    pub fn parse(packet: &[u8]) -> Result<(&Self, &[u8]), ParseError> {
        let (header, rest) = Self::view(packet)?;
        header.check(MIN_LEN + rest.len())?;
        Ok((header, rest))
    }

    /// As [`Header::parse`], writable.
    #[inline(always)]
    pub fn parse_mut(packet: &mut [u8]) -> Result<(&mut Self, &mut [u8]), ParseError> {
        let (header, rest) = Self::view_mut(packet)?;
        header.check(MIN_LEN + rest.len())?;
        Ok((header, rest))
    }

    /// For the packet quoted in an ICMP error: as [`Header::parse`], but the total length may exceed the buffer, because only the
    /// beginning is quoted.
    pub fn parse_quoted(packet: &[u8]) -> Result<(&Self, &[u8]), ParseError> {
        let (header, rest) = Self::view(packet)?;
        header.check_header(MIN_LEN + rest.len())?;
        Ok((header, rest))
    }

    /// As [`Header::parse_quoted`], writable.
    pub fn parse_quoted_mut(packet: &mut [u8]) -> Result<(&mut Self, &mut [u8]), ParseError> {
        let (header, rest) = Self::view_mut(packet)?;
        header.check_header(MIN_LEN + rest.len())?;
        Ok((header, rest))
    }

    /// Only checks that 20 bytes are there: for a packet that was parsed before.
    #[inline(always)]
    pub fn view(packet: &[u8]) -> Result<(&Self, &[u8]), ParseError> {
        view::prefix(packet, ParseError::Ipv4Short)
    }

    /// As [`Header::view`], writable.
    #[inline(always)]
    pub fn view_mut(packet: &mut [u8]) -> Result<(&mut Self, &mut [u8]), ParseError> {
        view::prefix_mut(packet, ParseError::Ipv4Short)
    }

    /// Length of the header with options, in bytes.
    #[inline(always)]
    pub const fn header_len(&self) -> usize {
        ((self.version_ihl & 0x0f) as usize) * 4
    }

    #[inline(always)]
    pub const fn has_options(&self) -> bool {
        self.version_ihl & 0x0f > MIN_IHL
    }

    /// DSCP and ECN.
    #[inline(always)]
    pub const fn tos(&self) -> u8 {
        self.tos
    }

    /// Length of the packet with header, in bytes.
    #[inline(always)]
    pub fn total_len(&self) -> u16 {
        self.total_len.get()
    }

    /// Length of what follows the header and its options, in bytes; 0 if the lengths contradict each other.
    #[inline(always)]
    pub fn payload_len(&self) -> u16 {
        self.total_len.get().saturating_sub(self.header_len() as u16)
    }

    #[inline(always)]
    pub fn id(&self) -> u16 {
        self.id.get()
    }

    #[inline(always)]
    pub fn dont_fragment(&self) -> bool {
        self.flags_offset.get() & DONT_FRAGMENT != 0
    }

    #[inline(always)]
    pub fn more_fragments(&self) -> bool {
        self.flags_offset.get() & MORE_FRAGMENTS != 0
    }

    /// In bytes, a multiple of 8.
    #[inline(always)]
    pub fn fragment_offset(&self) -> u16 {
        (self.flags_offset.get() & OFFSET_MASK) << OFFSET_UNIT_SHIFT
    }

    /// Whether this is a part of a packet: not at offset 0, or more follows.
    #[inline(always)]
    pub fn is_fragment(&self) -> bool {
        self.flags_offset.get() & (MORE_FRAGMENTS | OFFSET_MASK) != 0
    }

    #[inline(always)]
    pub const fn ttl(&self) -> u8 {
        self.ttl
    }

    #[inline(always)]
    pub const fn protocol(&self) -> Protocol {
        Protocol(self.protocol)
    }

    #[inline(always)]
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }

    #[inline(always)]
    pub fn source(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.source.get())
    }

    #[inline(always)]
    pub fn destination(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.destination.get())
    }

    #[inline(always)]
    pub fn source_bits(&self) -> u32 {
        self.source.get()
    }

    #[inline(always)]
    pub fn destination_bits(&self) -> u32 {
        self.destination.get()
    }

    /// The options in `rest`, the second result of `parse`.
    #[inline(always)]
    pub fn options<'a>(&self, rest: &'a [u8]) -> &'a [u8] {
        rest.get(..self.header_len().saturating_sub(MIN_LEN)).unwrap_or_default()
    }

    /// The payload in `rest`, the second result of `parse`, without options and padding. Of a quoted packet: as much as there is.
    #[inline(always)]
    pub fn payload<'a>(&self, rest: &'a [u8]) -> &'a [u8] {
        let start = self.header_len().saturating_sub(MIN_LEN);
        let end = usize::from(self.total_len()).saturating_sub(MIN_LEN).min(rest.len());
        rest.get(start..end).unwrap_or_default()
    }

    /// The fixed header as bytes.
    #[inline(always)]
    pub fn as_bytes(&self) -> &[u8; MIN_LEN] {
        zerocopy::transmute_ref!(self)
    }

    #[inline(always)]
    fn check(&self, available: usize) -> Result<(), ParseError> {
        self.check_header(available)?;
        if usize::from(self.total_len()) > available {
            return Err(ParseError::Ipv4Truncated);
        }
        Ok(())
    }

    #[inline(always)]
    fn check_header(&self, available: usize) -> Result<(), ParseError> {
        let header_len = self.header_len();
        if self.version_ihl >> 4 != VERSION {
            Err(ParseError::Ipv4Version)
        } else if header_len < MIN_LEN {
            Err(ParseError::Ipv4HeaderLen)
        } else if header_len > available {
            Err(ParseError::Ipv4HeaderTruncated)
        } else if usize::from(self.total_len()) < header_len {
            Err(ParseError::Ipv4TotalLenBelowHeader)
        } else {
            Ok(())
        }
    }
}

impl Default for Header {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether the checksum over `header`, the bytes of a header with its options, is right.
#[inline(always)]
pub fn verify_checksum(header: &[u8]) -> bool {
    checksum::sum(header).is_valid()
}

/// Computes and stores the checksum of `header`, the bytes of a header with its options. Does nothing below 20 bytes.
#[inline(always)]
pub fn fill_checksum(header: &mut [u8]) {
    let Ok((fixed, options)) = Header::view_mut(header) else { return };
    fixed.checksum = U16::ZERO;
    let sum = checksum::sum(fixed.as_bytes()).add_bytes(options);
    fixed.checksum.set(sum.checksum());
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IP {} > {}: ", self.source(), self.destination())?;
        write!(f, "tos 0x{:x}, ttl {}, id {}, ", self.tos(), self.ttl(), self.id())?;
        if self.is_fragment() {
            let more = if self.more_fragments() { "+" } else { "" };
            write!(f, "frag {}{more}, ", self.fragment_offset())?;
        }
        if self.dont_fragment() {
            f.write_str("DF, ")?;
        }
        write!(f, "proto {}, length {}", self.protocol(), self.total_len())
    }
}

#[cfg(test)]
mod tests;

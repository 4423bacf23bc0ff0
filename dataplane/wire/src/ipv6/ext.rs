//! IPv6 extension headers (RFC 8200 section 4, AH: RFC 4302): finding the upper-layer header behind them.
//!
//! ```text
//!  hop-by-hop, routing, destination        fragment
//!  0                   1                   0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5         0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+       +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  next header  |    length     | ...   |  next header  |   reserved    |     fragment offset     |Res|M|
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+       +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!  length in 8 bytes beyond the first 8   |                        identification                         |
//!  (AH: in 4 bytes beyond the first 8)    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! [`walk`] reads only bytes inside the packet and takes a bounded number of steps on any input.

use core::fmt;

use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{HEADER_LEN, Header, NEXT_HEADER_OFFSET};
use crate::{ParseError, Protocol, view};

/// Extension headers accepted in one packet. RFC 8200 section 4.1 recommends an order with at most seven (destination options
/// twice); one more is allowed for, and the bound keeps the cost of a hostile packet small.
pub const MAX_HEADERS: usize = 8;

/// Length of a fragment header in bytes.
pub const FRAGMENT_LEN: usize = 8;

const OFFSET_MASK: u16 = 0xfff8;
const MORE: u16 = 1;

/// Where the chain of extension headers ends. Offsets count from the start of the IPv6 header, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upper {
    /// The upper-layer protocol. In a fragment that is not the first: what the fragment header names, which may be an extension
    /// header that is only in the first fragment.
    pub protocol: Protocol,
    /// Of the upper-layer header. In a fragment that is not the first: of its data. May be the end of the packet.
    pub offset: usize,
    /// Of the next header field that names `protocol`.
    pub protocol_field: usize,
    pub fragment: Option<Fragment>,
}

impl Upper {
    /// Whether the upper-layer header itself begins at `offset`: anything but a later fragment.
    #[inline(always)]
    pub fn has_header(&self) -> bool {
        self.fragment.is_none_or(|fragment| fragment.offset == 0)
    }
}

/// A fragment header met on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// Of this part in the fragmentable part of the original packet, in bytes.
    pub offset: u16,
    /// Whether more parts follow.
    pub more: bool,
    pub id: u32,
    /// Of the fragment header from the start of the IPv6 header, in bytes.
    pub header_offset: usize,
    /// Of the next header field that names the fragment header; reassembly overwrites it.
    pub protocol_field: usize,
}

impl Fragment {
    /// Offset 0 and nothing follows: a whole packet with a fragment header (RFC 6946).
    #[inline(always)]
    pub const fn is_atomic(&self) -> bool {
        self.offset == 0 && !self.more
    }
}

/// Follows the chain from the fixed header. `packet` starts with an IPv6 header; it may be cut short, as in an ICMPv6 error, as
/// long as the chain itself is there.
#[inline(always)]
pub fn walk(packet: &[u8]) -> Result<Upper, ParseError> {
    let (header, _) = Header::view(packet)?;
    let protocol = header.next_header();
    if is_extension(protocol) {
        let end = header.total_len().min(packet.len());
        return walk_chain(packet.get(..end).unwrap_or(packet), protocol);
    }
    Ok(Upper { protocol, offset: HEADER_LEN, protocol_field: NEXT_HEADER_OFFSET, fragment: None })
}

/// Out of line, because most packets have no extension headers.
fn walk_chain(packet: &[u8], first: Protocol) -> Result<Upper, ParseError> {
    let mut upper = Upper { protocol: first, offset: HEADER_LEN, protocol_field: NEXT_HEADER_OFFSET, fragment: None };
    for _ in 0..MAX_HEADERS {
        if !is_extension(upper.protocol) {
            return Ok(upper);
        }
        upper = step(packet, upper)?;
        if !upper.has_header() {
            return Ok(upper);
        }
    }
    if is_extension(upper.protocol) { Err(ParseError::Ipv6TooManyExtensions) } else { Ok(upper) }
}

/// Steps over the extension header that `at` points to.
fn step(packet: &[u8], at: Upper) -> Result<Upper, ParseError> {
    //= https://www.rfc-editor.org/rfc/rfc8200#section-4.1
    //# except for the Hop-by-Hop Options header, which is restricted to
    //# appear immediately after an IPv6 header only.
    if at.protocol == Protocol::HOP_BY_HOP && at.offset != HEADER_LEN {
        return Err(ParseError::Ipv6HopByHopNotFirst);
    }
    let bytes = packet.get(at.offset..).ok_or(ParseError::Ipv6ExtensionTruncated)?;
    let (next, len, fragment) = if at.protocol == Protocol::FRAGMENT {
        if at.fragment.is_some() {
            return Err(ParseError::Ipv6NestedFragment);
        }
        let (header, _) = FragmentHeader::parse(bytes)?;
        (header.next_header(), FRAGMENT_LEN, Some(header.located(at)))
    } else {
        let &[next, units, ..] = bytes else { return Err(ParseError::Ipv6ExtensionTruncated) };
        (Protocol(next), extension_len(at.protocol, units), at.fragment)
    };
    if len > bytes.len() {
        return Err(ParseError::Ipv6ExtensionTruncated);
    }
    Ok(Upper { protocol: next, offset: at.offset + len, protocol_field: at.offset, fragment })
}

const fn is_extension(protocol: Protocol) -> bool {
    matches!(
        protocol,
        Protocol::HOP_BY_HOP | Protocol::ROUTING | Protocol::FRAGMENT | Protocol::AH | Protocol::DESTINATION_OPTIONS
    )
}

const fn extension_len(protocol: Protocol, units: u8) -> usize {
    match protocol {
        //= https://www.rfc-editor.org/rfc/rfc4302#section-2.2
        //# This 8-bit field specifies the length of AH in 32-bit words (4-byte
        //# units), minus "2".
        Protocol::AH => (units as usize + 2) * 4,
        _ => (units as usize + 1) * 8,
    }
}

/// The fragment extension header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct FragmentHeader {
    next_header: u8,
    reserved: u8,
    offset_more: U16,
    id: U32,
}

const _: () = assert!(size_of::<FragmentHeader>() == FRAGMENT_LEN);

impl FragmentHeader {
    pub const LEN: usize = FRAGMENT_LEN;

    /// `offset` in bytes, rounded down to a multiple of 8.
    pub const fn new(next_header: Protocol, offset: u16, more: bool, id: u32) -> Self {
        let offset_more = (offset & OFFSET_MASK) | more as u16;
        Self {
            next_header: next_header.0,
            reserved: 0,
            offset_more: U16::from_bytes(offset_more.to_be_bytes()),
            id: U32::from_bytes(id.to_be_bytes()),
        }
    }

    pub fn parse(bytes: &[u8]) -> Result<(&Self, &[u8]), ParseError> {
        view::prefix(bytes, ParseError::Ipv6ExtensionTruncated)
    }

    pub fn parse_mut(bytes: &mut [u8]) -> Result<(&mut Self, &mut [u8]), ParseError> {
        view::prefix_mut(bytes, ParseError::Ipv6ExtensionTruncated)
    }

    pub const fn next_header(&self) -> Protocol {
        Protocol(self.next_header)
    }

    /// In bytes, a multiple of 8.
    pub fn offset(&self) -> u16 {
        self.offset_more.get() & OFFSET_MASK
    }

    pub fn more(&self) -> bool {
        self.offset_more.get() & MORE != 0
    }

    pub fn id(&self) -> u32 {
        self.id.get()
    }

    pub fn set_id(&mut self, id: u32) {
        self.id.set(id);
    }

    /// The header as bytes.
    pub fn as_bytes(&self) -> &[u8; FRAGMENT_LEN] {
        zerocopy::transmute_ref!(self)
    }

    fn located(&self, at: Upper) -> Fragment {
        Fragment {
            offset: self.offset(),
            more: self.more(),
            id: self.id(),
            header_offset: at.offset,
            protocol_field: at.protocol_field,
        }
    }
}

impl fmt::Display for FragmentHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.more() { "+" } else { "" };
        write!(f, "frag (0x{:08x}:{}{more}), next-header {}", self.id(), self.offset(), self.next_header())
    }
}

#[cfg(test)]
mod tests;

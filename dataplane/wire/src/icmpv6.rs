//! Internet Control Message Protocol for IPv6 (RFC 4443).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |     type      |     code      |           checksum            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |            rest: by type (id and sequence, MTU, ...)          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   data; in an error: as much of the packet as fits into 1280 bytes ...
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! `parse` guarantees 8 bytes; accessors never panic after it. Unlike ICMP for IPv4, the checksum covers the pseudo header.

use core::fmt;

use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checksum::{Delta, Sum};
use crate::{ParseError, view};

/// Length of the header in bytes.
pub const HEADER_LEN: usize = 8;
/// Offset of the checksum field in the header.
pub const CHECKSUM_OFFSET: usize = 2;

/// Message types; those of neighbour discovery are of RFC 4861.
pub mod types {
    pub const DESTINATION_UNREACHABLE: u8 = 1;
    pub const PACKET_TOO_BIG: u8 = 2;
    pub const TIME_EXCEEDED: u8 = 3;
    pub const PARAMETER_PROBLEM: u8 = 4;
    pub const ECHO_REQUEST: u8 = 128;
    pub const ECHO_REPLY: u8 = 129;
    pub const ROUTER_SOLICITATION: u8 = 133;
    pub const ROUTER_ADVERTISEMENT: u8 = 134;
    pub const NEIGHBOUR_SOLICITATION: u8 = 135;
    pub const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
    pub const REDIRECT: u8 = 137;
}

/// Codes of destination unreachable and time exceeded.
pub mod codes {
    pub const NO_ROUTE: u8 = 0;
    pub const ADMINISTRATIVELY_PROHIBITED: u8 = 1;
    pub const ADDRESS_UNREACHABLE: u8 = 3;
    pub const PORT_UNREACHABLE: u8 = 4;
    pub const HOP_LIMIT_EXCEEDED: u8 = 0;
    pub const REASSEMBLY_TIME_EXCEEDED: u8 = 1;
}

/// Types below this are errors (RFC 4443 section 2.1).
const FIRST_INFORMATIONAL: u8 = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    type_: u8,
    code: u8,
    checksum: U16,
    rest: U32,
}

const _: () = assert!(size_of::<Header>() == HEADER_LEN);

impl Header {
    pub const LEN: usize = HEADER_LEN;

    /// With a checksum of 0, to be filled by [`fill_checksum`].
    pub const fn new(type_: u8, code: u8, rest: u32) -> Self {
        Self { type_, code, checksum: U16::ZERO, rest: U32::from_bytes(rest.to_be_bytes()) }
    }

    /// Writes a header of zeroes over the front of `bytes`, to be completed by setters and [`fill_checksum`].
    pub fn init(bytes: &mut [u8]) -> Result<(&mut Self, &mut [u8]), ParseError> {
        view::init(bytes, Self::new(0, 0, 0), ParseError::Icmpv6Short)
    }

    #[inline(always)]
    pub fn parse(message: &[u8]) -> Result<(&Self, &[u8]), ParseError> {
        view::prefix(message, ParseError::Icmpv6Short)
    }

    #[inline(always)]
    pub fn parse_mut(message: &mut [u8]) -> Result<(&mut Self, &mut [u8]), ParseError> {
        view::prefix_mut(message, ParseError::Icmpv6Short)
    }

    #[inline(always)]
    pub const fn type_(&self) -> u8 {
        self.type_
    }

    #[inline(always)]
    pub const fn code(&self) -> u8 {
        self.code
    }

    #[inline(always)]
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }

    /// The second word, whose meaning depends on the type.
    #[inline(always)]
    pub fn rest(&self) -> u32 {
        self.rest.get()
    }

    /// Whether this reports about another packet and quotes it; such messages are never answered (RFC 4443 section 2.4(e)).
    #[inline(always)]
    pub const fn is_error(&self) -> bool {
        self.type_ < FIRST_INFORMATIONAL
    }

    /// Whether this belongs to neighbour discovery (RFC 4861), which is for this host and never balanced.
    #[inline(always)]
    pub const fn is_neighbour_discovery(&self) -> bool {
        matches!(self.type_, types::ROUTER_SOLICITATION..=types::REDIRECT)
    }

    /// The MTU of the next hop in "packet too big", in bytes.
    #[inline(always)]
    pub fn mtu(&self) -> u32 {
        self.rest.get()
    }

    /// Identifier of an echo message.
    #[inline(always)]
    pub fn echo_id(&self) -> u16 {
        (self.rest.get() >> 16) as u16
    }

    /// Sequence number of an echo message.
    #[inline(always)]
    pub fn echo_sequence(&self) -> u16 {
        self.rest.get() as u16
    }

    /// The checksum must follow, as after all setters.
    #[inline(always)]
    pub fn set_type(&mut self, type_: u8) {
        self.type_ = type_;
    }

    #[inline(always)]
    pub fn set_code(&mut self, code: u8) {
        self.code = code;
    }

    #[inline(always)]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.checksum.set(checksum);
    }

    #[inline(always)]
    pub fn set_rest(&mut self, rest: u32) {
        self.rest.set(rest);
    }

    /// Applies a change in the message or of its addresses to the checksum.
    #[inline(always)]
    pub fn update_checksum(&mut self, delta: Delta) {
        self.checksum.set(delta.apply(self.checksum.get()));
    }

    /// The header as bytes.
    #[inline(always)]
    pub fn as_bytes(&self) -> &[u8; HEADER_LEN] {
        zerocopy::transmute_ref!(self)
    }
}

/// Whether the checksum over pseudo header and the whole `message` is right.
pub fn verify_checksum(message: &[u8], pseudo: Sum) -> bool {
    pseudo.add_bytes(message).is_valid()
}

/// Computes and stores the checksum of the whole `message`. Does nothing below 8 bytes.
pub fn fill_checksum(message: &mut [u8], pseudo: Sum) {
    let Ok((header, data)) = Header::parse_mut(message) else { return };
    header.checksum = U16::ZERO;
    let sum = pseudo.add_bytes(header.as_bytes()).add_bytes(data);
    header.checksum.set(sum.checksum());
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ICMP6, ")?;
        match self.type_ {
            types::DESTINATION_UNREACHABLE => write!(f, "destination unreachable, code {}", self.code),
            types::PACKET_TOO_BIG => write!(f, "packet too big, mtu {}", self.mtu()),
            types::TIME_EXCEEDED => write!(f, "time exceeded, code {}", self.code),
            types::PARAMETER_PROBLEM => write!(f, "parameter problem, code {}", self.code),
            types::ECHO_REQUEST => write!(f, "echo request, id {}, seq {}", self.echo_id(), self.echo_sequence()),
            types::ECHO_REPLY => write!(f, "echo reply, id {}, seq {}", self.echo_id(), self.echo_sequence()),
            types::ROUTER_SOLICITATION => f.write_str("router solicitation"),
            types::ROUTER_ADVERTISEMENT => f.write_str("router advertisement"),
            types::NEIGHBOUR_SOLICITATION => f.write_str("neighbour solicitation"),
            types::NEIGHBOUR_ADVERTISEMENT => f.write_str("neighbour advertisement"),
            types::REDIRECT => f.write_str("redirect"),
            other => write!(f, "type {other}, code {}", self.code),
        }
    }
}

#[cfg(test)]
mod tests;

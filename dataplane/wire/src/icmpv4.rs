//! Internet Control Message Protocol for IPv4 (RFC 792).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |     type      |     code      |           checksum            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |            rest: by type (id and sequence, MTU, ...)          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   data; in an error: IP header and at least 8 bytes quoted ...
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! `parse` guarantees 8 bytes; accessors never panic after it.

use core::fmt;

use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checksum::{self, Delta};
use crate::{ParseError, view};

/// Length of the header in bytes.
pub const HEADER_LEN: usize = 8;
/// Offset of the checksum field in the header.
pub const CHECKSUM_OFFSET: usize = 2;

/// Message types.
pub mod types {
    pub const ECHO_REPLY: u8 = 0;
    pub const DESTINATION_UNREACHABLE: u8 = 3;
    pub const SOURCE_QUENCH: u8 = 4;
    pub const REDIRECT: u8 = 5;
    pub const ECHO_REQUEST: u8 = 8;
    pub const TIME_EXCEEDED: u8 = 11;
    pub const PARAMETER_PROBLEM: u8 = 12;
}

/// Codes of destination unreachable and time exceeded.
pub mod codes {
    pub const NET_UNREACHABLE: u8 = 0;
    pub const HOST_UNREACHABLE: u8 = 1;
    pub const PROTOCOL_UNREACHABLE: u8 = 2;
    pub const PORT_UNREACHABLE: u8 = 3;
    pub const FRAGMENTATION_NEEDED: u8 = 4;
    pub const TTL_EXCEEDED: u8 = 0;
    pub const REASSEMBLY_TIME_EXCEEDED: u8 = 1;
}

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
        view::init(bytes, Self::new(0, 0, 0), ParseError::Icmpv4Short)
    }

    #[inline(always)]
    pub fn parse(message: &[u8]) -> Result<(&Self, &[u8]), ParseError> {
        view::prefix(message, ParseError::Icmpv4Short)
    }

    #[inline(always)]
    pub fn parse_mut(message: &mut [u8]) -> Result<(&mut Self, &mut [u8]), ParseError> {
        view::prefix_mut(message, ParseError::Icmpv4Short)
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

    /// Whether this reports about another packet and quotes it; such messages are never answered (RFC 1122 section 3.2.2).
    #[inline(always)]
    pub const fn is_error(&self) -> bool {
        use types::{DESTINATION_UNREACHABLE, PARAMETER_PROBLEM, REDIRECT, SOURCE_QUENCH, TIME_EXCEEDED};
        matches!(self.type_, DESTINATION_UNREACHABLE | SOURCE_QUENCH | REDIRECT | TIME_EXCEEDED | PARAMETER_PROBLEM)
    }

    /// The MTU of the next hop in "fragmentation needed" (RFC 1191), in bytes; 0 from routers that do not say.
    #[inline(always)]
    pub fn mtu(&self) -> u16 {
        self.rest.get() as u16
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

    /// Applies a change in the message, quoted headers included, to the checksum.
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

/// Whether the checksum over the whole `message` is right.
pub fn verify_checksum(message: &[u8]) -> bool {
    checksum::sum(message).is_valid()
}

/// Computes and stores the checksum of the whole `message`. Does nothing below 8 bytes.
pub fn fill_checksum(message: &mut [u8]) {
    let Ok((header, data)) = Header::parse_mut(message) else { return };
    header.checksum = U16::ZERO;
    let sum = checksum::sum(header.as_bytes()).add_bytes(data);
    header.checksum.set(sum.checksum());
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ICMP ")?;
        match (self.type_, self.code) {
            (types::ECHO_REPLY, _) => write!(f, "echo reply, id {}, seq {}", self.echo_id(), self.echo_sequence()),
            (types::ECHO_REQUEST, _) => write!(f, "echo request, id {}, seq {}", self.echo_id(), self.echo_sequence()),
            (types::DESTINATION_UNREACHABLE, codes::FRAGMENTATION_NEEDED) => {
                write!(f, "unreachable - need to frag (mtu {})", self.mtu())
            }
            (types::DESTINATION_UNREACHABLE, code) => write!(f, "unreachable, code {code}"),
            (types::SOURCE_QUENCH, _) => f.write_str("source quench"),
            (types::REDIRECT, code) => write!(f, "redirect, code {code}"),
            (types::TIME_EXCEEDED, code) => write!(f, "time exceeded, code {code}"),
            (types::PARAMETER_PROBLEM, code) => write!(f, "parameter problem, code {code}"),
            (other, code) => write!(f, "type {other}, code {code}"),
        }
    }
}

#[cfg(test)]
mod tests;

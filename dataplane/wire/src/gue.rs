//! Generic UDP Encapsulation (draft-ietf-intarea-gue), variant 0, data messages.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |var|C|  hlen   |   protocol    |             flags             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                extension fields, 4 x hlen bytes ...
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! `parse` guarantees variant 0, no control message, and that the extension fields are there; it does not interpret them.
//! Accessors never panic after it.

use core::fmt;

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{ParseError, Protocol, view};

/// Length of a header without extension fields, in bytes.
pub const MIN_LEN: usize = 4;
/// UDP port assigned by IANA.
pub const PORT: u16 = 6080;

const VARIANT_MASK: u8 = 0xc0;
const CONTROL: u8 = 0x20;
const HLEN_MASK: u8 = 0x1f;

/// The fixed 4 bytes; extension fields follow them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    variant_hlen: u8,
    protocol: u8,
    flags: U16,
}

const _: () = assert!(size_of::<Header>() == MIN_LEN);

impl Header {
    pub const LEN: usize = MIN_LEN;

    /// Without flags and extension fields.
    pub const fn new(protocol: Protocol) -> Self {
        Self { variant_hlen: 0, protocol: protocol.0, flags: U16::ZERO }
    }

    /// The header, and what follows its fixed part: extension fields and payload.
    pub fn parse(message: &[u8]) -> Result<(&Self, &[u8]), ParseError> {
        let (header, rest): (&Self, _) = view::prefix(message, ParseError::GueShort)?;
        header.check(MIN_LEN + rest.len())?;
        Ok((header, rest))
    }

    /// As [`Header::parse`], writable.
    pub fn parse_mut(message: &mut [u8]) -> Result<(&mut Self, &mut [u8]), ParseError> {
        let (header, rest): (&mut Self, _) = view::prefix_mut(message, ParseError::GueShort)?;
        header.check(MIN_LEN + rest.len())?;
        Ok((header, rest))
    }

    /// What the payload is.
    #[inline(always)]
    pub const fn protocol(&self) -> Protocol {
        Protocol(self.protocol)
    }

    /// Announces extension fields.
    #[inline(always)]
    pub fn flags(&self) -> u16 {
        self.flags.get()
    }

    /// Length with extension fields, in bytes.
    #[inline(always)]
    pub const fn header_len(&self) -> usize {
        MIN_LEN + (self.variant_hlen & HLEN_MASK) as usize * 4
    }

    /// The payload in `rest`, the second result of `parse`.
    pub fn payload<'a>(&self, rest: &'a [u8]) -> &'a [u8] {
        rest.get(self.header_len() - MIN_LEN..).unwrap_or_default()
    }

    /// The fixed header as bytes.
    #[inline(always)]
    pub fn as_bytes(&self) -> &[u8; MIN_LEN] {
        zerocopy::transmute_ref!(self)
    }

    fn check(&self, available: usize) -> Result<(), ParseError> {
        if self.variant_hlen & (VARIANT_MASK | CONTROL) != 0 {
            Err(ParseError::GueUnsupported)
        } else if self.header_len() > available {
            Err(ParseError::GueShort)
        } else {
            Ok(())
        }
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GUE, proto {}, flags 0x{:04x}, header length {}", self.protocol(), self.flags(), self.header_len())
    }
}

#[cfg(test)]
mod tests;

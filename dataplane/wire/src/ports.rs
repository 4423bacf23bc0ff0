//! The two ports that TCP, UDP and SCTP (and UDP-Lite, DCCP) all start with.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |          source port          |       destination port        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! For packets quoted in ICMP errors, where often nothing else is there. `parse` guarantees 4 bytes; accessors never panic after it.

use core::fmt;

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{ParseError, view};

/// Length of both ports in bytes.
pub const HEADER_LEN: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    source: U16,
    destination: U16,
}

const _: () = assert!(size_of::<Header>() == HEADER_LEN);

impl Header {
    pub const LEN: usize = HEADER_LEN;

    #[inline(always)]
    pub fn parse(segment: &[u8]) -> Result<(&Self, &[u8]), ParseError> {
        view::prefix(segment, ParseError::PortsShort)
    }

    #[inline(always)]
    pub fn parse_mut(segment: &mut [u8]) -> Result<(&mut Self, &mut [u8]), ParseError> {
        view::prefix_mut(segment, ParseError::PortsShort)
    }

    #[inline(always)]
    pub fn source(&self) -> u16 {
        self.source.get()
    }

    #[inline(always)]
    pub fn destination(&self) -> u16 {
        self.destination.get()
    }

    /// The transport checksum must follow.
    #[inline(always)]
    pub fn set_source(&mut self, port: u16) {
        self.source.set(port);
    }

    /// The transport checksum must follow.
    #[inline(always)]
    pub fn set_destination(&mut self, port: u16) {
        self.destination.set(port);
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {}", self.source(), self.destination())
    }
}

#[cfg(test)]
mod tests;

//! Generic Routing Encapsulation (RFC 2784; key and sequence number: RFC 2890).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |C| |K|S|       reserved  | ver |         protocol type         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |      checksum (if C set)      |        reserved (if C)        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                         key (if K set)                        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                    sequence number (if S set)                 |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! `parse` guarantees version 0, no routing, and that all fields the flags announce are there. It does not verify the checksum.
//! Accessors never panic after it.

use core::fmt;

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checksum;
use crate::{EtherType, ParseError, view};

/// Length of a header without optional fields, in bytes.
pub const MIN_LEN: usize = 4;
/// Length of a header with checksum only, in bytes.
pub const LEN_WITH_CHECKSUM: usize = MIN_LEN + OPTION_LEN;
/// Offset of the checksum field, if there is one.
pub const CHECKSUM_OFFSET: usize = 4;

/// Each optional field, the checksum with its reserved half, is 4 bytes long.
const OPTION_LEN: usize = 4;
const CHECKSUM_PRESENT: u16 = 0x8000;
const KEY_PRESENT: u16 = 0x2000;
const SEQUENCE_PRESENT: u16 = 0x1000;
/// Version, and the bits 1, 4 and 5 that only RFC 1701 used; RFC 2784 section 2.3 has us discard those packets.
const UNSUPPORTED: u16 = 0x4c07;

/// The fixed 4 bytes; optional fields follow them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    flags_version: U16,
    protocol: U16,
}

const _: () = assert!(size_of::<Header>() == MIN_LEN);

impl Header {
    pub const LEN: usize = MIN_LEN;

    /// Without optional fields.
    pub const fn new(protocol: EtherType) -> Self {
        Self { flags_version: U16::ZERO, protocol: U16::from_bytes(protocol.0.to_be_bytes()) }
    }

    /// Announces a checksum: [`LEN_WITH_CHECKSUM`] bytes, to be filled by [`fill_checksum`].
    pub const fn new_with_checksum(protocol: EtherType) -> Self {
        let flags = U16::from_bytes(CHECKSUM_PRESENT.to_be_bytes());
        Self { flags_version: flags, protocol: U16::from_bytes(protocol.0.to_be_bytes()) }
    }

    /// The header, and what follows its fixed part: optional fields and payload.
    pub fn parse(packet: &[u8]) -> Result<(&Self, &[u8]), ParseError> {
        let (header, rest): (&Self, _) = view::prefix(packet, ParseError::GreShort)?;
        header.check(MIN_LEN + rest.len())?;
        Ok((header, rest))
    }

    /// As [`Header::parse`], writable.
    pub fn parse_mut(packet: &mut [u8]) -> Result<(&mut Self, &mut [u8]), ParseError> {
        let (header, rest): (&mut Self, _) = view::prefix_mut(packet, ParseError::GreShort)?;
        header.check(MIN_LEN + rest.len())?;
        Ok((header, rest))
    }

    /// What the payload is.
    #[inline(always)]
    pub fn protocol(&self) -> EtherType {
        EtherType(self.protocol.get())
    }

    #[inline(always)]
    pub fn has_checksum(&self) -> bool {
        self.has(CHECKSUM_PRESENT)
    }

    #[inline(always)]
    pub fn has_key(&self) -> bool {
        self.has(KEY_PRESENT)
    }

    #[inline(always)]
    pub fn has_sequence(&self) -> bool {
        self.has(SEQUENCE_PRESENT)
    }

    /// Length with all optional fields, in bytes.
    #[inline(always)]
    pub fn header_len(&self) -> usize {
        let fields = usize::from(self.has_checksum()) + usize::from(self.has_key()) + usize::from(self.has_sequence());
        MIN_LEN + OPTION_LEN * fields
    }

    /// The key, from the second result of `parse`.
    pub fn key(&self, rest: &[u8]) -> Option<u32> {
        let start = if self.has_checksum() { OPTION_LEN } else { 0 };
        let bytes = rest.get(start..)?.first_chunk()?;
        self.has_key().then_some(u32::from_be_bytes(*bytes))
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

    #[inline(always)]
    fn has(&self, flag: u16) -> bool {
        self.flags_version.get() & flag != 0
    }

    fn check(&self, available: usize) -> Result<(), ParseError> {
        if self.has(UNSUPPORTED) {
            Err(ParseError::GreUnsupported)
        } else if self.header_len() > available {
            Err(ParseError::GreShort)
        } else {
            Ok(())
        }
    }
}

/// Whether the checksum over the whole `packet` (GRE header and payload) is right or absent.
pub fn verify_checksum(packet: &[u8]) -> bool {
    Header::parse(packet).is_ok_and(|(header, _)| !header.has_checksum() || checksum::sum(packet).is_valid())
}

/// Computes and stores the checksum of the whole `packet`, and zeroes the reserved half. Does nothing if the header announces no
/// checksum.
pub fn fill_checksum(packet: &mut [u8]) {
    let Ok((header, rest)) = Header::parse_mut(packet) else { return };
    if !header.has_checksum() {
        return;
    }
    let Some(field) = rest.first_chunk_mut::<OPTION_LEN>() else { return };
    *field = [0; OPTION_LEN];
    let [high, low] = checksum::sum(packet).checksum().to_be_bytes();
    packet[CHECKSUM_OFFSET..CHECKSUM_OFFSET + 2].copy_from_slice(&[high, low]);
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GREv0, Flags [")?;
        let flags = [(self.has_checksum(), "C"), (self.has_key(), "K"), (self.has_sequence(), "S")];
        if flags.iter().all(|(set, _)| !set) {
            f.write_str("none")?;
        }
        flags.iter().filter(|(set, _)| *set).try_for_each(|(_, letter)| f.write_str(letter))?;
        write!(f, "], proto {}", self.protocol())
    }
}

#[cfg(test)]
mod tests;

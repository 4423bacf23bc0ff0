//! Transmission Control Protocol (RFC 9293).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |          source port          |       destination port        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                        sequence number                        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                     acknowledgement number                    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | offset| resvd |C|E|U|A|P|R|S|F|            window             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |           checksum            |        urgent pointer         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                 options, 0 to 40 bytes ...
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! `parse` guarantees 20 bytes and a data offset of at least 20. A data offset beyond the segment is not refused, because Linux
//! IPVS forwards such segments: ask [`Header::header_fits`]. Accessors never panic after it.

mod flags;

use core::fmt;

use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

pub use flags::Flags;

use crate::checksum::{Delta, Sum};
use crate::{ParseError, view};

/// Length of a header without options, in bytes.
pub const MIN_LEN: usize = 20;
/// Length of a header with all possible options, in bytes.
pub const MAX_LEN: usize = 60;
/// Offset of the checksum field in the header.
pub const CHECKSUM_OFFSET: usize = 16;

/// The fixed 20 bytes; options follow them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    source_port: U16,
    destination_port: U16,
    sequence: U32,
    acknowledgement: U32,
    data_offset: u8,
    flags: u8,
    window: U16,
    checksum: U16,
    urgent: U16,
}

const _: () = assert!(size_of::<Header>() == MIN_LEN);

impl Header {
    pub const LEN: usize = MIN_LEN;

    /// No options, all else zero.
    pub const fn new() -> Self {
        Self {
            source_port: U16::ZERO,
            destination_port: U16::ZERO,
            sequence: U32::ZERO,
            acknowledgement: U32::ZERO,
            data_offset: ((MIN_LEN / 4) as u8) << 4,
            flags: 0,
            window: U16::ZERO,
            checksum: U16::ZERO,
            urgent: U16::ZERO,
        }
    }

    /// Writes [`Header::new`] over the front of `bytes`, to be completed by setters and [`fill_checksum`].
    pub fn init(bytes: &mut [u8]) -> Result<(&mut Self, &mut [u8]), ParseError> {
        view::init(bytes, Self::new(), ParseError::TcpShort)
    }

    /// The header, and what follows its fixed part: options and payload.
    #[inline(always)]
    pub fn parse(segment: &[u8]) -> Result<(&Self, &[u8]), ParseError> {
        let (header, rest) = Self::view(segment)?;
        header.check()?;
        Ok((header, rest))
    }

    /// As [`Header::parse`], writable.
    #[inline(always)]
    pub fn parse_mut(segment: &mut [u8]) -> Result<(&mut Self, &mut [u8]), ParseError> {
        let (header, rest) = Self::view_mut(segment)?;
        header.check()?;
        Ok((header, rest))
    }

    /// Only checks that 20 bytes are there: for a segment that was parsed before.
    #[inline(always)]
    pub fn view(segment: &[u8]) -> Result<(&Self, &[u8]), ParseError> {
        view::prefix(segment, ParseError::TcpShort)
    }

    /// As [`Header::view`], writable.
    #[inline(always)]
    pub fn view_mut(segment: &mut [u8]) -> Result<(&mut Self, &mut [u8]), ParseError> {
        view::prefix_mut(segment, ParseError::TcpShort)
    }

    #[inline(always)]
    pub fn source_port(&self) -> u16 {
        self.source_port.get()
    }

    #[inline(always)]
    pub fn destination_port(&self) -> u16 {
        self.destination_port.get()
    }

    #[inline(always)]
    pub fn sequence(&self) -> u32 {
        self.sequence.get()
    }

    #[inline(always)]
    pub fn acknowledgement(&self) -> u32 {
        self.acknowledgement.get()
    }

    /// The data offset: length of the header with options, in bytes. May exceed the segment.
    #[inline(always)]
    pub const fn header_len(&self) -> usize {
        (self.data_offset >> 4) as usize * 4
    }

    /// Whether the header with its options fits into a segment of `segment_len` bytes.
    #[inline(always)]
    pub const fn header_fits(&self, segment_len: usize) -> bool {
        self.header_len() <= segment_len
    }

    #[inline(always)]
    pub const fn flags(&self) -> Flags {
        Flags(self.flags)
    }

    /// As on the wire, not scaled.
    #[inline(always)]
    pub fn window(&self) -> u16 {
        self.window.get()
    }

    #[inline(always)]
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }

    #[inline(always)]
    pub fn urgent_pointer(&self) -> u16 {
        self.urgent.get()
    }

    /// The options in `rest`, the second result of `parse`; none if the data offset is beyond the segment.
    #[inline(always)]
    pub fn options<'a>(&self, rest: &'a [u8]) -> &'a [u8] {
        rest.get(..self.header_len().saturating_sub(MIN_LEN)).unwrap_or_default()
    }

    /// The data in `rest`, the second result of `parse`; none if the data offset is beyond the segment.
    #[inline(always)]
    pub fn payload<'a>(&self, rest: &'a [u8]) -> &'a [u8] {
        rest.get(self.header_len().saturating_sub(MIN_LEN)..).unwrap_or_default()
    }

    /// The checksum must follow, as after all setters.
    #[inline(always)]
    pub fn set_source_port(&mut self, port: u16) {
        self.source_port.set(port);
    }

    #[inline(always)]
    pub fn set_destination_port(&mut self, port: u16) {
        self.destination_port.set(port);
    }

    #[inline(always)]
    pub fn set_sequence(&mut self, sequence: u32) {
        self.sequence.set(sequence);
    }

    #[inline(always)]
    pub fn set_acknowledgement(&mut self, acknowledgement: u32) {
        self.acknowledgement.set(acknowledgement);
    }

    /// In bytes: a multiple of 4 from 20 to 60, rounded down to that. The reserved bits stay.
    pub fn set_header_len(&mut self, len: usize) {
        let words = (len.clamp(MIN_LEN, MAX_LEN) / 4) as u8;
        self.data_offset = (self.data_offset & 0x0f) | (words << 4);
    }

    #[inline(always)]
    pub fn set_flags(&mut self, flags: Flags) {
        self.flags = flags.0;
    }

    #[inline(always)]
    pub fn set_window(&mut self, window: u16) {
        self.window.set(window);
    }

    #[inline(always)]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.checksum.set(checksum);
    }

    #[inline(always)]
    pub fn set_urgent_pointer(&mut self, pointer: u16) {
        self.urgent.set(pointer);
    }

    /// Applies a change of fields or addresses to the checksum.
    #[inline(always)]
    pub fn update_checksum(&mut self, delta: Delta) {
        self.checksum.set(delta.apply(self.checksum.get()));
    }

    /// The fixed header as bytes.
    #[inline(always)]
    pub fn as_bytes(&self) -> &[u8; MIN_LEN] {
        zerocopy::transmute_ref!(self)
    }

    #[inline(always)]
    fn check(&self) -> Result<(), ParseError> {
        if self.header_len() < MIN_LEN { Err(ParseError::TcpDataOffset) } else { Ok(()) }
    }
}

impl Default for Header {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether the checksum of `segment` is right; `pseudo` is the pseudo header sum of either IP version.
#[inline(always)]
pub fn verify_checksum(segment: &[u8], pseudo: Sum) -> bool {
    pseudo.add_bytes(segment).is_valid()
}

/// Computes and stores the checksum of `segment`, whatever the field held: also completes a partial one. Does nothing below 20
/// bytes.
#[inline(always)]
pub fn fill_checksum(segment: &mut [u8], pseudo: Sum) {
    let Ok((header, rest)) = Header::view_mut(segment) else { return };
    header.checksum = U16::ZERO;
    let sum = pseudo.add_bytes(header.as_bytes()).add_bytes(rest);
    header.checksum.set(sum.checksum());
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {}: Flags [{}], ", self.source_port(), self.destination_port(), self.flags())?;
        write!(f, "seq {}, ", self.sequence())?;
        if self.flags().contains(Flags::ACK) {
            write!(f, "ack {}, ", self.acknowledgement())?;
        }
        write!(f, "win {}", self.window())
    }
}

#[cfg(test)]
mod tests;

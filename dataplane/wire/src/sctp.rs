//! Stream Control Transmission Protocol (RFC 9260): common header and the head of a chunk.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |          source port          |       destination port        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                       verification tag                        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                       checksum (CRC32c)                       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  chunk type   |  chunk flags  |         chunk length          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! `parse` guarantees 12 bytes (4 of a chunk); accessors never panic after it. The checksum covers the packet alone, no pseudo
//! header, so a change of addresses leaves it right.

mod crc32c;

use core::fmt;

use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{ParseError, view};

/// Length of the common header in bytes.
pub const HEADER_LEN: usize = 12;
/// Length of the head of a chunk in bytes.
pub const CHUNK_HEADER_LEN: usize = 4;
/// Offset of the checksum field in the common header.
pub const CHECKSUM_OFFSET: usize = 8;

/// Chunk types.
pub mod chunks {
    pub const DATA: u8 = 0;
    pub const INIT: u8 = 1;
    pub const INIT_ACK: u8 = 2;
    pub const SACK: u8 = 3;
    pub const HEARTBEAT: u8 = 4;
    pub const HEARTBEAT_ACK: u8 = 5;
    pub const ABORT: u8 = 6;
    pub const SHUTDOWN: u8 = 7;
    pub const SHUTDOWN_ACK: u8 = 8;
    pub const ERROR: u8 = 9;
    pub const COOKIE_ECHO: u8 = 10;
    pub const COOKIE_ACK: u8 = 11;
    pub const ECNE: u8 = 12;
    pub const CWR: u8 = 13;
    pub const SHUTDOWN_COMPLETE: u8 = 14;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    source_port: U16,
    destination_port: U16,
    verification_tag: U32,
    /// Little-endian on the wire (RFC 9260 appendix A), unlike all other fields.
    checksum: [u8; 4],
}

const _: () = assert!(size_of::<Header>() == HEADER_LEN);

impl Header {
    pub const LEN: usize = HEADER_LEN;

    /// The common header and the chunks.
    #[inline(always)]
    pub fn parse(packet: &[u8]) -> Result<(&Self, &[u8]), ParseError> {
        view::prefix(packet, ParseError::SctpShort)
    }

    #[inline(always)]
    pub fn parse_mut(packet: &mut [u8]) -> Result<(&mut Self, &mut [u8]), ParseError> {
        view::prefix_mut(packet, ParseError::SctpShort)
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
    pub fn verification_tag(&self) -> u32 {
        self.verification_tag.get()
    }

    #[inline(always)]
    pub const fn checksum(&self) -> u32 {
        u32::from_le_bytes(self.checksum)
    }

    /// The checksum must follow: [`fill_checksum`].
    #[inline(always)]
    pub fn set_source_port(&mut self, port: u16) {
        self.source_port.set(port);
    }

    /// The checksum must follow: [`fill_checksum`].
    #[inline(always)]
    pub fn set_destination_port(&mut self, port: u16) {
        self.destination_port.set(port);
    }
}

/// The head of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Chunk {
    type_: u8,
    flags: u8,
    length: U16,
}

const _: () = assert!(size_of::<Chunk>() == CHUNK_HEADER_LEN);

impl Chunk {
    /// The head of the first chunk in `chunks`, and what follows the head.
    #[inline(always)]
    pub fn parse(chunks: &[u8]) -> Result<(&Self, &[u8]), ParseError> {
        view::prefix(chunks, ParseError::SctpChunkShort)
    }

    /// One of [`chunks`], or another.
    #[inline(always)]
    pub const fn type_(&self) -> u8 {
        self.type_
    }

    #[inline(always)]
    pub const fn flags(&self) -> u8 {
        self.flags
    }

    /// With its head and without padding, in bytes, as claimed.
    #[inline(always)]
    pub fn length(&self) -> u16 {
        self.length.get()
    }
}

/// Whether the CRC32c over the whole `packet` is right.
pub fn verify_checksum(packet: &[u8]) -> bool {
    Header::parse(packet).is_ok_and(|(header, chunks)| header.checksum() == checksum(header, chunks))
}

/// Computes and stores the CRC32c of the whole `packet`. Does nothing below 12 bytes.
pub fn fill_checksum(packet: &mut [u8]) {
    let Ok((header, chunks)) = Header::parse_mut(packet) else { return };
    header.checksum = checksum(header, chunks).to_le_bytes();
}

/// The CRC32c of a packet, its checksum field taken as zero.
fn checksum(header: &Header, chunks: &[u8]) -> u32 {
    let blank = Header { checksum: [0; 4], ..*header };
    crc32c::Crc::new().update(blank.as_bytes()).update(chunks).finish()
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {}: sctp, tag {}", self.source_port(), self.destination_port(), self.verification_tag())
    }
}

#[cfg(test)]
mod tests;

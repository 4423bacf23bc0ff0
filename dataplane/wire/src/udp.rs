//! User Datagram Protocol (RFC 768).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |          source port          |       destination port        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |            length             |           checksum            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! `parse` guarantees 8 bytes. A length field unlike the datagram is not refused, because Linux IPVS forwards such datagrams:
//! ask [`Header::length_is_consistent`]. Accessors never panic after it.

use core::fmt;

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checksum::{Delta, Sum};
use crate::{ParseError, view};

/// Length of the header in bytes.
pub const HEADER_LEN: usize = 8;
/// Offset of the checksum field in the header.
pub const CHECKSUM_OFFSET: usize = 6;
/// Checksum field of a datagram without checksum. Legal over IPv4, and over IPv6 for some tunnels (RFC 6935).
pub const NO_CHECKSUM: u16 = 0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    source_port: U16,
    destination_port: U16,
    length: U16,
    checksum: U16,
}

const _: () = assert!(size_of::<Header>() == HEADER_LEN);

impl Header {
    pub const LEN: usize = HEADER_LEN;

    /// Without checksum. `length` counts header and data, in bytes.
    pub const fn new(source_port: u16, destination_port: u16, length: u16) -> Self {
        Self {
            source_port: U16::from_bytes(source_port.to_be_bytes()),
            destination_port: U16::from_bytes(destination_port.to_be_bytes()),
            length: U16::from_bytes(length.to_be_bytes()),
            checksum: U16::ZERO,
        }
    }

    /// Writes a header of zeroes over the front of `bytes`, to be completed by setters and [`fill_checksum`].
    #[inline(always)]
    pub fn init(bytes: &mut [u8]) -> Result<(&mut Self, &mut [u8]), ParseError> {
        view::init(bytes, Self::new(0, 0, 0), ParseError::UdpShort)
    }

    #[inline(always)]
    pub fn parse(datagram: &[u8]) -> Result<(&Self, &[u8]), ParseError> {
        view::prefix(datagram, ParseError::UdpShort)
    }

    #[inline(always)]
    pub fn parse_mut(datagram: &mut [u8]) -> Result<(&mut Self, &mut [u8]), ParseError> {
        view::prefix_mut(datagram, ParseError::UdpShort)
    }

    #[inline(always)]
    pub fn source_port(&self) -> u16 {
        self.source_port.get()
    }

    #[inline(always)]
    pub fn destination_port(&self) -> u16 {
        self.destination_port.get()
    }

    /// Header and data in bytes, as claimed.
    #[inline(always)]
    pub fn length(&self) -> u16 {
        self.length.get()
    }

    /// Whether the length field counts at least the header and no more than the `datagram_len` bytes there are.
    #[inline(always)]
    pub fn length_is_consistent(&self, datagram_len: usize) -> bool {
        (HEADER_LEN..=datagram_len).contains(&usize::from(self.length()))
    }

    #[inline(always)]
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }

    #[inline(always)]
    pub fn has_checksum(&self) -> bool {
        self.checksum.get() != NO_CHECKSUM
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

    /// Header and data, in bytes.
    #[inline(always)]
    pub fn set_length(&mut self, length: u16) {
        self.length.set(length);
    }

    #[inline(always)]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.checksum.set(checksum);
    }

    /// Applies a change of fields or addresses to the checksum. A field of 0 becomes a wrong checksum: ask
    /// [`Header::has_checksum`] before.
    #[inline(always)]
    pub fn update_checksum(&mut self, delta: Delta) {
        self.checksum.set(delta.apply_udp(self.checksum.get()));
    }

    /// The header as bytes.
    #[inline(always)]
    pub fn as_bytes(&self) -> &[u8; HEADER_LEN] {
        zerocopy::transmute_ref!(self)
    }
}

/// Whether the checksum of `datagram` is right or absent; `pseudo` is the pseudo header sum of either IP version.
#[inline(always)]
pub fn verify_checksum(datagram: &[u8], pseudo: Sum) -> bool {
    match Header::parse(datagram) {
        Ok((header, _)) if header.has_checksum() => pseudo.add_bytes(datagram).is_valid(),
        Ok(_) => true,
        Err(_) => false,
    }
}

/// Computes and stores the checksum of `datagram`, whatever the field held: also completes a partial one. Does nothing below 8
/// bytes.
#[inline(always)]
pub fn fill_checksum(datagram: &mut [u8], pseudo: Sum) {
    let Ok((header, data)) = Header::parse_mut(datagram) else { return };
    header.checksum = U16::ZERO;
    let sum = pseudo.add_bytes(header.as_bytes()).add_bytes(data);
    header.checksum.set(sum.udp_checksum());
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {}: UDP, length {}", self.source_port(), self.destination_port(), self.length())
    }
}

#[cfg(test)]
mod tests;

//! The Internet checksum (RFC 1071) of IPv4, TCP, UDP, ICMP and GRE, and its incremental update (RFC 1624).
//!
//! A checksum is the complement of the one's complement sum of the data as big-endian 16-bit words. [`Sum`] is such a sum,
//! not complemented and not yet folded; [`Delta`] is what changes when fields are replaced.
//!
//! # The two zeroes
//!
//! One's complement has +0 (0x0000) and -0 (0xffff). They are equal as sums, so two checksums may differ as numbers and both be
//! right: compare by verifying, never with `==`. Folding yields 0x0000 only if every byte was zero. Data that holds a non-zero
//! byte (each IPv4 header, each segment with its pseudo header) therefore never has the checksum 0xffff.
//!
//! UDP reserves the field value 0 for "no checksum" and sends a computed 0 as 0xffff instead:
//!
//! ```text
//! //= https://www.rfc-editor.org/rfc/rfc768
//! //# If the computed  checksum  is zero,  it is transmitted  as all ones (the
//! //# equivalent  in one's complement  arithmetic).   An all zero  transmitted
//! //# checksum  value means that the transmitter  generated  no checksum
//! ```
//!
//! # Partial checksums
//!
//! Frames from veth, tap and virtio peers may hold only the folded pseudo header sum in the TCP or UDP checksum field, because
//! the sender left the rest to hardware that is not there. [`is_partial`] detects them.

mod delta;

use core::net::Ipv4Addr;

pub use delta::Delta;

use crate::Protocol;

/// A one's complement sum of big-endian 16-bit words, not complemented.
#[derive(Debug, Clone, Copy, Default)]
#[must_use]
pub struct Sum(u64);

impl Sum {
    #[inline(always)]
    pub const fn new() -> Self {
        Self(0)
    }

    /// Adds `bytes` as if a zero byte followed an odd length (RFC 1071 section 1). Of several pieces only the last may be odd.
    #[inline(always)]
    pub fn add_bytes(self, bytes: &[u8]) -> Self {
        // The sum of byte-swapped words is the byte-swapped sum (RFC 1071 section 2(B)), so words are read in native order.
        Self(self.0 + u64::from(u16::from_be(fold(sum_native(bytes)))))
    }

    /// Adds one 16-bit word.
    #[inline(always)]
    pub const fn add_u16(self, word: u16) -> Self {
        Self(self.0 + word as u64)
    }

    /// Adds the two 16-bit words of `double`.
    #[inline(always)]
    pub const fn add_u32(self, double: u32) -> Self {
        // 2^16 is 1 in one's complement: folding brings the upper half down.
        Self(self.0 + double as u64)
    }

    /// Adds another sum.
    #[inline(always)]
    pub const fn add(self, other: Sum) -> Self {
        Self(self.0 + other.0)
    }

    /// The sum in 16 bits, not complemented: what a partial checksum field holds.
    #[inline(always)]
    pub const fn fold(self) -> u16 {
        fold(self.0)
    }

    /// The complement of the folded sum: what a checksum field holds.
    #[inline(always)]
    pub const fn checksum(self) -> u16 {
        !self.fold()
    }

    /// As [`Sum::checksum`] for UDP, where 0 is sent as 0xffff.
    #[inline(always)]
    pub const fn udp_checksum(self) -> u16 {
        match self.checksum() {
            0 => 0xffff,
            sum => sum,
        }
    }

    /// Whether a sum over data *including* its checksum field says that the data is intact.
    #[inline(always)]
    pub const fn is_valid(self) -> bool {
        self.fold() == 0xffff
    }
}

/// The sum of `bytes` alone.
#[inline(always)]
pub fn sum(bytes: &[u8]) -> Sum {
    Sum::new().add_bytes(bytes)
}

/// Pseudo header of TCP (RFC 9293 section 3.1) and UDP (RFC 768) over IPv4; `len` is the length of the segment in bytes.
#[inline(always)]
pub const fn pseudo_header_v4(source: Ipv4Addr, destination: Ipv4Addr, protocol: Protocol, len: u16) -> Sum {
    Sum::new().add_u32(source.to_bits()).add_u32(destination.to_bits()).add_u16(protocol.0 as u16).add_u16(len)
}

/// Pseudo header over IPv6 (RFC 8200 section 8.1); `len` is the length of the upper-layer packet in bytes, without extension
/// headers, and `protocol` the upper-layer protocol, not the first next header field.
#[inline(always)]
pub fn pseudo_header_v6(source: &[u8; 16], destination: &[u8; 16], protocol: Protocol, len: u32) -> Sum {
    Sum::new().add_bytes(source).add_bytes(destination).add_u16(protocol.0 as u16).add_u32(len)
}

/// The checksum of a whole TCP or UDP segment, or other user of the IPv4 pseudo header. Its checksum field must be zero.
/// For UDP, 0 becomes 0xffff.
pub fn transport_v4(source: Ipv4Addr, destination: Ipv4Addr, protocol: Protocol, segment: &[u8]) -> u16 {
    let sum = pseudo_header_v4(source, destination, protocol, segment.len() as u16).add_bytes(segment);
    if protocol == Protocol::UDP { sum.udp_checksum() } else { sum.checksum() }
}

/// As [`transport_v4`] with the IPv6 pseudo header, for TCP, UDP and ICMPv6.
pub fn transport_v6(source: &[u8; 16], destination: &[u8; 16], protocol: Protocol, segment: &[u8]) -> u16 {
    let sum = pseudo_header_v6(source, destination, protocol, segment.len() as u32).add_bytes(segment);
    if protocol == Protocol::UDP { sum.udp_checksum() } else { sum.checksum() }
}

/// Whether a TCP or UDP checksum field holds only the pseudo header sum (Linux: `CHECKSUM_PARTIAL`). `pseudo` is the sum with
/// the addresses as received. A complete checksum looks like this once in 65536 packets, and recomputing it then is harmless.
#[inline(always)]
pub const fn is_partial(field: u16, pseudo: Sum) -> bool {
    field == pseudo.fold()
}

/// Sum of `bytes` in native byte order, in 32-bit words. Cannot overflow below 16 GiB.
#[inline(always)]
fn sum_native(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<8>();
    let (mut low, mut high) = (0_u64, 0_u64);
    // Two sums of halves rather than one with carry: no dependency on a flag, so the compiler can use vector registers.
    for block in blocks {
        let word = u64::from_ne_bytes(*block);
        low += word & 0xffff_ffff;
        high += word >> 32;
    }
    low + high + sum_native_tail(rest)
}

/// As [`sum_native`] for at most 7 bytes.
#[inline(always)]
fn sum_native_tail(bytes: &[u8]) -> u64 {
    let mut sum = 0;
    let (quads, rest) = bytes.as_chunks::<4>();
    if let Some(quad) = quads.first() {
        sum += u64::from(u32::from_ne_bytes(*quad));
    }
    let (pairs, rest) = rest.as_chunks::<2>();
    if let Some(pair) = pairs.first() {
        sum += u64::from(u16::from_ne_bytes(*pair));
    }
    if let Some(last) = rest.first() {
        sum += u64::from(u16::from_ne_bytes([*last, 0]));
    }
    sum
}

/// Adds the carries back in until 16 bits remain: halves are added with an end-around carry, twice. The sum of a word and the word
/// with its halves swapped has that sum in its upper half, since the lower half (the same sum) hands its carry up.
#[inline(always)]
const fn fold(sum: u64) -> u16 {
    let sum = (sum.wrapping_add(sum.rotate_left(32)) >> 32) as u32;
    (sum.wrapping_add(sum.rotate_left(16)) >> 16) as u16
}

#[cfg(test)]
mod tests;

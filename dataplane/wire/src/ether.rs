//! Ethernet II frame header (IEEE 802.3).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                      destination address                      |
//! +                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                               |        source address         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +
//! |                                                               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |           EtherType           |            payload
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! `parse` guarantees 14 bytes; accessors never panic after it. The payload may end with padding to the minimum frame size.

mod mac;

use core::fmt;

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

pub use mac::{MacAddr, ParseMacError};

use crate::{ParseError, view};

/// Length of the header in bytes.
pub const HEADER_LEN: usize = 14;

/// What a frame carries. Values below 0x0600 are 802.3 lengths, which we do not handle.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EtherType(pub u16);

impl EtherType {
    pub const IPV4: Self = Self(0x0800);
    pub const ARP: Self = Self(0x0806);
    /// 802.1Q customer tag.
    pub const VLAN: Self = Self(0x8100);
    pub const IPV6: Self = Self(0x86dd);
    /// 802.1ad service tag.
    pub const SERVICE_VLAN: Self = Self(0x88a8);

    /// Whether a VLAN tag follows.
    #[inline(always)]
    pub const fn is_vlan(self) -> bool {
        matches!(self, Self::VLAN | Self::SERVICE_VLAN)
    }
}

impl fmt::Display for EtherType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::IPV4 => "IPv4",
            Self::ARP => "ARP",
            Self::VLAN => "802.1Q",
            Self::IPV6 => "IPv6",
            Self::SERVICE_VLAN => "802.1ad",
            Self(other) => return write!(f, "0x{other:04x}"),
        })
    }
}

impl fmt::Debug for EtherType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:04x}", self.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    destination: MacAddr,
    source: MacAddr,
    ethertype: U16,
}

const _: () = assert!(size_of::<Header>() == HEADER_LEN);

impl Header {
    pub const LEN: usize = HEADER_LEN;

    pub const fn new(destination: MacAddr, source: MacAddr, ethertype: EtherType) -> Self {
        Self { destination, source, ethertype: U16::from_bytes(ethertype.0.to_be_bytes()) }
    }

    #[inline(always)]
    pub fn parse(frame: &[u8]) -> Result<(&Self, &[u8]), ParseError> {
        view::prefix(frame, ParseError::EtherShort)
    }

    #[inline(always)]
    pub fn parse_mut(frame: &mut [u8]) -> Result<(&mut Self, &mut [u8]), ParseError> {
        view::prefix_mut(frame, ParseError::EtherShort)
    }

    #[inline(always)]
    pub const fn destination(&self) -> MacAddr {
        self.destination
    }

    #[inline(always)]
    pub const fn source(&self) -> MacAddr {
        self.source
    }

    #[inline(always)]
    pub fn ethertype(&self) -> EtherType {
        EtherType(self.ethertype.get())
    }

    #[inline(always)]
    pub fn set_destination(&mut self, address: MacAddr) {
        self.destination = address;
    }

    #[inline(always)]
    pub fn set_source(&mut self, address: MacAddr) {
        self.source = address;
    }

    #[inline(always)]
    pub fn set_ethertype(&mut self, ethertype: EtherType) {
        self.ethertype.set(ethertype.0);
    }

    /// The header as bytes.
    #[inline(always)]
    pub fn as_bytes(&self) -> &[u8; HEADER_LEN] {
        zerocopy::transmute_ref!(self)
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {}, ethertype {}", self.source, self.destination, self.ethertype())
    }
}

#[cfg(test)]
mod tests;

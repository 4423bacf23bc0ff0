//! VLAN tag (IEEE 802.1Q; service tags of 802.1ad have the same shape), between the Ethernet addresses and the payload.
//!
//! The tag protocol identifier (0x8100 or 0x88a8) stands in the EtherType field of the header before; this view starts behind
//! it, so that tags chain like headers.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | PCP |D|      VLAN id          |     EtherType of the rest     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! `parse` guarantees 4 bytes; accessors never panic after it.

use core::fmt;

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{EtherType, ParseError, ether, view};

/// Length of a tag in bytes.
pub const TAG_LEN: usize = 4;

/// A service tag and a customer tag; deeper stacks are refused.
pub const MAX_TAGS: usize = 2;

const ID_MASK: u16 = 0x0fff;
const DROP_ELIGIBLE: u16 = 0x1000;
const PRIORITY_SHIFT: u32 = 13;

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    tci: U16,
    ethertype: U16,
}

const _: () = assert!(size_of::<Header>() == TAG_LEN);

impl Header {
    pub const LEN: usize = TAG_LEN;

    /// A tag with priority 0. Only the low 12 bits of `id` count.
    pub const fn new(id: u16, ethertype: EtherType) -> Self {
        Self {
            tci: U16::from_bytes((id & ID_MASK).to_be_bytes()),
            ethertype: U16::from_bytes(ethertype.0.to_be_bytes()),
        }
    }

    #[inline(always)]
    pub fn parse(bytes: &[u8]) -> Result<(&Self, &[u8]), ParseError> {
        view::prefix(bytes, ParseError::VlanShort)
    }

    #[inline(always)]
    pub fn parse_mut(bytes: &mut [u8]) -> Result<(&mut Self, &mut [u8]), ParseError> {
        view::prefix_mut(bytes, ParseError::VlanShort)
    }

    /// VLAN id, 0 to 4095; 0 is a priority tag without a VLAN.
    #[inline(always)]
    pub fn id(&self) -> u16 {
        self.tci.get() & ID_MASK
    }

    /// Priority code point, 0 to 7.
    #[inline(always)]
    pub fn priority(&self) -> u8 {
        (self.tci.get() >> PRIORITY_SHIFT) as u8
    }

    #[inline(always)]
    pub fn drop_eligible(&self) -> bool {
        self.tci.get() & DROP_ELIGIBLE != 0
    }

    /// What follows the tag; may be another tag.
    #[inline(always)]
    pub fn ethertype(&self) -> EtherType {
        EtherType(self.ethertype.get())
    }

    /// Only the low 12 bits count.
    #[inline(always)]
    pub fn set_id(&mut self, id: u16) {
        self.tci.set((self.tci.get() & !ID_MASK) | (id & ID_MASK));
    }

    /// Only the low 3 bits count.
    #[inline(always)]
    pub fn set_priority(&mut self, priority: u8) {
        let rest = self.tci.get() & (ID_MASK | DROP_ELIGIBLE);
        self.tci.set(rest | (u16::from(priority) << PRIORITY_SHIFT));
    }

    #[inline(always)]
    pub fn set_ethertype(&mut self, ethertype: EtherType) {
        self.ethertype.set(ethertype.0);
    }

    /// The tag as bytes.
    #[inline(always)]
    pub fn as_bytes(&self) -> &[u8; TAG_LEN] {
        zerocopy::transmute_ref!(self)
    }
}

/// The EtherType behind all VLAN tags and the offset of the payload from the start of the frame.
#[inline(always)]
pub fn skip_tags(frame: &[u8]) -> Result<(EtherType, usize), ParseError> {
    let (header, mut rest) = ether::Header::parse(frame)?;
    let mut ethertype = header.ethertype();
    let mut tags = 0;
    while ethertype.is_vlan() {
        if tags == MAX_TAGS {
            return Err(ParseError::VlanTooDeep);
        }
        let (tag, inner) = Header::parse(rest)?;
        ethertype = tag.ethertype();
        rest = inner;
        tags += 1;
    }
    Ok((ethertype, ether::HEADER_LEN + tags * TAG_LEN))
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vlan {}, p {}, ", self.id(), self.priority())?;
        if self.drop_eligible() {
            f.write_str("DEI, ")?;
        }
        write!(f, "ethertype {}", self.ethertype())
    }
}

#[cfg(test)]
mod tests;

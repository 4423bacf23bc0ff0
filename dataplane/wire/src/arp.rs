//! Address Resolution Protocol (RFC 826) for IPv4 over Ethernet.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |       hardware type (1)       |    protocol type (0x0800)     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  hw len (6)   | proto len (4) |           operation           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                    sender hardware address                    |
//! +                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                               |   sender protocol address     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                               |                               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +
//! |                    target hardware address                    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                    target protocol address                    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! `parse` guarantees 28 bytes and the four constant fields; accessors never panic after it.

use core::fmt;
use core::net::Ipv4Addr;

use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{EtherType, MacAddr, ParseError, view};

/// Length of a message in bytes.
pub const MESSAGE_LEN: usize = 28;

const HARDWARE_ETHERNET: u16 = 1;

/// Operations.
pub mod operations {
    pub const REQUEST: u16 = 1;
    pub const REPLY: u16 = 2;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    hardware_type: U16,
    protocol_type: U16,
    hardware_len: u8,
    protocol_len: u8,
    operation: U16,
    sender_mac: MacAddr,
    sender_ip: U32,
    target_mac: MacAddr,
    target_ip: U32,
}

const _: () = assert!(size_of::<Header>() == MESSAGE_LEN);

impl Header {
    pub const LEN: usize = MESSAGE_LEN;

    pub const fn new(operation: u16, sender: (MacAddr, Ipv4Addr), target: (MacAddr, Ipv4Addr)) -> Self {
        Self {
            hardware_type: U16::from_bytes(HARDWARE_ETHERNET.to_be_bytes()),
            protocol_type: U16::from_bytes(EtherType::IPV4.0.to_be_bytes()),
            hardware_len: MacAddr::LEN as u8,
            protocol_len: 4,
            operation: U16::from_bytes(operation.to_be_bytes()),
            sender_mac: sender.0,
            sender_ip: U32::from_bytes(sender.1.octets()),
            target_mac: target.0,
            target_ip: U32::from_bytes(target.1.octets()),
        }
    }

    /// Who has `target`?
    pub const fn request(sender: (MacAddr, Ipv4Addr), target: Ipv4Addr) -> Self {
        Self::new(operations::REQUEST, sender, (MacAddr::ZERO, target))
    }

    /// Tells all neighbours that `address` is at `mac` (RFC 5227 section 2.3, an "ARP announcement").
    pub const fn announcement(mac: MacAddr, address: Ipv4Addr) -> Self {
        Self::request((mac, address), address)
    }

    pub fn parse(message: &[u8]) -> Result<(&Self, &[u8]), ParseError> {
        let (header, rest): (&Self, _) = view::prefix(message, ParseError::ArpShort)?;
        header.check()?;
        Ok((header, rest))
    }

    pub fn parse_mut(message: &mut [u8]) -> Result<(&mut Self, &mut [u8]), ParseError> {
        let (header, rest): (&mut Self, _) = view::prefix_mut(message, ParseError::ArpShort)?;
        header.check()?;
        Ok((header, rest))
    }

    /// One of [`operations`], or another.
    pub fn operation(&self) -> u16 {
        self.operation.get()
    }

    pub const fn sender_mac(&self) -> MacAddr {
        self.sender_mac
    }

    /// 0.0.0.0 in a probe (RFC 5227).
    pub fn sender_ip(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.sender_ip.get())
    }

    /// Without meaning in a request.
    pub const fn target_mac(&self) -> MacAddr {
        self.target_mac
    }

    pub fn target_ip(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.target_ip.get())
    }

    /// The answer of the owner of the target address, whose hardware address is `mac`.
    pub fn reply(&self, mac: MacAddr) -> Self {
        Self::new(operations::REPLY, (mac, self.target_ip()), (self.sender_mac, self.sender_ip()))
    }

    /// The message as bytes.
    pub fn as_bytes(&self) -> &[u8; MESSAGE_LEN] {
        zerocopy::transmute_ref!(self)
    }

    fn check(&self) -> Result<(), ParseError> {
        let is_ethernet = self.hardware_type.get() == HARDWARE_ETHERNET && self.hardware_len == MacAddr::LEN as u8;
        let is_ipv4 = self.protocol_type.get() == EtherType::IPV4.0 && self.protocol_len == 4;
        if is_ethernet && is_ipv4 { Ok(()) } else { Err(ParseError::ArpNotEthernetIpv4) }
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.operation() {
            operations::REQUEST => write!(f, "ARP, Request who-has {} tell {}", self.target_ip(), self.sender_ip()),
            operations::REPLY => write!(f, "ARP, Reply {} is-at {}", self.sender_ip(), self.sender_mac()),
            other => write!(f, "ARP, operation {other}"),
        }
    }
}

#[cfg(test)]
mod tests;

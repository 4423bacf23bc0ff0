//! Packet formats as typed views over byte slices, and their checksums. No I/O, no allocation.
//!
//! One file per format, all of the same shape: `Header::parse` borrows the header from the front of a slice after checking that
//! enough bytes are there and that the lengths inside agree, getters return host order, setters touch one field. `Header::init`
//! writes a blank header in place for packets we make ourselves; those do not go through `parse`, because their lengths are not
//! set yet.
//!
//! ```text
//! ether -> vlan* -> arp
//!                -> ipv4 -> tcp | udp -> gue | icmpv4 | sctp | gre
//!                -> ipv6 -> ipv6::ext* -> tcp | udp -> gue | icmpv6 | sctp | gre
//! ```
//!
//! | module | content |
//! |---|---|
//! | [`error`] | why bytes were refused |
//! | [`checksum`] | Internet checksum: sums, pseudo headers, incremental update |
//! | [`proto`] | IP protocol numbers |
//! | [`ether`], [`vlan`], [`arp`] | link layer |
//! | [`ipv4`], [`ipv6`] | network layer, with options and extension headers |
//! | [`tcp`], [`udp`], [`sctp`], [`ports`] | transport layer; `ports` is what the three have in common |
//! | [`icmpv4`], [`icmpv6`] | control messages |
//! | [`gre`], [`gue`] | tunnels |
#![no_std]
#![forbid(unsafe_code)]
#![allow(clippy::trivially_copy_pass_by_ref, reason = "a header is borrowed from a packet, however short it is")]

#[cfg(test)]
extern crate std;

pub mod arp;
pub mod checksum;
pub mod error;
pub mod ether;
pub mod gre;
pub mod gue;
pub mod icmpv4;
pub mod icmpv6;
pub mod ipv4;
pub mod ipv6;
pub mod ports;
pub mod proto;
pub mod sctp;
pub mod tcp;
pub mod udp;
mod view;
pub mod vlan;

#[cfg(test)]
mod samples;

pub use error::ParseError;
pub use ether::{EtherType, MacAddr};
pub use proto::Protocol;

//! What a virtual router is told: the protocol's side of a `[[virtual_router]]`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::hmac;

/// The groups of RFC 9568 section 5.1.1.3 and 5.1.2.3.
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// Microseconds; all the machine knows of time.
pub type Micros = u64;

pub const SECOND: Micros = 1_000_000;
pub const CENTISECOND: Micros = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// RFC 3768; IPv4 only.
    V2,
    /// RFC 9568.
    V3,
}

impl Version {
    pub const fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    pub const fn group(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(GROUP_V4),
            Self::V6 => IpAddr::V6(GROUP_V6),
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    None,
    /// Simple text password of RFC 2338, zero padded.
    Pass([u8; 8]),
    /// The signed trailer of keepalived 2.4.
    Hmac(hmac::Settings),
}

/// What the checksum of an IPv4 advert of version 3 covers as we send it; both are taken. IPv6 has its pseudo header always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Coverage {
    /// As RFC 5798 is commonly read: what keepalived and FRR send and demand.
    #[default]
    PseudoHeader,
    /// RFC 9568 section 5.2.8.
    Message,
}

/// Who the adverts go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peers {
    Multicast(IpAddr),
    Unicast {
        peers: Vec<IpAddr>,
        /// Adverts of others are thrown away.
        only: bool,
        min_ttl: Option<u8>,
    },
}

/// One virtual router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Router {
    pub name: String,
    pub interface: String,
    /// VRID, 1 to 255.
    pub id: u8,
    pub family: Family,
    pub version: Version,
    /// 1 to 254, 255 for the owner of the addresses.
    pub priority: u8,
    /// Between our own adverts.
    pub interval: Micros,
    pub preempt: bool,
    /// How long a master of lower priority is let be, counted from its first advert.
    pub preempt_delay: Micros,
    /// Named in adverts.
    pub addresses: Vec<IpAddr>,
    pub peers: Peers,
    pub authentication: Authentication,
    pub coverage: Coverage,
    /// Adverts that name other addresses are thrown away, instead of a warning.
    pub same_addresses: bool,
    /// Adverts that name no address count (seesaw).
    pub accept_empty_list: bool,
    /// The first address of an IPv6 advert must be link-local (RFC 9568 section 5.2.9).
    pub strict_link_local: bool,
    /// The unicast peers are keepalived 1.3.6 or older: their checksums cover a pseudo header with the group.
    pub old_unicast_checksum: bool,
}

impl Router {
    /// Of version 3, with the priority and interval that keepalived takes by default, and multicast.
    pub fn new(name: &str, interface: &str, id: u8, addresses: Vec<IpAddr>) -> Self {
        let family = addresses.first().map_or(Family::V4, |first| Family::of(*first));
        Self {
            name: name.to_owned(),
            interface: interface.to_owned(),
            id,
            family,
            version: Version::V3,
            priority: 100,
            interval: SECOND,
            preempt: true,
            preempt_delay: 0,
            addresses,
            peers: Peers::Multicast(family.group()),
            authentication: Authentication::None,
            coverage: Coverage::default(),
            same_addresses: false,
            accept_empty_list: false,
            strict_link_local: false,
            old_unicast_checksum: false,
        }
    }

    /// `(256 - priority) / 256` of an interval, of a second with version 2; exact to the microsecond.
    pub fn skew(&self, priority: u8, interval: Micros) -> Micros {
        let base = if self.version == Version::V2 { SECOND } else { interval };
        (256 - u64::from(priority)) * base / 256
    }
}

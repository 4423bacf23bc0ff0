//! The VRRP message: what follows the IP header (RFC 3768 section 5.1, RFC 9568 section 5.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use headgate_wire::Protocol;
use headgate_wire::checksum::{Sum, pseudo_header_v4, pseudo_header_v6};

use crate::router::{CENTISECOND, Coverage, Family, GROUP_V4, Micros, SECOND, Version};

/// IP protocol number.
pub const PROTOCOL: Protocol = Protocol(112);
/// The only type.
pub const ADVERT: u8 = 1;
pub const HEADER: usize = 8;
/// Version 2 ends with so many bytes whether there is a password in them or not.
pub const AUTHENTICATION: usize = 8;
/// Type of authentication of RFC 2338.
pub const AUTH_NONE: u8 = 0;
pub const AUTH_PASS: u8 = 1;

/// An advert as it is sent; also what is left of one that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advert {
    pub id: u8,
    /// 0: the master leaves.
    pub priority: u8,
    pub interval: Micros,
    pub addresses: Vec<IpAddr>,
}

/// Version 2 knows a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Password(pub Option<[u8; AUTHENTICATION]>);

/// The ends of the IP packet, which most checksums cover.
#[derive(Debug, Clone, Copy)]
pub struct Ends {
    pub source: IpAddr,
    pub destination: IpAddr,
}

impl Advert {
    /// In version 2.
    pub fn encode_v2(&self, password: Password) -> Vec<u8> {
        let kind = if password.0.is_some() { AUTH_PASS } else { AUTH_NONE };
        let mut bytes = self.begin(Version::V2);
        bytes.extend([kind, (self.interval / SECOND) as u8, 0, 0]);
        self.list(&mut bytes);
        bytes.extend(password.0.unwrap_or_default());
        seal(&mut bytes, Sum::new());
        bytes
    }

    /// In version 3. The checksum covers the ends unless the message is all that is wanted.
    pub fn encode_v3(&self, ends: Ends, coverage: Coverage) -> Vec<u8> {
        let mut bytes = self.begin(Version::V3);
        bytes.extend(((self.interval / CENTISECOND) as u16 & 0xfff).to_be_bytes());
        bytes.extend([0, 0]);
        self.list(&mut bytes);
        let family = Family::of(ends.source);
        let base = match (family, coverage) {
            (Family::V4, Coverage::Message) => Sum::new(),
            _ => pseudo_header(ends, bytes.len()),
        };
        seal(&mut bytes, base);
        bytes
    }

    fn begin(&self, version: Version) -> Vec<u8> {
        vec![version.number() << 4 | ADVERT, self.id, self.priority, self.addresses.len() as u8]
    }

    fn list(&self, bytes: &mut Vec<u8>) {
        for address in &self.addresses {
            match address {
                IpAddr::V4(address) => bytes.extend(address.octets()),
                IpAddr::V6(address) => bytes.extend(address.octets()),
            }
        }
    }
}

/// Writes the checksum of the message, whose field is zero.
fn seal(bytes: &mut [u8], base: Sum) {
    let checksum = base.add_bytes(bytes).checksum();
    bytes[6..8].copy_from_slice(&checksum.to_be_bytes());
}

/// Has the checksum cover a trailer too, as it does with IPv6.
pub fn seal_again(bytes: &mut [u8], ends: Ends) {
    bytes[6..8].fill(0);
    seal(bytes, pseudo_header(ends, bytes.len()));
}

/// Of a message of so many bytes.
pub fn pseudo_header(ends: Ends, length: usize) -> Sum {
    match (ends.source, ends.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => pseudo_header_v4(source, destination, PROTOCOL, length as u16),
        (source, destination) => pseudo_header_v6(&octets(source), &octets(destination), PROTOCOL, length as u32),
    }
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// A message that has at least its first eight bytes; nothing about it has been checked.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a>(&'a [u8]);

/// How a checksum was found to be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// Over what it should cover.
    Right,
    /// Over the message alone where a pseudo header is common: RFC 9568 section 5.2.8.
    MessageOnly,
    /// Over a pseudo header with the group, though sent to us.
    OldUnicast,
    Wrong,
}

impl<'a> Message<'a> {
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        (bytes.len() >= HEADER).then_some(Self(bytes))
    }

    pub fn version(self) -> u8 {
        self.0[0] >> 4
    }

    pub fn kind(self) -> u8 {
        self.0[0] & 0xf
    }

    pub fn id(self) -> u8 {
        self.0[1]
    }

    pub fn priority(self) -> u8 {
        self.0[2]
    }

    pub fn count(self) -> usize {
        usize::from(self.0[3])
    }

    /// Version 2.
    pub fn auth_type(self) -> u8 {
        self.0[4]
    }

    pub fn interval(self, version: Version) -> Micros {
        match version {
            Version::V2 => u64::from(self.0[5]) * SECOND,
            // The four bits before are reserved and ignored (section 5.2.6).
            Version::V3 => u64::from(u16::from_be_bytes([self.0[4], self.0[5]]) & 0xfff) * CENTISECOND,
        }
    }

    /// How many bytes its count asks for.
    pub fn length(self, version: Version, family: Family) -> usize {
        let address = if family == Family::V4 { 4 } else { 16 };
        let tail = if version == Version::V2 { AUTHENTICATION } else { 0 };
        HEADER + self.count() * address + tail
    }

    /// The addresses of a message that is long enough.
    pub fn addresses(self, family: Family) -> Vec<IpAddr> {
        let list = &self.0[HEADER..];
        match family {
            Family::V4 => {
                list.as_chunks::<4>().0.iter().take(self.count()).map(|a| Ipv4Addr::from(*a).into()).collect()
            }
            Family::V6 => {
                list.as_chunks::<16>().0.iter().take(self.count()).map(|a| Ipv6Addr::from(*a).into()).collect()
            }
        }
    }

    /// The last bytes of a version 2 message that is long enough.
    pub fn password(self, family: Family) -> &'a [u8] {
        &self.0[self.length(Version::V2, family) - AUTHENTICATION..self.length(Version::V2, family)]
    }

    /// Over the message of this length; what follows, a trailer, is covered with IPv6 only.
    pub fn checksum(self, version: Version, ends: Ends, length: usize) -> Checksum {
        let all = self.0;
        let message = Sum::new().add_bytes(&all[..length]);
        if version == Version::V2 {
            return if message.is_valid() { Checksum::Right } else { Checksum::Wrong };
        }
        let IpAddr::V4(source) = ends.source else {
            let covered = pseudo_header(ends, all.len()).add_bytes(all);
            return if covered.is_valid() { Checksum::Right } else { Checksum::Wrong };
        };
        let old = Ends { source: source.into(), destination: GROUP_V4.into() };
        if pseudo_header(ends, length).add(message).is_valid() {
            Checksum::Right
        } else if message.is_valid() {
            Checksum::MessageOnly
        } else if pseudo_header(old, length).add(message).is_valid() {
            Checksum::OldUnicast
        } else {
            Checksum::Wrong
        }
    }
}

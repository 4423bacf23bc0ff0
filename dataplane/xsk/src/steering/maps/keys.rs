//! Keys and values of the maps, byte for byte as in `bpf/maps.h`.

use std::net::IpAddr;

/// What an address is known for.
pub(in crate::steering) mod flag {
    pub(in crate::steering) const VIP: u32 = 1;
    pub(in crate::steering) const NAT_SERVER: u32 = 2;
    pub(in crate::steering) const LOCAL: u32 = 4;
    pub(in crate::steering) const TUNNEL_SERVER: u32 = 8;
}

/// Port ranges of one address and protocol.
pub(in crate::steering) const MAX_RANGES: usize = 16;

/// `struct address_key`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::steering) struct AddressKey {
    address: [u8; 16],
    family: u8,
    zero: [u8; 3],
}

/// `struct endpoint_key`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::steering) struct EndpointKey {
    address: [u8; 16],
    port: [u8; 2],
    family: u8,
    protocol: u8,
}

/// `struct wildcard`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::steering) struct Wildcard {
    any: u16,
    count: u16,
    ranges: [[u16; 2]; MAX_RANGES],
}

/// `struct mac_key`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::steering) struct MacKey {
    mac: [u8; 6],
    zero: [u8; 2],
}

/// `struct device`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::steering) struct DeviceValue {
    mac: MacKey,
    base: u32,
    zero: u32,
}

// SAFETY: integers without padding (see the asserts below), no pointers.
unsafe impl aya::Pod for AddressKey {}
// SAFETY: as above.
unsafe impl aya::Pod for EndpointKey {}
// SAFETY: as above.
unsafe impl aya::Pod for Wildcard {}
// SAFETY: as above.
unsafe impl aya::Pod for MacKey {}
// SAFETY: as above.
unsafe impl aya::Pod for DeviceValue {}

const _: () = {
    assert!(size_of::<AddressKey>() == 20 && size_of::<EndpointKey>() == 20);
    assert!(size_of::<Wildcard>() == 4 + 4 * MAX_RANGES);
    assert!(size_of::<MacKey>() == 8 && size_of::<DeviceValue>() == 16);
};

impl AddressKey {
    pub(in crate::steering) fn new(address: IpAddr) -> Self {
        let (address, family) = octets(address);
        Self { address, family, zero: [0; 3] }
    }
}

impl EndpointKey {
    pub(in crate::steering) fn new(address: IpAddr, protocol: u8, port: u16) -> Self {
        let (address, family) = octets(address);
        Self { address, port: port.to_be_bytes(), family, protocol }
    }
}

impl Wildcard {
    pub(in crate::steering) fn any() -> Self {
        Self { any: 1, count: 0, ranges: [[0; 2]; MAX_RANGES] }
    }

    /// `None` when there are too many ranges.
    pub(in crate::steering) fn of(ranges: &[(u16, u16)]) -> Option<Self> {
        let mut wildcard = Self { any: 0, count: ranges.len() as u16, ranges: [[0; 2]; MAX_RANGES] };
        for (to, from) in wildcard.ranges.get_mut(..ranges.len())?.iter_mut().zip(ranges) {
            *to = [from.0, from.1];
        }
        Some(wildcard)
    }
}

impl MacKey {
    pub(in crate::steering) fn new(mac: [u8; 6]) -> Self {
        Self { mac, zero: [0; 2] }
    }
}

impl DeviceValue {
    pub(in crate::steering) fn new(mac: [u8; 6], base: u32) -> Self {
        Self { mac: MacKey::new(mac), base, zero: 0 }
    }

    pub(in crate::steering) fn base(&self) -> u32 {
        self.base
    }
}

fn octets(address: IpAddr) -> ([u8; 16], u8) {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let mut octets = [0; 16];
            octets[..4].copy_from_slice(&address.octets());
            (octets, 4)
        }
        IpAddr::V6(address) => (address.octets(), 6),
    }
}

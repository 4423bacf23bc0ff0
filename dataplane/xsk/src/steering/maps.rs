//! The maps of the steering program: keys and values as in `bpf/maps.h`, and how they are changed.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd, RawFd};

use aya::maps::{HashMap, Map, MapData, MapError, PerCpuArray, XskMap};
use aya::{Ebpf, Pod};

use super::Changes;
use crate::error::XskError;

mod keys;
mod sync;

pub(super) use keys::{AddressKey, DeviceValue, EndpointKey, MAX_RANGES, MacKey, Wildcard, flag};

/// Sockets per device in the socket map.
pub(super) const QUEUES_PER_DEVICE: u32 = 128;
/// Devices the program can be attached to.
pub(super) const MAX_DEVICES: u32 = 64;

const COUNT_PASSED: u32 = 0;
const COUNT_TAKEN: u32 = 1;
const COUNT_UNSERVED: u32 = 2;

const NAMES: [&str; 8] =
    ["sockets", "devices", "counters", "macs", "addresses", "services", "wildcards", "nat_servers"];

/// What the steering program counted: packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SteeringCounters {
    /// Left to the kernel.
    pub passed: u64,
    /// Given to a worker.
    pub taken: u64,
    /// For a worker, but no worker served the queue: dropped.
    pub dropped_unserved: u64,
}

/// The wanted entries of all maps that a plan decides about.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tables {
    pub(super) addresses: BTreeMap<AddressKey, u32>,
    pub(super) services: BTreeMap<EndpointKey, u32>,
    pub(super) wildcards: BTreeMap<EndpointKey, Wildcard>,
    pub(super) nat_servers: BTreeMap<EndpointKey, u32>,
    pub(super) macs: BTreeMap<MacKey, u32>,
}

type Hash<K, V> = HashMap<MapData, K, V>;

/// All maps of the program, open.
pub(super) struct Maps {
    sockets: XskMap<MapData>,
    devices: Hash<u32, DeviceValue>,
    counters: PerCpuArray<MapData, u64>,
    macs: Hash<MacKey, u32>,
    addresses: Hash<AddressKey, u32>,
    services: Hash<EndpointKey, u32>,
    wildcards: Hash<EndpointKey, Wildcard>,
    nat_servers: Hash<EndpointKey, u32>,
    /// Descriptors of the maps in the order of `NAMES`, to be shared, and how many entries each can hold.
    fds: Vec<(OwnedFd, u32)>,
}

impl Maps {
    /// Takes the maps out of a loaded object.
    pub(super) fn take(object: &mut Ebpf) -> Result<Self, XskError> {
        let mut fds = Vec::with_capacity(NAMES.len());
        for name in NAMES {
            let map = object.map(name).ok_or_else(|| failed(name, "it is not in the object"))?;
            fds.push((name, descriptor(map).map_err(|error| failed(name, error))?));
        }
        Self::adopt(fds)
    }

    /// Opens maps by their descriptors.
    pub(super) fn adopt(fds: Vec<(&'static str, OwnedFd)>) -> Result<Self, XskError> {
        let mut by_name: BTreeMap<_, _> = fds.into_iter().collect();
        let mut kept = Vec::with_capacity(NAMES.len());
        let mut maps = BTreeMap::new();
        for name in NAMES {
            let fd = by_name.remove(name).ok_or_else(|| failed(name, "its descriptor was not handed over"))?;
            let copy = fd.try_clone().map_err(|error| failed(name, error))?;
            let data = MapData::from_fd(fd).map_err(|error| failed(name, error))?;
            let entries = data.info().map_err(|error| failed(name, error))?.max_entries();
            kept.push((copy, entries));
            maps.insert(name, Map::from_map_data(data).map_err(|error| failed(name, error))?);
        }
        Ok(Self {
            sockets: typed(&mut maps, "sockets")?,
            devices: typed(&mut maps, "devices")?,
            counters: typed(&mut maps, "counters")?,
            macs: typed(&mut maps, "macs")?,
            addresses: typed(&mut maps, "addresses")?,
            services: typed(&mut maps, "services")?,
            wildcards: typed(&mut maps, "wildcards")?,
            nat_servers: typed(&mut maps, "nat_servers")?,
            fds: kept,
        })
    }

    /// Copies of the descriptors.
    pub(super) fn share(&self) -> io::Result<Vec<(&'static str, OwnedFd)>> {
        NAMES.into_iter().zip(&self.fds).map(|(name, (fd, _))| Ok((name, fd.try_clone()?))).collect()
    }

    pub(super) fn set_device(&mut self, index: u32, device: DeviceValue) -> Result<(), XskError> {
        self.devices.insert(index, device, 0).map_err(|error| failed("devices", error))
    }

    pub(super) fn device(&self, index: u32) -> Result<Option<DeviceValue>, XskError> {
        match self.devices.get(&index, 0) {
            Ok(device) => Ok(Some(device)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(failed("devices", error)),
        }
    }

    pub(super) fn remove_device(&mut self, index: u32) -> Result<(), XskError> {
        sync::forgive_missing(self.devices.remove(&index)).map_err(|error| failed("devices", error))
    }

    pub(super) fn set_socket(&mut self, slot: u32, fd: RawFd) -> Result<(), XskError> {
        self.sockets.set(slot, fd, 0).map_err(|error| failed("sockets", error))
    }

    pub(super) fn remove_socket(&mut self, slot: u32) -> Result<(), XskError> {
        sync::forgive_missing(self.sockets.unset(slot)).map_err(|error| failed("sockets", error))
    }

    /// Adds one service on an address that no plan uses.
    pub(super) fn add_service(&mut self, address: IpAddr, protocol: u8, port: u16) -> Result<(), XskError> {
        let key = EndpointKey::new(address, protocol, port);
        self.services.insert(key, 1, 0).map_err(|error| failed("services", error))?;
        self.addresses.insert(AddressKey::new(address), flag::VIP, 0).map_err(|error| failed("addresses", error))
    }

    /// Removes what `add_service` added.
    pub(super) fn remove_service(&mut self, address: IpAddr, protocol: u8, port: u16) -> Result<(), XskError> {
        let address_gone = self.addresses.remove(&AddressKey::new(address));
        sync::forgive_missing(address_gone).map_err(|error| failed("addresses", error))?;
        let gone = self.services.remove(&EndpointKey::new(address, protocol, port));
        sync::forgive_missing(gone).map_err(|error| failed("services", error))
    }

    pub(super) fn counters(&self) -> Result<SteeringCounters, XskError> {
        let sum = |index| {
            let values = self.counters.get(&index, 0).map_err(|error| failed("counters", error))?;
            Ok(values.iter().sum())
        };
        Ok(SteeringCounters {
            passed: sum(COUNT_PASSED)?,
            taken: sum(COUNT_TAKEN)?,
            dropped_unserved: sum(COUNT_UNSERVED)?,
        })
    }

    /// Works out all differences, then adds in all maps, then removes in all maps.
    pub(super) fn apply(&mut self, wanted: &Tables) -> Result<Changes, XskError> {
        let nat_servers = sync::Difference::of(&self.nat_servers, self.limit("nat_servers"), &wanted.nat_servers)?;
        let services = sync::Difference::of(&self.services, self.limit("services"), &wanted.services)?;
        let wildcards = sync::Difference::of(&self.wildcards, self.limit("wildcards"), &wanted.wildcards)?;
        let macs = sync::Difference::of(&self.macs, self.limit("macs"), &wanted.macs)?;
        let addresses = sync::Difference::of(&self.addresses, self.limit("addresses"), &wanted.addresses)?;
        // Addresses come last and go first: they are what makes the program look into the other maps.
        nat_servers.add(&mut self.nat_servers)?;
        services.add(&mut self.services)?;
        wildcards.add(&mut self.wildcards)?;
        macs.add(&mut self.macs)?;
        addresses.add(&mut self.addresses)?;
        addresses.remove(&mut self.addresses)?;
        macs.remove(&mut self.macs)?;
        wildcards.remove(&mut self.wildcards)?;
        services.remove(&mut self.services)?;
        nat_servers.remove(&mut self.nat_servers)?;
        let mut changes = Changes::default();
        for part in [nat_servers.size(), services.size(), wildcards.size(), macs.size(), addresses.size()] {
            changes.added += part.added;
            changes.updated += part.updated;
            changes.removed += part.removed;
        }
        Ok(changes)
    }
}

impl Maps {
    fn limit(&self, name: &'static str) -> (&'static str, u32) {
        let entries = NAMES.iter().zip(&self.fds).find(|(known, _)| **known == name);
        (name, entries.map_or(0, |(_, (_, entries))| *entries))
    }
}

impl std::fmt::Debug for Maps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Maps").field("fds", &self.fds).finish_non_exhaustive()
    }
}

fn typed<T: TryFrom<Map, Error = MapError>>(
    maps: &mut BTreeMap<&'static str, Map>,
    name: &'static str,
) -> Result<T, XskError> {
    let map = maps.remove(name).ok_or_else(|| failed(name, "it is missing"))?;
    T::try_from(map).map_err(|error| failed(name, error))
}

fn descriptor(map: &Map) -> io::Result<OwnedFd> {
    let (Map::HashMap(data) | Map::PerCpuArray(data) | Map::XskMap(data)) = map else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is of an unexpected type"));
    };
    data.fd().as_fd().try_clone_to_owned()
}

fn failed(map: &'static str, reason: impl ToString) -> XskError {
    XskError::Map { map, reason: reason.to_string() }
}

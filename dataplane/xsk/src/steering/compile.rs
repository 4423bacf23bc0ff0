//! From the plan to the entries of the maps.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::maps::{AddressKey, EndpointKey, MAX_RANGES, MacKey, Tables, Wildcard, flag};
use super::plan::{PortMatch, SteeringMaps};
use crate::error::XskError;

/// Works out every entry. IPv4 addresses in IPv6 notation count as IPv4, as they do on the wire.
pub(super) fn compile(plan: &SteeringMaps) -> Result<Tables, XskError> {
    let mut tables = Tables::default();
    let mut ranges: BTreeMap<(IpAddr, u8), Vec<(u16, u16)>> = BTreeMap::new();
    for service in &plan.services {
        tables.know(service.addr, flag::VIP);
        match service.ports {
            PortMatch::One(port) => {
                tables.services.insert(EndpointKey::new(service.addr, service.protocol, port), 1);
            }
            PortMatch::Any => ranges.entry((service.addr, service.protocol)).or_default().push((0, u16::MAX)),
            PortMatch::Range(low, high) => {
                ranges.entry((service.addr, service.protocol)).or_default().push((low, high));
            }
        }
    }
    for ((address, protocol), ranges) in ranges {
        let wildcard = wildcard(address, protocol, ranges)?;
        tables.wildcards.insert(EndpointKey::new(address, protocol, 0), wildcard);
    }
    for (address, protocol, port) in &plan.nat_servers {
        tables.know(*address, flag::NAT_SERVER);
        tables.nat_servers.insert(EndpointKey::new(*address, *protocol, *port), 1);
    }
    for address in &plan.tunnel_servers {
        tables.know(*address, flag::TUNNEL_SERVER);
    }
    for address in &plan.local {
        tables.know(*address, flag::LOCAL);
    }
    tables.macs = plan.macs.iter().map(|mac| (MacKey::new(*mac), 1)).collect();
    Ok(tables)
}

impl Tables {
    fn know(&mut self, address: IpAddr, flag: u32) {
        *self.addresses.entry(AddressKey::new(address)).or_default() |= flag;
    }
}

fn wildcard(address: IpAddr, protocol: u8, ranges: Vec<(u16, u16)>) -> Result<Wildcard, XskError> {
    let merged = merge(ranges);
    if merged == [(0, u16::MAX)] {
        return Ok(Wildcard::any());
    }
    let ranges = merged.len();
    Wildcard::of(&merged).ok_or(XskError::TooManyRanges { address, protocol, ranges, limit: MAX_RANGES })
}

/// Sorted ranges without overlap or contact; those that are the wrong way round hold no port.
fn merge(mut ranges: Vec<(u16, u16)>) -> Vec<(u16, u16)> {
    ranges.retain(|(low, high)| low <= high);
    ranges.sort_unstable();
    let mut merged: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
    for (low, high) in ranges {
        match merged.last_mut() {
            Some(last) if u32::from(low) <= u32::from(last.1) + 1 => last.1 = last.1.max(high),
            _ => merged.push((low, high)),
        }
    }
    merged
}

#[cfg(test)]
mod tests;

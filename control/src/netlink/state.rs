//! The mirrored state as one immutable value.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::model::{
    Address, DEFAULT_TABLE, LOCAL_TABLE, Link, MAIN_TABLE, Neighbour, Route, RouteKey, RouteKind, Scope,
};

#[cfg(test)]
mod tests;

/// The network as the kernel sees it: what was true at one moment.
///
/// Each part is shared with the previous state as long as it did not change, so a clone is cheap, and a changed neighbour does not copy
/// the routes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetState {
    /// By interface index.
    pub links: Arc<BTreeMap<u32, Link>>,
    /// In the kernel's order, which is the order of preference within an interface.
    pub addresses: Arc<Vec<Address>>,
    /// Of the tables local, main and default; others are not mirrored.
    pub routes: Arc<BTreeMap<RouteKey, Route>>,
    /// By interface index and address.
    pub neighbours: Arc<BTreeMap<(u32, IpAddr), Neighbour>>,
    /// Policy routing rules beyond the ones every kernel starts with, in words.
    pub policy_rules: Arc<BTreeSet<String>>,
    /// How often all of it was read anew: once at the start, and whenever messages were lost.
    pub dumps: u64,
}

impl NetState {
    /// The addresses this machine accepts packets for: those of the local table, which knows every address of every interface.
    pub fn local_addresses(&self) -> BTreeSet<IpAddr> {
        let full = |ip: IpAddr| if ip.is_ipv4() { 32 } else { 128 };
        self.routes
            .values()
            .filter(|route| route.table == LOCAL_TABLE && route.kind == RouteKind::Local)
            .filter(|route| route.destination.len() == full(route.destination.address()))
            .map(|route| route.destination.address())
            .chain(self.addresses.iter().filter(|address| address.is_usable()).map(|address| address.ip))
            .collect()
    }

    /// The interface called `name`.
    pub fn interface_by_name(&self, name: &str) -> Option<&Link> {
        self.links.values().find(|link| link.name == name)
    }

    /// The addresses of an interface, in order of preference.
    pub fn addresses_of(&self, ifindex: u32) -> impl Iterator<Item = &Address> {
        self.addresses.iter().filter(move |address| address.ifindex == ifindex)
    }

    /// The route the kernel takes to `destination`, by the default rules: tables local, main, default; within one the longest prefix,
    /// then the lowest metric; routes over links that are down do not count. Reads all routes.
    pub fn route_to(&self, destination: IpAddr) -> Option<&Route> {
        [LOCAL_TABLE, MAIN_TABLE, DEFAULT_TABLE].into_iter().find_map(|table| {
            let mut best: Option<&Route> = None;
            for route in self.routes.values() {
                let longer = best.is_none_or(|best| route.destination.len() > best.destination.len());
                if longer && route.table == table && route.destination.contains(destination) && self.is_usable(route) {
                    best = Some(route); // of equal length the first in order has the lowest metric
                }
            }
            best
        })
    }

    /// The address packets of our own to `destination` start from: the route's preferred source, else an address of the interface it
    /// leads out of, first of the next hop's subnet, else of any interface.
    ///
    /// An approximation of the kernel's choice; RFC 6724 has more rules for IPv6 than scope and deprecation.
    pub fn source_address_for(&self, destination: IpAddr) -> Option<IpAddr> {
        let route = self.route_to(destination)?;
        if let Some(source) = route.preferred_source {
            return Some(source);
        }
        if route.kind == RouteKind::Local {
            return Some(destination);
        }
        let ifindex = route.hop.ifindex?;
        let near = route.hop.gateway.unwrap_or(destination);
        let fits = |address: &&Address| {
            address.is_usable()
                && address.ip.is_ipv4() == destination.is_ipv4()
                && (is_link_local(destination) || !is_link_local(address.ip))
        };
        let rank = |address: &&Address| {
            let elsewhere = address.ifindex != ifindex;
            (elsewhere, address.deprecated, !same_subnet(address, near), address.secondary)
        };
        let chosen = self
            .addresses
            .iter()
            .filter(fits)
            .filter(|address| address.ifindex == ifindex || matches!(address.scope, Scope::Global | Scope::Site));
        chosen.min_by_key(rank).map(|address| address.ip)
    }

    /// Whether an up link leads along the route, or the route needs none.
    pub fn is_usable(&self, route: &Route) -> bool {
        route.tos == 0
            && match route.hop.ifindex {
                None => true,
                Some(_) => self.usable_hop(route).is_some(),
            }
    }

    /// The first next hop of the route whose link is up.
    pub fn usable_hop(&self, route: &Route) -> Option<super::model::NextHop> {
        let is_up =
            |ifindex: Option<u32>| ifindex.is_some_and(|ifindex| self.links.get(&ifindex).is_some_and(|link| link.up));
        std::iter::once(route.hop).chain(route.other_hops.iter().copied()).find(|hop| is_up(hop.ifindex))
    }

    /// A sentence for the operator when the kernel routes by rules this mirror does not follow.
    pub fn policy_warning(&self) -> Option<String> {
        if self.policy_rules.is_empty() {
            return None;
        }
        let rules = self.policy_rules.iter().map(String::as_str).collect::<Vec<_>>().join("; ");
        Some(format!(
            "policy routing rules are not followed, packets may leave by another route than the kernel's: {rules}"
        ))
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

fn same_subnet(address: &Address, other: IpAddr) -> bool {
    super::model::IpPrefix::around(address.ip, address.prefix_len).is_some_and(|subnet| subnet.contains(other))
}

//! Changes applied to the state.
//!
//! Where the kernel changes something without saying so, or a message does not tell the whole result, the effect says that the routes must
//! be read anew:
//!
//! * Routes over a link that goes down, and IPv4 routes that prefer a removed address, vanish without a message.
//! * Routes of equal key form a list (IPv4) or a multipath route (IPv6); messages name one member but not its place.

use std::net::IpAddr;
use std::sync::Arc;

use super::change::Change;
use super::model::{Link, Route, RouteKey};
use super::state::NetState;

#[cfg(test)]
mod tests;

/// What a change did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[must_use]
pub struct Effect {
    /// The state differs from before.
    pub changed: bool,
    /// The routes of the kernel may differ from ours; read them anew.
    pub routes_stale: bool,
}

impl NetState {
    /// Applies one change. The same change twice has no effect the second time.
    pub(super) fn apply(&mut self, change: Change) -> Effect {
        match change {
            Change::Link(link) => self.set_link(link),
            Change::LinkGone(index) => self.remove_link(index),
            Change::Address(address) => {
                let same = |other: &super::model::Address| {
                    (other.ifindex, other.ip, other.prefix_len) == (address.ifindex, address.ip, address.prefix_len)
                };
                match self.addresses.iter().position(same) {
                    Some(at) if self.addresses[at] == address => return Effect::default(),
                    Some(at) => Arc::make_mut(&mut self.addresses)[at] = address,
                    None => Arc::make_mut(&mut self.addresses).push(address),
                }
                Effect::changed()
            }
            Change::AddressGone(gone) => {
                let gone = (gone.ifindex, gone.ip, gone.prefix_len);
                let removed =
                    self.retain_addresses(|address| (address.ifindex, address.ip, address.prefix_len) != gone);
                Effect { changed: removed, routes_stale: removed }
            }
            Change::Route { route, replaces } => self.set_route(route, replaces),
            Change::RouteGone(route) => self.remove_route(&route),
            Change::Neighbour(key, neighbour) => {
                if self.neighbours.get(&key) == Some(&neighbour) {
                    return Effect::default();
                }
                Arc::make_mut(&mut self.neighbours).insert(key, neighbour);
                Effect::changed()
            }
            Change::NeighbourGone(key) => Effect::when(self.retain_neighbours(|other| *other != key)),
            Change::PolicyRule(rule) => {
                Effect::when(!self.policy_rules.contains(&rule) && Arc::make_mut(&mut self.policy_rules).insert(rule))
            }
            Change::PolicyRuleGone(rule) => {
                Effect::when(self.policy_rules.contains(&rule) && Arc::make_mut(&mut self.policy_rules).remove(&rule))
            }
        }
    }

    fn set_link(&mut self, link: Link) -> Effect {
        let before = self.links.get(&link.index);
        if before == Some(&link) {
            return Effect::default();
        }
        let switched = before.is_some_and(|before| before.up != link.up);
        let went_down = switched && !link.up;
        let index = link.index;
        Arc::make_mut(&mut self.links).insert(index, link);
        if went_down {
            self.remove_routes_over(index, |route| route.destination.address().is_ipv4());
        }
        Effect { changed: true, routes_stale: switched }
    }

    fn remove_link(&mut self, index: u32) -> Effect {
        if !self.links.contains_key(&index) {
            return Effect::default();
        }
        Arc::make_mut(&mut self.links).remove(&index);
        self.retain_addresses(|address| address.ifindex != index);
        self.retain_neighbours(|(ifindex, _)| *ifindex != index);
        self.remove_routes_over(index, |_| true);
        Effect { changed: true, routes_stale: true }
    }

    /// Takes the hops over a link out of the routes, and the routes which have no other.
    fn remove_routes_over(&mut self, index: u32, matches: impl Fn(&Route) -> bool) {
        let uses = |route: &Route| {
            matches(route)
                && (route.hop.ifindex == Some(index) || route.other_hops.iter().any(|hop| hop.ifindex == Some(index)))
        };
        if !self.routes.values().any(uses) {
            return;
        }
        Arc::make_mut(&mut self.routes).retain(|_, route| {
            if !uses(route) {
                return true;
            }
            route.other_hops.retain(|hop| hop.ifindex != Some(index));
            if route.hop.ifindex != Some(index) {
                return true;
            }
            if route.other_hops.is_empty() {
                return false;
            }
            route.hop = route.other_hops.remove(0);
            true
        });
    }

    fn set_route(&mut self, route: Route, replaces: bool) -> Effect {
        let equal_keys: Vec<_> = self.with_key_of(&route).map(|(key, old)| (*key, same_way(old, &route))).collect();
        let (key, routes_stale) = match equal_keys.as_slice() {
            [] => (key_of(&route, 0), false),
            [(key, _)] if replaces => (*key, false),
            several => match several.iter().find(|(_, same)| *same) {
                Some((key, _)) => (*key, replaces),
                None => (key_of(&route, several[several.len() - 1].0.position + 1), true),
            },
        };
        if self.routes.get(&key) == Some(&route) {
            return Effect { changed: false, routes_stale };
        }
        Arc::make_mut(&mut self.routes).insert(key, route);
        Effect { changed: true, routes_stale }
    }

    fn remove_route(&mut self, gone: &Route) -> Effect {
        let equal_keys: Vec<_> = self.with_key_of(gone).map(|(key, old)| (*key, same_way(old, gone))).collect();
        let mut same = equal_keys.iter().filter(|(_, same)| *same).map(|(key, _)| *key);
        match same.next() {
            Some(key) => {
                let ambiguous = same.next().is_some();
                Arc::make_mut(&mut self.routes).remove(&key);
                Effect { changed: true, routes_stale: ambiguous }
            }
            // Part of a multipath route, or a route we have otherwise.
            None => Effect { changed: false, routes_stale: !equal_keys.is_empty() },
        }
    }

    fn with_key_of(&self, route: &Route) -> impl Iterator<Item = (&RouteKey, &Route)> {
        self.routes.range(key_of(route, 0)..=key_of(route, u32::MAX))
    }

    fn retain_addresses(&mut self, keep: impl Fn(&super::model::Address) -> bool) -> bool {
        let some_go = self.addresses.iter().any(|address| !keep(address));
        if some_go {
            Arc::make_mut(&mut self.addresses).retain(keep);
        }
        some_go
    }

    fn retain_neighbours(&mut self, keep: impl Fn(&(u32, IpAddr)) -> bool) -> bool {
        let some_go = self.neighbours.keys().any(|key| !keep(key));
        if some_go {
            Arc::make_mut(&mut self.neighbours).retain(|key, _| keep(key));
        }
        some_go
    }
}

impl Effect {
    fn changed() -> Self {
        Self { changed: true, routes_stale: false }
    }

    fn when(changed: bool) -> Self {
        Self { changed, routes_stale: false }
    }
}

impl std::ops::BitOrAssign for Effect {
    fn bitor_assign(&mut self, other: Self) {
        self.changed |= other.changed;
        self.routes_stale |= other.routes_stale;
    }
}

fn key_of(route: &Route, position: u32) -> RouteKey {
    RouteKey { table: route.table, destination: route.destination, tos: route.tos, metric: route.metric, position }
}

/// Whether two routes of one key lead the same way; the rest are properties that may change.
fn same_way(a: &Route, b: &Route) -> bool {
    a.kind == b.kind && a.hop == b.hop && a.other_hops == b.other_hops
}

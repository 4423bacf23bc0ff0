//! Locality-based least connections with replication (`ip_vs_lblcr.c`): a destination has a set of servers.
//!
//! The set's `wlc` minimum is used (here OVERLOAD counts); when that server has more than it should, `wlc` over all servers adds one to
//! the set. A set that did not change for `lblcr_expiration` loses its most loaded server. Sets here hold up to
//! 12 servers, the oldest makes room for a 13th; the kernel's have no limit.

use super::cache::{Cache, Lookup};
use super::lblc::{has_too_much, with_slot};
use super::pool::{Member, Request};
use super::wlc::{self, Share};
use crate::servers::Servers;

/// Servers remembered for a destination.
pub const SET: usize = 12;

pub fn pick(cache: &Cache, members: &[Member], servers: &Servers, request: &Request, expiration: u32) -> Option<usize> {
    let now = request.now_seconds;
    let lookup = cache.lookup(request.destination);
    cache.touch(lookup, now);
    let known = least_loaded(cache, lookup, members, servers);
    if cache.servers(lookup).nth(1).is_some() && cache.unchanged(lookup, now) > expiration {
        drop_most_loaded(cache, lookup, members, servers, now);
    }
    if let Some(index) = known
        && !has_too_much(index, members, servers)
    {
        return Some(index);
    }
    let chosen = wlc::pick(members, servers)?;
    cache.insert(lookup, members[chosen].id, now);
    Some(chosen)
}

fn share(member: &Member, servers: &Servers) -> Share {
    Share { overhead: servers.load(member.id).overhead(), weight: member.weight }
}

fn least_loaded(cache: &Cache, lookup: Lookup, members: &[Member], servers: &Servers) -> Option<usize> {
    let candidates = cache
        .servers(lookup)
        .filter_map(|slot| with_slot(members, slot))
        .filter(|index| members[*index].is_eligible(servers))
        .map(|index| (index, share(&members[index], servers)));
    candidates.reduce(|least, next| if next.1.is_less_than(least.1) { next } else { least }).map(|(index, _)| index)
}

/// Servers that are gone go first, since nothing is known of their weight (the kernel still knows it).
fn drop_most_loaded(cache: &Cache, lookup: Lookup, members: &[Member], servers: &Servers, now: u64) {
    if let Some(gone) = cache.servers(lookup).find(|slot| with_slot(members, *slot).is_none()) {
        return cache.erase(lookup, gone, now);
    }
    let candidates = cache
        .servers(lookup)
        .filter_map(|slot| with_slot(members, slot))
        .filter(|index| members[*index].weight > 0)
        .map(|index| (index, share(&members[index], servers)));
    let most = candidates.reduce(|most, next| if most.1.is_less_than(next.1) { next } else { most });
    if let Some((index, _)) = most {
        cache.erase(lookup, members[index].id.index(), now);
    }
}

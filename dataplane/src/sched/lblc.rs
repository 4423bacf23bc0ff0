//! Locality-based least connections (`ip_vs_lblc.c`): a destination keeps the server that `wlc` once chose for it, until that
//! server is gone, drained or has more than it should while another has less than half.
//!
//! The OVERLOAD flag of the remembered server is not looked at; a choice anew does look at it.

use super::cache::Cache;
use super::pool::{Member, Request};
use super::wlc;
use crate::servers::Servers;

/// Servers remembered for a destination.
pub const SET: usize = 1;

pub fn pick(cache: &Cache, members: &[Member], servers: &Servers, request: &Request) -> Option<usize> {
    let lookup = cache.lookup(request.destination);
    cache.touch(lookup, request.now_seconds);
    let known = cache.servers(lookup).next().and_then(|slot| with_slot(members, slot));
    if let Some(index) = known
        && members[index].weight > 0
        && !has_too_much(index, members, servers)
    {
        return Some(index);
    }
    let chosen = wlc::pick(members, servers)?;
    cache.replace(lookup, members[chosen].id, request.now_seconds);
    Some(chosen)
}

/// Where in the list the server of a slab slot stands.
pub fn with_slot(members: &[Member], slot: u32) -> Option<usize> {
    members.iter().position(|member| member.id.index() == slot)
}

/// More active connections than the server's weight, while another server has less than half of its own.
pub fn has_too_much(index: usize, members: &[Member], servers: &Servers) -> bool {
    let active = |member: &Member| u64::from(servers.load(member.id).active);
    let member = &members[index];
    active(member) > u64::from(member.weight) && members.iter().any(|other| 2 * active(other) < u64::from(other.weight))
}

//! Source hashing (`ip_vs_sh.c`): 256 buckets filled by weight, chosen by the client's address (and port).
//!
//! A server of weight 0 still takes one bucket per round, whose clients get no server (or, with `fallback`, another one).

use std::sync::Arc;

use super::Flags;
use super::hash::{client, hash_32};
use super::pool::{Member, Request};
use crate::servers::Servers;

const BITS: u32 = 8;
const BUCKETS: u32 = 1 << BITS;

pub fn table(members: &[Member]) -> Arc<[u32]> {
    let round = || {
        let copies =
            |(index, member): (usize, &Member)| (0..member.weight.clamp(1, BUCKETS)).map(move |_| index as u32);
        members.iter().enumerate().flat_map(copies)
    };
    std::iter::repeat_with(round).take(BUCKETS as usize).flatten().take(BUCKETS as usize).collect()
}

pub fn pick(table: &[u32], members: &[Member], servers: &Servers, request: &Request, flags: Flags) -> Option<usize> {
    let hash = hash_32(client(request, flags.port), BITS);
    let at = |bucket: u32| table.get(bucket as usize).map(|index| *index as usize);
    let is_eligible = |index: &usize| members.get(*index).is_some_and(|member| member.is_eligible(servers));
    let first = at(hash)?;
    if is_eligible(&first) {
        return Some(first);
    }
    if !flags.fallback {
        return None;
    }
    // Offsets begin at the bucket itself and are added to it, so the first probe is at twice the hash.
    let probes = (0..BUCKETS).map(|offset| (offset + hash) % BUCKETS).map(|offset| (offset + hash) % BUCKETS);
    probes.filter_map(at).find(is_eligible)
}

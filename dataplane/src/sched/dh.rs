//! Destination hashing (`ip_vs_dh.c`): 256 buckets in which the servers take turns, chosen by the destination address.
//!
//! Weights do not shape the table. A chosen server that is not eligible means no server.

use std::sync::Arc;

use super::hash::{fold, hash_32};
use super::pool::{Member, Request};
use crate::servers::Servers;

const BITS: u32 = 8;

pub fn table(members: &[Member]) -> Arc<[u32]> {
    (0..members.len() as u32).cycle().take(1 << BITS).collect()
}

pub fn pick(table: &[u32], members: &[Member], servers: &Servers, request: &Request) -> Option<usize> {
    let bucket = hash_32(fold(request.destination), BITS);
    let index = *table.get(bucket as usize)? as usize;
    members.get(index)?.is_eligible(servers).then_some(index)
}

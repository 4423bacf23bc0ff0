//! By the client's address: the first three octets of IPv4, all of IPv6 (nginx `ngx_http_upstream_ip_hash_module.c`).

use std::net::IpAddr;

use super::{Member, REHASHES, Walk, at_weight};

/// Starts a request's hash; a prime like the other numbers of the formula.
const BEGIN: u64 = 89;

pub fn choose(members: &[Member], total_weight: u64, walk: &mut Walk, client: IpAddr) -> Option<usize> {
    if members.len() < 2 || total_weight == 0 {
        return None;
    }
    if !walk.started {
        (walk.started, walk.hash) = (true, BEGIN);
    }
    while walk.rehashes <= REHASHES {
        walk.hash = match client.to_canonical() {
            IpAddr::V4(address) => mix(walk.hash, &address.octets()[..3]),
            IpAddr::V6(address) => mix(walk.hash, &address.octets()),
        };
        let at = at_weight(members, walk.hash % total_weight);
        if members[at].eligible {
            return Some(at);
        }
        walk.rehashes += 1;
    }
    None
}

fn mix(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash * 113 + u64::from(*byte)) % 6271)
}

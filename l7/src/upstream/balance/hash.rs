//! By a key, remainder of a checksum (nginx `ngx_http_upstream_hash_module.c`, after Cache::Memcached). Most keys move when a server comes.

use super::{Member, REHASHES, Walk, at_weight};

pub fn choose(members: &[Member], total_weight: u64, walk: &mut Walk, key: &[u8]) -> Option<usize> {
    if members.len() < 2 || total_weight == 0 || key.is_empty() {
        return None;
    }
    while walk.rehashes <= REHASHES {
        let mut sum = crc32fast::Hasher::new();
        if walk.rehashes > 0 {
            sum.update(walk.rehashes.to_string().as_bytes());
        }
        sum.update(key);
        walk.hash += u64::from(sum.finalize() >> 16 & 0x7fff);
        walk.rehashes += 1;
        let at = at_weight(members, walk.hash % total_weight);
        if members[at].eligible {
            return Some(at);
        }
    }
    None
}

//! By a key on a ring (nginx `hash KEY consistent`, after Cache::Memcached::Fast): few keys move when a server comes or goes.

use super::{Member, REHASHES, Server, Walk, round_robin};

/// Points of a server per unit of weight.
const POINTS: u32 = 160;

/// Where a server sits on the ring.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    hash: u32,
    /// The first member with the server's name.
    member: usize,
}

/// Sorted; of points at the same place the first server's.
pub fn ring<'a>(servers: impl Iterator<Item = &'a Server>) -> Vec<Point> {
    let servers: Vec<_> = servers.collect();
    let mut points = Vec::new();
    for server in &servers {
        let member = servers.iter().position(|first| first.name() == server.name()).unwrap_or(0);
        let (host, port) = split(server.name());
        let mut base = crc32fast::Hasher::new();
        base.update(host.as_bytes());
        base.update(b"\0");
        base.update(port.as_bytes());
        let mut previous = 0_u32;
        for _ in 0..server.weight().saturating_mul(POINTS) {
            let mut sum = base.clone();
            sum.update(&previous.to_le_bytes());
            previous = sum.finalize();
            points.push(Point { hash: previous, member });
        }
    }
    points.sort_by_key(|point| point.hash);
    points.dedup_by_key(|point| point.hash);
    points
}

/// Round robin among the servers of one name, the next name after it if none of them may be asked.
pub fn choose(members: &mut [Member], ring: &[Point], walk: &mut Walk, key: &[u8]) -> Option<usize> {
    if members.len() < 2 || ring.is_empty() || key.is_empty() {
        return None;
    }
    if !walk.started {
        let hash = crc32fast::hash(key);
        (walk.started, walk.hash) = (true, ring.partition_point(|point| point.hash < hash) as u64);
    }
    while walk.rehashes <= REHASHES {
        let owner = ring[walk.hash as usize % ring.len()].member;
        let server = std::sync::Arc::clone(&members[owner].server);
        if let Some(found) = round_robin::choose(members, |member| member.server.name() == server.name()) {
            return Some(found);
        }
        walk.hash += 1;
        walk.rehashes += 1;
    }
    None
}

/// Host and port of a name, by the last colon outside of brackets.
fn split(name: &str) -> (&str, &str) {
    match name.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
        _ => (name, ""),
    }
}

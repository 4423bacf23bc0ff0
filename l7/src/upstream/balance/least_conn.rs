//! The fewest requests in flight per weight, by round robin among equals (nginx `ngx_http_upstream_least_conn_module.c`).

use std::cmp::Ordering;

use super::{Member, round_robin};

pub fn choose(members: &mut [Member]) -> Option<usize> {
    let mut best: Option<usize> = None;
    let mut equals = false;
    for at in 0..members.len() {
        if !members[at].eligible {
            continue;
        }
        match best.map(|best| compare(&members[at], &members[best])) {
            None | Some(Ordering::Less) => (best, equals) = (Some(at), false),
            Some(Ordering::Equal) => equals = true,
            Some(Ordering::Greater) => {}
        }
    }
    let best = best?;
    if !equals {
        return Some(best);
    }
    let load = Load::of(&members[best]);
    round_robin::choose(members, |member| Load::of(member).compare(&load) == Ordering::Equal)
}

/// Requests in flight by weight.
pub fn compare(left: &Member, right: &Member) -> Ordering {
    Load::of(left).compare(&Load::of(right))
}

struct Load {
    requests: u64,
    weight: u64,
}

impl Load {
    fn of(member: &Member) -> Self {
        Self { requests: u64::from(member.server.in_flight()), weight: u64::from(member.server.weight()) }
    }

    fn compare(&self, other: &Self) -> Ordering {
        (self.requests * other.weight).cmp(&(other.requests * self.weight))
    }
}

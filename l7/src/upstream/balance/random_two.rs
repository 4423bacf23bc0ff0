//! The less busy of two random servers, drawn by weight (nginx `random two least_conn`).

use std::cmp::Ordering;

use super::{Member, REHASHES, Random, at_weight, least_conn};

pub fn choose(members: &[Member], total_weight: u64, random: &mut Random) -> Option<usize> {
    if members.len() < 2 || total_weight == 0 {
        return None;
    }
    let mut first = None;
    for _ in 0..=REHASHES {
        let at = at_weight(members, random.below(total_weight));
        if !members[at].eligible || first == Some(at) {
            continue;
        }
        match first {
            None => first = Some(at),
            Some(first) if least_conn::compare(&members[at], &members[first]) == Ordering::Greater => {
                return Some(first);
            }
            Some(_) => return Some(at),
        }
    }
    None
}

//! Of two random servers the one that is likely to answer first: peak EWMA of its latency, times what it has to do already, by weight.

use super::{Member, Random};

pub fn choose(members: &[Member], random: &mut Random) -> Option<usize> {
    let eligible = members.iter().filter(|member| member.eligible).count() as u64;
    let first = nth(members, random.below(eligible))?;
    if eligible == 1 {
        return Some(first);
    }
    // Never the same one again: among the others.
    let mut second = random.below(eligible - 1);
    if second >= rank(members, first) {
        second += 1;
    }
    let second = nth(members, second)?;
    Some(if cost(&members[second]) < cost(&members[first]) { second } else { first })
}

fn nth(members: &[Member], rank: u64) -> Option<usize> {
    (0..).zip(members).filter(|(_, member)| member.eligible).nth(rank as usize).map(|(at, _)| at)
}

fn rank(members: &[Member], at: usize) -> u64 {
    members[..at].iter().filter(|member| member.eligible).count() as u64
}

/// A server without an answer so far is taken for the fastest, so that it gets a chance.
fn cost(member: &Member) -> u128 {
    let server = &member.server;
    (u128::from(server.latency()) + 1) * (u128::from(server.in_flight()) + 1) * 1_000_000
        / u128::from(server.weight().max(1))
}

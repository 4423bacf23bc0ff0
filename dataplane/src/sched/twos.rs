//! The power of two choices (`ip_vs_twos.c`): of two servers drawn at random by weight, the less loaded one.
//!
//! Both draws are uniform in 0..=S, S the sum of the eligible weights; the list is walked subtracting weights until nothing is
//! left, so the first server has odds (w+1)/(S+1). Products are compared without overflow, where the kernel's 32-bit product goes wrong
//! beyond weight * overhead = 2^31.

use super::pool::Member;
use super::wlc::Share;
use crate::servers::Servers;

pub fn pick(members: &[Member], servers: &Servers, random: u64) -> Option<usize> {
    let eligible = || members.iter().enumerate().filter(|(_, member)| member.is_eligible(servers));
    let sum: u64 = eligible().map(|(_, member)| u64::from(member.weight)).sum();
    let drawn = |random: u64| {
        let mut left = below(random, sum + 1);
        // A server that becomes eligible between sum and walk only ends the walk earlier; if one ceases to be, the last one is taken.
        let walked = eligible().map(|(index, member)| {
            left = left.saturating_sub(member.weight.into());
            (index, left)
        });
        let mut last = None;
        for (index, left) in walked {
            last = Some(index);
            if left == 0 {
                break;
            }
        }
        last
    };
    let first = drawn(random)?;
    let second = drawn(mix(random)).unwrap_or(first);
    let share = |index: usize| {
        let Member { id, weight, .. } = members[index];
        Share { overhead: servers.load(id).overhead(), weight }
    };
    Some(if share(second).is_less_than(share(first)) { second } else { first })
}

/// A uniform integer in 0..`bound` (bias below `bound` / 2^64).
fn below(random: u64, bound: u64) -> u64 {
    ((u128::from(random) * u128::from(bound)) >> 64) as u64
}

/// A second random word from the first (the finaliser of SplitMix64, a bijection).
fn mix(random: u64) -> u64 {
    let mut word = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

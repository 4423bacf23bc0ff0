//! Weighted least connections (`ip_vs_wlc.c`): the smallest overhead / weight among the eligible.

use super::pool::Member;
use crate::servers::{Load, Servers};

pub fn pick(members: &[Member], servers: &Servers) -> Option<usize> {
    least(members, servers, Load::overhead)
}

/// The eligible server with the smallest `overhead(load) / weight`; of equal ones the first wins.
pub fn least(members: &[Member], servers: &Servers, overhead: impl Fn(Load) -> u64) -> Option<usize> {
    let candidates = members.iter().enumerate().filter_map(|(index, member)| {
        let load = servers.load(member.id);
        (member.weight > 0 && !load.overloaded)
            .then(|| (index, Share { overhead: overhead(load), weight: member.weight }))
    });
    let least = candidates.reduce(|least, next| if next.1.is_less_than(least.1) { next } else { least });
    least.map(|(index, _)| index)
}

/// An overhead in proportion to a weight.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    pub overhead: u64,
    pub weight: u32,
}

impl Share {
    /// Compares by cross multiplication, without rounding and without overflow.
    #[inline]
    pub fn is_less_than(self, other: Self) -> bool {
        u128::from(self.overhead) * u128::from(other.weight) < u128::from(other.overhead) * u128::from(self.weight)
    }
}

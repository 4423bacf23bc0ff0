//! Weighted failover (`ip_vs_fo.c`): the eligible server of the highest weight gets everything.

use super::pool::Member;
use crate::servers::Servers;

pub fn pick(members: &[Member], servers: &Servers) -> Option<usize> {
    heaviest(members, |member| member.is_eligible(servers))
}

/// The suitable server of the highest weight; of equal ones the first wins.
pub fn heaviest(members: &[Member], is_suitable: impl Fn(&Member) -> bool) -> Option<usize> {
    let suitable = members.iter().enumerate().filter(|(_, member)| is_suitable(member));
    suitable.reduce(|best, next| if next.1.weight > best.1.weight { next } else { best }).map(|(index, _)| index)
}

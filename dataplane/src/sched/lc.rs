//! Least connections (`ip_vs_lc.c`): the smallest overhead among the eligible, whatever the weights.

use super::pool::Member;
use crate::servers::Servers;

pub fn pick(members: &[Member], servers: &Servers) -> Option<usize> {
    let overheads = members.iter().enumerate().filter_map(|(index, member)| {
        let load = servers.load(member.id);
        (member.weight > 0 && !load.overloaded).then_some((index, load.overhead()))
    });
    // Of equal ones the first wins.
    overheads.min_by_key(|(_, overhead)| *overhead).map(|(index, _)| index)
}

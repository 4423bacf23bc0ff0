//! Weighted overflow (`ip_vs_ovf.c`): the eligible server of the highest weight whose active connections do not exceed its weight.
//!
//! A server therefore takes weight + 1 active connections; UDP counts as inactive and never fills it.

use super::fo;
use super::pool::Member;
use crate::servers::Servers;

pub fn pick(members: &[Member], servers: &Servers) -> Option<usize> {
    fo::heaviest(members, |member| {
        let load = servers.load(member.id);
        member.weight > 0 && !load.overloaded && load.active <= member.weight
    })
}

//! Never queue (`ip_vs_nq.c`): the first eligible server without active connections, else as `sed`.

use super::pool::Member;
use super::{sed, wlc};
use crate::servers::Servers;

pub fn pick(members: &[Member], servers: &Servers) -> Option<usize> {
    let is_idle = |member: &Member| {
        let load = servers.load(member.id);
        member.weight > 0 && !load.overloaded && load.active == 0
    };
    members.iter().position(is_idle).or_else(|| wlc::least(members, servers, sed::delay))
}

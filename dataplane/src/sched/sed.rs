//! Shortest expected delay (`ip_vs_sed.c`): as `wlc`, with the active connections plus the new one as overhead.

use super::pool::Member;
use super::wlc;
use crate::servers::{Load, Servers};

pub fn pick(members: &[Member], servers: &Servers) -> Option<usize> {
    wlc::least(members, servers, delay)
}

/// A + 1.
pub fn delay(load: Load) -> u64 {
    u64::from(load.active) + 1
}

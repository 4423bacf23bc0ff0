//! Round robin (`ip_vs_rr.c`): the next eligible server after the one chosen last. Weights count only as zero or not.

use std::sync::atomic::{AtomicU32, Ordering};

use super::pool::Member;
use crate::servers::Servers;

/// The server chosen last: 0 = the head of the list (before the first server), i + 1 = member i.
#[derive(Debug, Default)]
pub struct State {
    last: AtomicU32,
}

impl Clone for State {
    fn clone(&self) -> Self {
        Self { last: self.last.load(Ordering::Relaxed).into() }
    }
}

impl State {
    pub fn added_at_head(&mut self) {
        let last = self.last.get_mut();
        if *last > 0 {
            *last += 1;
        }
    }

    /// When the server chosen last goes, its predecessor takes its place.
    pub fn removed(&mut self, index: usize) {
        let last = self.last.get_mut();
        if *last as usize > index {
            *last -= 1;
        }
    }

    pub fn pick(&self, members: &[Member], servers: &Servers) -> Option<usize> {
        let mut last = self.last.load(Ordering::Relaxed);
        loop {
            let after = (last as usize).min(members.len());
            let chosen = (after..members.len()).chain(0..after).find(|index| members[*index].is_eligible(servers))?;
            match self.last.compare_exchange_weak(last, chosen as u32 + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(chosen),
                Err(moved) => last = moved,
            }
        }
    }
}

//! Weighted round robin (`ip_vs_wrr.c`): passes over the list with a falling limit; each pass takes the servers whose weight
//! reaches it.
//!
//! `di` is the gcd of the weights, `mw` = largest weight - (di - 1) the limit of a round's first pass, and the limit falls by `di`
//! down to 1. A pick goes on behind the server chosen last; edits move the position to the head but keep the limit.

use std::sync::atomic::{AtomicU64, Ordering};

use super::pool::Member;
use crate::servers::Servers;

#[derive(Debug, Default)]
pub struct State {
    /// Position (upper half: 0 = head of the list, i + 1 = member i was chosen last) and limit (lower half) in one word.
    place: AtomicU64,
    top: u32,
    step: u32,
}

impl Clone for State {
    fn clone(&self) -> Self {
        Self { place: self.place.load(Ordering::Relaxed).into(), ..*self }
    }
}

impl State {
    /// State for a list that was filled under another scheduler: the first round begins with its first pass.
    pub fn attach(members: &[Member]) -> Self {
        let (top, step) = top_and_step(members);
        Self { place: u64::from(top).into(), top, step }
    }

    /// After any change of the list or of a weight.
    pub fn edited(&mut self, members: &[Member]) {
        (self.top, self.step) = top_and_step(members);
        let mut limit = *self.place.get_mut() as u32;
        if limit > self.top || limit == 0 {
            limit = self.top;
        } else if self.step > 1 {
            limit = limit / self.step * self.step + 1;
        }
        *self.place.get_mut() = limit.into();
    }

    pub fn pick(&self, members: &[Member], servers: &Servers) -> Option<usize> {
        if self.top == 0 {
            return None;
        }
        let mut place = self.place.load(Ordering::Relaxed);
        loop {
            let (last, limit) = ((place >> 32) as usize, place as u32);
            let chosen = self.choose(members, servers, last, limit);
            let next = match chosen {
                Ok((index, limit)) => (index as u64 + 1) << 32 | u64::from(limit),
                Err(limit) => (last as u64) << 32 | u64::from(limit),
            };
            match self.place.compare_exchange_weak(place, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return chosen.ok().map(|(index, _)| index),
                Err(moved) => place = moved,
            }
        }
    }

    /// The server and the limit it was found under, or the limit at which the search is given up. Passes that cannot find a server are
    /// skipped by arithmetic, so the search looks at each server at most three times, whatever the weights.
    fn choose(&self, members: &[Member], servers: &Servers, last: usize, limit: u32) -> Result<(usize, u32), u32> {
        let reaches = |member: &Member, limit: u32| member.weight >= limit && member.is_eligible(servers);
        let rest = members.get(last..).unwrap_or_default();
        if let Some(found) = rest.iter().position(|member| reaches(member, limit)) {
            return Ok((last + found, limit));
        }
        let heaviest = members.iter().filter(|member| member.is_eligible(servers)).map(|member| member.weight).max();
        let Some(heaviest) = heaviest else { return Err(self.limit_on_failure(last, limit)) };
        let mut limit = if limit > self.step { limit - self.step } else { self.top };
        if limit > heaviest {
            // Limits are 1 above a multiple of the step and weights are multiples of it.
            limit = heaviest.saturating_sub(self.step - 1).max(1);
        }
        match members.iter().position(|member| reaches(member, limit)) {
            Some(found) => Ok((found, limit)),
            // The heaviest server became overloaded a moment ago.
            None => Err(limit),
        }
    }

    /// The limit that the kernel's search leaves behind when nobody is eligible. It goes on until a pass with limit 1 has seen all
    /// servers. Normally that pass ends at the end of the list and the next round's limit is set already. A pick that begins
    /// behind a server in a last pass has only seen the rest of the list, so it goes through one more round, and stops at
    /// the server it began behind, within the last pass.
    fn limit_on_failure(&self, last: usize, limit: u32) -> u32 {
        let begins_in_last_pass = limit <= self.step;
        if last > 0 && begins_in_last_pass { 1 } else { self.top }
    }
}

fn top_and_step(members: &[Member]) -> (u32, u32) {
    let step = members.iter().map(|member| member.weight).fold(0, gcd).max(1);
    let heaviest = members.iter().map(|member| member.weight).max().unwrap_or(0);
    (heaviest.saturating_sub(step - 1), step)
}

/// Greatest common divisor; `gcd(0, x) = x`.
pub fn gcd(a: u32, b: u32) -> u32 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

//! The algorithms. A group is the primaries or the backups of an upstream; the backups are balanced by the same algorithm.

mod ewma;
mod hash;
mod ip_hash;
mod ketama;
mod least_conn;
mod random_two;
mod round_robin;

use std::sync::Arc;

use super::server::FULL;
use super::{Attempts, Key, Server};
use crate::config::{Balance, HashKey};

/// Tries of a hash to find a server that may be asked; then round robin (as nginx).
const REHASHES: u32 = 20;

/// Servers that are balanced among each other.
#[derive(Debug)]
pub struct Group {
    balance: Balance,
    members: Vec<Member>,
    total_weight: u64,
    ring: Vec<ketama::Point>,
    random: Random,
}

#[derive(Debug)]
struct Member {
    /// In the upstream.
    index: usize,
    server: Arc<Server>,
    /// Of smooth weighted round robin, in hundredths.
    current: i64,
    effective: i64,
    /// Whether this request may have it.
    eligible: bool,
    /// In percent: see [`Server::ramp`].
    ramp: u32,
}

/// Where a request's hash has come to; goes on from there after a failure.
#[derive(Debug, Default)]
pub struct Walk {
    started: bool,
    hash: u64,
    rehashes: u32,
}

impl Member {
    /// As it is now, in hundredths.
    fn weight(&self) -> u64 {
        u64::from(self.server.weight()) * u64::from(self.ramp)
    }

    /// As it is without failures and slow start, in hundredths.
    fn full_weight(&self) -> i64 {
        i64::from(self.server.weight()) * i64::from(FULL)
    }
}

impl Group {
    pub fn new(balance: Balance, members: Vec<(usize, Arc<Server>)>) -> Self {
        let members: Vec<_> = members
            .into_iter()
            .map(|(index, server)| {
                let mut member = Member { index, server, current: 0, effective: 0, eligible: false, ramp: FULL };
                member.effective = member.full_weight();
                member
            })
            .collect();
        let ring = match balance {
            Balance::HashConsistent(_) => ketama::ring(members.iter().map(|member| &*member.server)),
            _ => Vec::new(),
        };
        let total_weight = members.iter().map(|member| u64::from(member.server.weight())).sum();
        Self { balance, members, total_weight, ring, random: Random::seeded() }
    }

    /// Takes over where round robin has come to: a reload must not begin with the first server again.
    pub fn go_on_from(&mut self, before: &Self) {
        for member in &mut self.members {
            let same = |known: &&Member| {
                known.server.address() == member.server.address() && known.server.name() == member.server.name()
            };
            if let Some(known) = before.members.iter().find(same) {
                member.current = known.current;
                member.effective = known.effective.min(member.full_weight());
            }
        }
    }

    /// The next server for a request, by its index in the upstream; sets `busy` when one was left out only because it has enough to do.
    pub fn choose(&mut self, attempts: &mut Attempts, key: &Key<'_>, now: u64, busy: &mut bool) -> Option<usize> {
        let mut any = false;
        for member in &mut self.members {
            let server = &member.server;
            member.eligible = server.may_be_asked() && !attempts.has_tried(member.index) && !server.is_out(now);
            if member.eligible && server.is_full() {
                member.eligible = false;
                *busy = true;
            }
            any = any || member.eligible;
            member.ramp = server.ramp(now);
            member.effective = (member.effective - i64::from(server.take_lost_weight()) * i64::from(FULL)).max(0);
        }
        if !any {
            return None;
        }
        if matches!(self.balance, Balance::RandomTwo | Balance::Ewma) {
            self.leave_out_newcomers();
        }
        let walk = &mut attempts.walk;
        let found = match self.balance {
            Balance::RoundRobin => None,
            Balance::LeastConn => least_conn::choose(&mut self.members),
            Balance::IpHash => ip_hash::choose(&self.members, self.total_weight, walk, key.client),
            Balance::Hash(_) => hash::choose(&self.members, self.total_weight, walk, key.hashed),
            Balance::HashConsistent(_) => ketama::choose(&mut self.members, &self.ring, walk, key.hashed),
            Balance::RandomTwo => random_two::choose(&self.members, self.total_weight, &mut self.random),
            Balance::Ewma => ewma::choose(&self.members, &mut self.random),
        };
        let at = found.or_else(|| round_robin::choose(&mut self.members, |_| true))?;
        Some(self.members[at].index)
    }

    /// Of two random servers the idle one is taken, whatever its weight: one in slow start takes part in as many choices as it may, seen
    /// against the one that is furthest.
    fn leave_out_newcomers(&mut self) {
        let eligible = |member: &&mut Member| member.eligible;
        let most = self.members.iter_mut().filter(eligible).map(|member| member.ramp).max().unwrap_or(FULL);
        for member in self.members.iter_mut().filter(eligible).filter(|member| member.ramp < most) {
            member.eligible = self.random.below(most.into()) < u64::from(member.ramp);
        }
    }
}

impl Balance {
    /// What is hashed, if anything is.
    pub fn hash_key(self) -> Option<HashKey> {
        match self {
            Self::Hash(key) | Self::HashConsistent(key) => Some(key),
            _ => None,
        }
    }
}

/// The member that a share of the total weight falls upon.
fn at_weight(members: &[Member], mut weight: u64, own: impl Fn(&Member) -> u64) -> usize {
    members
        .iter()
        .position(|member| {
            let own = own(member);
            let here = weight < own;
            weight = weight.saturating_sub(own);
            here
        })
        .unwrap_or(0)
}

/// The weight of a hash, which always leads to the same server.
fn steady(member: &Member) -> u64 {
    member.server.weight().into()
}

/// A small generator (xorshift64*): the choice need not be unpredictable.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn seeded() -> Self {
        use std::hash::{BuildHasher, Hasher};
        Self(std::collections::hash_map::RandomState::new().build_hasher().finish() | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        ((u128::from(high) * u128::from(limit)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests;

//! The algorithms. A group is the primaries or the backups of an upstream; the backups are balanced by the same algorithm.

mod ewma;
mod hash;
mod ip_hash;
mod ketama;
mod least_conn;
mod random_two;
mod round_robin;

use std::sync::Arc;

use super::server::WHOLE;
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
    /// Of smooth weighted round robin.
    current: i64,
    effective: i64,
    /// Whether this request may have it.
    eligible: bool,
    /// Whether it may, but its slow start leaves the request to others.
    held: bool,
}

/// Where a request's hash has come to; goes on from there after a failure.
#[derive(Debug, Default)]
pub struct Walk {
    started: bool,
    hash: u64,
    rehashes: u32,
}

impl Group {
    pub fn new(balance: Balance, members: Vec<(usize, Arc<Server>)>) -> Self {
        let members: Vec<_> = members
            .into_iter()
            .map(|(index, server)| Member {
                index,
                current: 0,
                effective: i64::from(server.weight()),
                eligible: false,
                held: false,
                server,
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
                member.effective = known.effective.min(i64::from(member.server.weight()));
            }
        }
    }

    /// The next server for a request, by its index in the upstream; sets `busy` when one was left out only because it has enough to do.
    pub fn choose(&mut self, attempts: &mut Attempts, key: &Key<'_>, now: u64, busy: &mut bool) -> Option<usize> {
        let (mut any, mut any_ready) = (false, false);
        for member in &mut self.members {
            let server = &member.server;
            member.eligible = server.may_be_asked() && !attempts.has_tried(member.index) && !server.is_out(now);
            if member.eligible && server.is_full() {
                member.eligible = false;
                *busy = true;
            }
            let share = server.share(now);
            member.held = share < WHOLE && self.random.below(WHOLE) >= share;
            any = any || member.eligible;
            any_ready = any_ready || (member.eligible && !member.held);
            member.effective = (member.effective - i64::from(server.take_lost_weight())).max(0);
        }
        if !any {
            return None;
        }
        if any_ready {
            self.members.iter_mut().filter(|member| member.held).for_each(|member| member.eligible = false);
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

/// The member that a weight falls upon.
fn at_weight(members: &[Member], mut weight: u64) -> usize {
    members
        .iter()
        .position(|member| {
            let own = u64::from(member.server.weight());
            let here = weight < own;
            weight = weight.saturating_sub(own);
            here
        })
        .unwrap_or(0)
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

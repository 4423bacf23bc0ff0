//! Maglev hashing (`ip_vs_mh.c`): a table of 4093 slots that the servers fill in turns, each along its own permutation.
//!
//! Turns follow from the newest weight other than 0, so a drained server keeps its slots, whose clients get no server (or,
//! with `fallback`, another one). When servers come and go, few clients change theirs.

use std::sync::Arc;

use super::Flags;
use super::hash::{client, fold};
use super::pool::{Member, Request};
use super::siphash::siphash13;
use super::wrr::gcd;
use crate::servers::Servers;

/// Slots of the table (a prime), the build default of Linux. Servers beyond this number get no slot.
const SLOTS: u32 = 4093;
/// Turns of a server per round are cut down to this many bits.
const TURN_BITS: u32 = 6;
const KEY_1: u64 = 2_654_435_761;
const KEY_2: u64 = 2_654_446_892;

pub fn table(members: &[Member]) -> Arc<[u32]> {
    let common = members.iter().map(|member| member.last_weight).fold(0, gcd).max(1);
    let heaviest = members.iter().map(|member| member.last_weight).max().unwrap_or(0) / common;
    let shift = (u32::BITS - heaviest.leading_zeros()).saturating_sub(TURN_BITS);
    let mut walks: Vec<Walk> = members.iter().enumerate().filter_map(|(i, m)| Walk::new(i, m, common, shift)).collect();
    if walks.is_empty() {
        return Arc::new([]);
    }
    let mut slots = vec![None; SLOTS as usize];
    let mut free = SLOTS;
    while free > 0 {
        for walk in &mut walks {
            for _ in 0..walk.turns.min(free) {
                let slot = walk.next_free(&slots);
                slots[slot] = Some(walk.index);
                free -= 1;
            }
        }
    }
    slots.into_iter().flatten().collect()
}

pub fn pick(table: &[u32], members: &[Member], servers: &Servers, request: &Request, flags: Flags) -> Option<usize> {
    let key = client(request, flags.port);
    let slot = |offset: u32| siphash13(key.wrapping_add(offset), KEY_1) % SLOTS;
    let at = |slot: u32| table.get(slot as usize).map(|index| *index as usize);
    let is_eligible = |index: &usize| members.get(*index).is_some_and(|member| member.is_eligible(servers));
    let hash = slot(0);
    let first = at(hash)?;
    if is_eligible(&first) {
        return Some(first);
    }
    if !flags.fallback {
        return None;
    }
    (0..SLOTS).map(|offset| slot((offset + hash) % SLOTS)).filter_map(at).find(is_eligible)
}

/// A server on its way through the table.
struct Walk {
    index: u32,
    turns: u32,
    next: u32,
    skip: u32,
}

impl Walk {
    fn new(index: usize, member: &Member, common: u32, shift: u32) -> Option<Self> {
        if member.last_weight == 0 {
            return None;
        }
        let key = fold(member.address).wrapping_add(member.port.into());
        Some(Self {
            index: index as u32,
            turns: ((member.last_weight / common) >> shift).max(1),
            next: siphash13(key, KEY_1) % SLOTS,
            skip: siphash13(key, KEY_2) % (SLOTS - 1) + 1,
        })
    }

    /// The server's next slot that nobody took. There must be one: the steps visit all slots, their number being prime.
    fn next_free(&mut self, slots: &[Option<u32>]) -> usize {
        loop {
            let slot = self.next as usize;
            self.next = (self.next + self.skip) % SLOTS;
            if slots[slot].is_none() {
                return slot;
            }
        }
    }
}

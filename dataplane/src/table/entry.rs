//! Reading an entry as a whole: copy, then look at the head again.
//!
//! The head changes before any word of the next life is written, so a copy between two equal heads is of one life. Two words may be
//! older or newer than the rest: last-seen, which carries its generation, and the state, which only changes by compare-and-swap
//! within a life.

use super::SubTable;
use super::hash::Hash;
use super::key::{FORWARD, Key, SEEN, STATE};
use super::sync::{AtomicU64, Breakage, Ordering, broken, fence};
use super::word::{Direction, Head, Life, NONE, Seen};
use super::{State, Tick};

/// Names one life of one entry; the family is known by the sub-table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnId {
    /// The entry, below the capacity (31 bits).
    pub index: u32,
    /// Its life (30 bits, wraps).
    pub generation: u32,
}

/// A copy of a live (or just ended) connection or template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<K> {
    pub id: ConnId,
    /// Which of the two keys was asked for.
    pub direction: Direction,
    pub forward: K,
    /// `None` for direct routing, tunnels and templates.
    pub reverse: Option<K>,
    pub server: u32,
    /// The template the connection joined.
    pub template: Option<ConnId>,
    pub state: State,
    /// `None` when a late writer spoiled the word; the next stamp repairs it.
    pub seen: Option<Seen>,
}

impl<K: Key> SubTable<K> {
    /// The connection or template `id`, if it still lives.
    pub fn get(&self, id: ConnId) -> Option<Found<K>> {
        let entry = self.entry(id.index)?;
        let head = Head(entry[0].load(Ordering::Acquire));
        if head.generation() != id.generation || head.life() != Life::Live {
            return None;
        }
        Self::copy(id.index, entry, head, Direction::Forward)
    }

    /// Everything that lives, in no order of meaning; each entry is consistent in itself, the whole is not.
    pub fn iter(&self) -> impl Iterator<Item = Found<K>> + '_ {
        self.scan(0, self.watermark())
    }

    /// What lives in the `count` entries from `start` on: for sweeping a table piece by piece.
    pub fn scan(&self, start: u32, count: u32) -> impl Iterator<Item = Found<K>> + '_ {
        (start..start.saturating_add(count).min(self.watermark())).filter_map(|index| self.live(index))
    }

    /// When `id` was last seen, or `None` when it is gone. A spoiled word counts as seen `now` and is repaired.
    pub fn last_seen(&self, id: ConnId, now: Tick) -> Option<Tick> {
        let entry = self.entry(id.index)?;
        let head = Head(entry[0].load(Ordering::Acquire));
        if head.generation() != id.generation || head.life() != Life::Live {
            return None;
        }
        let seen = Seen::unpack(entry[SEEN].load(Ordering::Relaxed), id.generation);
        if seen.is_none() {
            self.stamp(id, now);
        }
        Some(seen.map_or(now, |seen| seen.last))
    }

    /// Notes a packet at `now`: one plain store. A worker that is late, after the entry was recycled, spoils the last-seen word of
    /// the next life but cannot be believed by it, since the word carries the generation.
    #[inline(always)]
    pub fn stamp(&self, id: ConnId, now: Tick) {
        if let Some(entry) = self.entry(id.index) {
            let word = entry[SEEN].load(Ordering::Relaxed);
            entry[SEEN].store(Seen::next(word, id.generation, now), Ordering::Relaxed);
        }
    }

    fn live(&self, index: u32) -> Option<Found<K>> {
        let entry = self.entry(index)?;
        loop {
            let head = Head(entry[0].load(Ordering::Acquire));
            if head.life() != Life::Live {
                return None;
            }
            if let Some(found) = Self::copy(index, entry, head, Direction::Forward) {
                return Some(found);
            }
        }
    }

    /// Copies the life that `head` shows, or nothing if it is over.
    #[inline(always)]
    pub(super) fn copy(index: u32, entry: &[AtomicU64], head: Head, direction: Direction) -> Option<Found<K>> {
        let found = Self::read(index, entry, head, direction);
        if !broken(Breakage::Reread) {
            fence(Ordering::Acquire);
            if entry[0].load(Ordering::Relaxed) != head.0 {
                return None;
            }
        }
        found
    }

    /// The words as they are; the caller knows that the life of `head` goes on, or looks again.
    #[inline(always)]
    pub(super) fn read(index: u32, entry: &[AtomicU64], head: Head, direction: Direction) -> Option<Found<K>> {
        let refs = entry[K::REFS].load(Ordering::Relaxed);
        let template = ConnId { index: refs as u32, generation: head.template_generation() };
        Some(Found {
            id: ConnId { index, generation: head.generation() },
            direction,
            forward: K::read(entry, FORWARD)?,
            reverse: K::read(entry, K::REVERSE),
            server: (refs >> 32) as u32,
            template: (template.index != NONE).then_some(template),
            state: State::from_bits(entry[STATE].load(Ordering::Acquire)),
            seen: Self::read_seen(entry, head),
        })
    }

    #[inline(always)]
    fn read_seen(entry: &[AtomicU64], head: Head) -> Option<Seen> {
        let word = entry[SEEN].load(Ordering::Relaxed);
        let generation = if broken(Breakage::SeenGeneration) { (word >> 48) as u32 } else { head.generation() };
        Seen::unpack(word, generation)
    }

    #[inline(always)]
    pub(super) fn hash_of(&self, key: &K) -> Hash {
        key.seeded_hash(&self.seeds)
    }
}

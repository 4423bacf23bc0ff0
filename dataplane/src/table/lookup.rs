//! Finding the entry of a packet, in three stages so that a burst overlaps its cache misses.

use super::SubTable;
use super::entry::Found;
use super::hash::Hash;
use super::key::{FORWARD, Key};
use super::sync::{AtomicU64, Ordering, prefetch};
use super::word::{Direction, Head, Life, Slot};

/// The first slot whose tag matches; right in all but one of some 9000 lookups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate(Slot);

impl Candidate {
    /// No slot matched: [`SubTable::lookup`] probes.
    pub const NONE: Self = Self(Slot(0));
}

impl<K: Key> SubTable<K> {
    /// The hash of a key in this table.
    #[inline(always)]
    pub fn hash(&self, key: &K) -> Hash {
        self.hash_of(key)
    }

    /// Stage 1: asks for the home bucket's line.
    #[inline(always)]
    pub fn prefetch(&self, hash: Hash) {
        self.index().prefetch(hash);
    }

    /// Stage 2: matches the tags and asks for the entry's lines.
    #[inline(always)]
    pub fn candidate(&self, hash: Hash) -> Candidate {
        let Some(slot) = self.index().first_match(hash) else { return Candidate::NONE };
        if let Some(entry) = self.entry(slot.entry()) {
            prefetch(&entry[0]);
            if K::ENTRY > 8 {
                prefetch(&entry[K::ENTRY - 1]);
            }
        }
        Candidate(slot)
    }

    /// Stage 3: the connection or template that `key` belongs to. The candidate may be older than other packets of the same burst:
    /// when it does not fit, the buckets are probed.
    #[inline(always)]
    pub fn lookup(&self, key: &K, hash: Hash, candidate: Candidate) -> Option<Found<K>> {
        let mut slot = candidate.0;
        let mut fits = if slot.is_used() { self.verify(key, slot) } else { None };
        // One place that copies, so that words the caller does not look at need not be kept. It goes round again only when the entry was
        // recycled meanwhile, which is another thread's progress.
        loop {
            if let Some((entry, head)) = fits
                && let Some(found) = Self::copy(slot.entry(), entry, head, slot.direction())
            {
                return Some(found);
            }
            slot = self.probe(key, hash)?;
            fits = self.verify(key, slot);
        }
    }

    /// The three stages at once.
    #[inline]
    pub fn find(&self, key: &K) -> Option<Found<K>> {
        self.lookup(key, self.hash_of(key), Candidate::NONE)
    }

    #[inline(never)]
    fn probe(&self, key: &K, hash: Hash) -> Option<Slot> {
        self.index().find(hash, |_, slot| self.verify(key, slot).map(|_| slot))
    }

    /// The slot's entry and its head, if it lives and holds `key` on the slot's side; the head is to be looked at again after reading more.
    #[inline(always)]
    fn verify(&self, key: &K, slot: Slot) -> Option<(&[AtomicU64], Head)> {
        let entry = self.entry(slot.entry())?;
        let head = Head(entry[0].load(Ordering::Acquire));
        if head.life() != Life::Live || !slot.is_of(head) {
            return None;
        }
        let at = if slot.direction() == Direction::Forward { FORWARD } else { K::REVERSE };
        key.equals(entry, at).then_some((entry, head))
    }
}

//! The index: buckets of tagged slots, found by hash.
//!
//! Word 0 of a bucket counts the slots that passed over it because it was full. It is raised before the slot beyond is placed and
//! lowered after it is emptied, so a probe that stops at the first bucket with count 0 misses nothing; an error (a process killed in
//! between) costs a bucket more, never an entry.

use std::hint::select_unpredictable;

use super::hash::Hash;
use super::layout::{BUCKET, LANES, PROBES, Part};
use super::sync::{AtomicU64, Ordering, prefetch};
use super::word::Slot;

/// One family's buckets.
#[derive(Clone, Copy)]
pub(super) struct Index<'a> {
    words: &'a [AtomicU64],
    part: &'a Part,
}

/// Where a slot lies, and how many buckets its probe passed before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) word: usize,
    pub(super) passed: usize,
}

/// The buckets of a hash in probing order: home, the rest of its group, then groups at a stride taken from the hash.
pub(super) struct Probe<'a> {
    part: &'a Part,
    hash: Hash,
    group: usize,
    lane: usize,
    step: usize,
    stride: usize,
}

impl<'a> Index<'a> {
    #[inline(always)]
    pub(super) fn new(words: &'a [AtomicU64], part: &'a Part) -> Self {
        Self { words, part }
    }

    #[inline(always)]
    pub(super) fn prefetch(self, hash: Hash) {
        prefetch(&self.bucket(self.home(hash))[0]);
    }

    /// The first slot with the hash's tag in the home bucket or, when slots passed over that, in its neighbour line.
    #[inline(always)]
    pub(super) fn first_match(self, hash: Hash) -> Option<Slot> {
        let home = self.home(hash);
        let bucket = self.bucket(home);
        if let Some(slot) = match_in(bucket, hash.tag()) {
            return Some(slot);
        }
        if bucket[0].load(Ordering::Relaxed) == 0 {
            return None;
        }
        match_in(self.bucket(home ^ (LANES > 1) as usize), hash.tag())
    }

    /// Visits the slots with the hash's tag until `visit` returns something or the probe ends.
    #[inline(always)]
    pub(super) fn find<T>(self, hash: Hash, mut visit: impl FnMut(Place, Slot) -> Option<T>) -> Option<T> {
        for (passed, at) in self.probe(hash).enumerate() {
            let bucket = self.bucket(at);
            for (n, word) in bucket.iter().enumerate().skip(1) {
                let slot = Slot(word.load(Ordering::Acquire));
                if slot.has_tag(hash.tag())
                    && let Some(found) = visit(Place { word: self.at(at) + n, passed }, slot)
                {
                    return Some(found);
                }
            }
            if bucket[0].load(Ordering::Acquire) == 0 {
                return None;
            }
        }
        None
    }

    /// Places `slot`; `None` when all buckets of the hash are full.
    pub(super) fn insert(self, hash: Hash, slot: Slot) -> Option<Place> {
        for (passed, at) in self.probe(hash).enumerate() {
            let bucket = self.bucket(at);
            for (n, word) in bucket.iter().enumerate().skip(1) {
                if word.load(Ordering::Relaxed) == 0
                    && word.compare_exchange(0, slot.0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
                {
                    return Some(Place { word: self.at(at) + n, passed });
                }
            }
            bucket[0].fetch_add(1, Ordering::AcqRel);
        }
        self.lower(hash, PROBES);
        None
    }

    /// Empties the slot at `place` if it still holds exactly `slot`; says whether it did.
    pub(super) fn remove_at(self, hash: Hash, place: Place, slot: Slot) -> bool {
        let removed = self.words[place.word].compare_exchange(slot.0, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if removed {
            self.lower(hash, place.passed);
        }
        removed
    }

    /// Empties every slot that holds exactly `slot`.
    pub(super) fn remove(self, hash: Hash, slot: Slot) {
        self.find(hash, |place, found| {
            if found == slot {
                self.remove_at(hash, place, slot);
            }
            None::<()>
        });
    }

    /// The buckets of `hash`, in order.
    pub(super) fn probe(self, hash: Hash) -> Probe<'a> {
        let home = self.home(hash);
        Probe { part: self.part, hash, group: home / LANES, lane: home % LANES, step: 0, stride: 0 }
    }

    /// The bucket with this number.
    #[inline(always)]
    pub(super) fn bucket(self, at: usize) -> &'a [AtomicU64] {
        let start = self.at(at);
        &self.words[start..start + BUCKET]
    }

    /// The number of buckets.
    pub(super) fn buckets(self) -> usize {
        self.part.groups * LANES
    }

    #[inline(always)]
    fn at(self, bucket: usize) -> usize {
        self.part.buckets + bucket * BUCKET
    }

    #[inline(always)]
    fn home(self, hash: Hash) -> usize {
        ((hash.0 as u128 * self.buckets() as u128) >> 64) as usize
    }

    fn lower(self, hash: Hash, passed: usize) {
        for at in self.probe(hash).take(passed) {
            self.bucket(at)[0].fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// Looks at all slots, without a branch that the processor could guess wrong.
#[inline(always)]
fn match_in(bucket: &[AtomicU64], tag: u16) -> Option<Slot> {
    let mut found = Slot(0);
    for word in bucket[1..].iter().rev() {
        let slot = Slot(word.load(Ordering::Acquire));
        found = select_unpredictable(slot.has_tag(tag), slot, found);
    }
    found.is_used().then_some(found)
}

impl Iterator for Probe<'_> {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        if self.step == PROBES {
            return None;
        }
        if self.step > 0 && self.step.is_multiple_of(LANES) {
            self.next_group();
        }
        let bucket = self.group * LANES + (self.lane ^ (self.step % LANES));
        self.step += 1;
        Some(bucket)
    }
}

impl Probe<'_> {
    #[cold]
    fn next_group(&mut self) {
        if self.stride == 0 {
            // Neither the tag's bits nor those that chose the home bucket.
            self.stride = 1 + (self.hash.0 >> 16) as u32 as usize % (self.part.groups - 1);
        }
        self.group += self.stride;
        if self.group >= self.part.groups {
            self.group -= self.part.groups;
        }
    }
}

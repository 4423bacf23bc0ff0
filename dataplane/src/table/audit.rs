//! Checking a whole table at rest.

use std::collections::{HashMap, HashSet};

use super::key::Key;
use super::sync::Ordering;
use super::word::{Direction, Head, Life, Slot};
use super::{ConnId, Found, SubTable};

/// What an audit found. Everything but `live` and `listed_free` may be above 0 after a crash; `violations` never.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditReport {
    pub live: usize,
    /// Pending and dying entries: somebody is, or was when it was killed, at work.
    pub unfinished: usize,
    /// Free entries on the shared stack.
    pub listed_free: usize,
    /// Free entries that are in a worker's stock, or lost.
    pub unlisted_free: usize,
    /// Slots of entries that do not live.
    pub stale_slots: usize,
    /// Keys that lead to two live entries, as between the commit of a connection and the removal of an older one's reverse slot.
    pub two_owners: usize,
    /// By how much buckets count more slots than passed over them.
    pub excess_counts: u64,
    pub violations: Vec<Violation>,
}

/// What must never be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// Two live entries with one forward key.
    Duplicate(ConnId, ConnId),
    /// The forward key of a live entry does not lead to it.
    ForwardMissing(ConnId),
    /// The reverse key of a live entry leads neither to it nor to another that took it.
    ReverseMissing(ConnId),
    /// A slot lies in a bucket where its key is not looked for.
    Misplaced(ConnId),
    /// A bucket counts fewer slots than passed over it.
    CountTooLow {
        bucket: usize,
    },
    /// The shared stack runs in a circle or beyond the table.
    FreeListDamaged,
    /// On the shared stack twice, or while in use.
    FreeTwice {
        index: u32,
    },
    FreeInUse {
        index: u32,
    },
}

impl<K: Key> SubTable<K> {
    /// Compares entries, index and free list. For tests and diagnosis; meaningful only while nobody changes the table.
    pub fn audit(&self) -> AuditReport {
        let mut report = AuditReport::default();
        self.audit_entries(&mut report);
        self.audit_index(&mut report);
        self.audit_free(&mut report);
        report
    }

    fn audit_entries(&self, report: &mut AuditReport) {
        let mut owners = HashMap::new();
        for found in self.iter() {
            report.live += 1;
            if let Some(other) = owners.insert(found.forward, found.id) {
                report.violations.push(Violation::Duplicate(other, found.id));
            }
            if self.find(&found.forward).is_none_or(|by_key| by_key.id != found.id) {
                report.violations.push(Violation::ForwardMissing(found.id));
            }
            if !self.reverse_is_accounted(&found) {
                report.violations.push(Violation::ReverseMissing(found.id));
            }
        }
    }

    fn reverse_is_accounted(&self, found: &Found<K>) -> bool {
        let Some(key) = found.reverse else { return true };
        // Whoever is found holds the key; if it is another connection, that one took it.
        self.find(&key).is_some() || found.state.reverse_lost()
    }

    fn audit_index(&self, report: &mut AuditReport) {
        let mut passed = vec![0u64; self.index().buckets()];
        let (mut seen, mut keys) = (HashSet::new(), HashSet::new());
        for bucket in 0..self.index().buckets() {
            for word in &self.index().bucket(bucket)[1..] {
                let slot = Slot(word.load(Ordering::Relaxed));
                if slot.0 == 0 {
                    continue;
                }
                match self.live_of(slot) {
                    Some(found) if seen.insert(slot.0) => {
                        let key = key_of(slot, &found);
                        report.two_owners += key.is_some_and(|key| !keys.insert(key)) as usize;
                        self.count_passed(bucket, key, found.id, &mut passed, report);
                    }
                    _ => report.stale_slots += 1,
                }
            }
        }
        for (bucket, &passed) in passed.iter().enumerate() {
            let counted = self.index().bucket(bucket)[0].load(Ordering::Relaxed);
            match counted.checked_sub(passed) {
                Some(excess) => report.excess_counts += excess,
                None => report.violations.push(Violation::CountTooLow { bucket }),
            }
        }
    }

    fn live_of(&self, slot: Slot) -> Option<Found<K>> {
        let head = Head(self.entry(slot.entry())?[0].load(Ordering::Acquire));
        if !slot.is_of(head) {
            return None;
        }
        self.get(ConnId { index: slot.entry(), generation: head.generation() })
    }

    fn count_passed(&self, bucket: usize, key: Option<K>, id: ConnId, passed: &mut [u64], report: &mut AuditReport) {
        let way: Option<Vec<usize>> = key.map(|key| self.index().probe(self.hash_of(&key)).collect());
        match way.and_then(|way| way.iter().position(|&at| at == bucket).map(|end| way[..end].to_vec())) {
            Some(before) => before.into_iter().for_each(|at| passed[at] += 1),
            None => report.violations.push(Violation::Misplaced(id)),
        }
    }

    fn audit_free(&self, report: &mut AuditReport) {
        let Some(listed) = self.listed_free() else {
            report.violations.push(Violation::FreeListDamaged);
            return;
        };
        let mut seen = HashSet::new();
        for &index in &listed {
            if !seen.insert(index) {
                report.violations.push(Violation::FreeTwice { index });
            }
            match self.life(index) {
                Some(Life::Free) => {}
                Some(_) => report.violations.push(Violation::FreeInUse { index }),
                None => report.violations.push(Violation::FreeListDamaged),
            }
        }
        report.listed_free = seen.len();
        for index in 0..self.watermark() {
            match self.life(index) {
                Some(Life::Free) if !seen.contains(&index) => report.unlisted_free += 1,
                Some(Life::Pending | Life::Dying) => report.unfinished += 1,
                _ => {}
            }
        }
    }

    fn life(&self, index: u32) -> Option<Life> {
        Some(Head(self.entry(index)?[0].load(Ordering::Acquire)).life())
    }
}

fn key_of<K: Key>(slot: Slot, found: &Found<K>) -> Option<K> {
    if slot.direction() == Direction::Forward { Some(found.forward) } else { found.reverse }
}

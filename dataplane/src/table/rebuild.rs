//! Putting a table in order after a crash of its users: the index and the free list anew from what lives.
//!
//! A crash leaves unfinished entries, private stocks, counts of buckets, joins of templates and, between the commit of a connection and
//! the removal of an older one's reverse slot, two owners of a reverse key. None of that misleads a lookup; it only leaks.

use std::collections::HashMap;

use super::key::Key;
use super::pool::NODE;
use super::sync::{AtomicU64, Ordering};
use super::word::{Direction, Head, Life, Slot};
use super::{ConnId, Found, SubTable, Table, Tick};

/// What a rebuild found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RebuildReport {
    /// Connections and templates that live on.
    pub live: usize,
    /// Unfinished entries that became free.
    pub unfinished: usize,
    /// Connections whose reverse key another one owns.
    pub reverse_lost: usize,
    /// Live entries that found no place in the index, or shared their forward key; ended.
    pub dropped: usize,
}

impl Table {
    /// Rebuilds both families. **Nobody else may use the table meanwhile**, not even for lookups.
    ///
    /// Of two connections with one reverse key the one that had it keeps it; when both claim it, the later seen. Spoiled last-seen
    /// words become `now`.
    pub fn rebuild(&self, now: Tick) -> RebuildReport {
        let (v4, v6) = (self.v4().rebuild(now), self.v6().rebuild(now));
        RebuildReport {
            live: v4.live + v6.live,
            unfinished: v4.unfinished + v6.unfinished,
            reverse_lost: v4.reverse_lost + v6.reverse_lost,
            dropped: v4.dropped + v6.dropped,
        }
    }
}

impl<K: Key> SubTable<K> {
    fn rebuild(&self, now: Tick) -> RebuildReport {
        for bucket in 0..self.index().buckets() {
            self.index().bucket(bucket).iter().for_each(|word| word.store(0, Ordering::Relaxed));
        }
        self.clear_free_stack();
        let mut report = RebuildReport::default();
        let mut free = Vec::with_capacity(NODE);
        let mut joined = HashMap::new();
        // From the end, so that the stack hands out low entries first.
        for index in (0..self.watermark()).rev() {
            let Some(entry) = self.entry(index) else { continue };
            let head = Head(entry[0].load(Ordering::Acquire));
            if head.life() == Life::Live && self.readmit(index, entry, head, now, &mut joined) {
                continue;
            }
            report.dropped += (head.life() == Life::Live) as usize;
            report.unfinished += matches!(head.life(), Life::Pending | Life::Dying) as usize;
            if head.life() != Life::Free {
                Self::retire(entry, head);
            }
            free.push(index);
            if free.len() == NODE {
                self.push_node(&mut free);
            }
        }
        self.push_node(&mut free);
        for found in self.iter() {
            report.live += 1;
            report.reverse_lost += self.is_still_lost(&found) as usize;
            if found.forward.is_template() {
                let count = joined.get(&found.id).copied().unwrap_or(0);
                self.change(found.id, |state| Some(state.reopened(count)));
            }
        }
        report
    }

    /// Clears the mark of a connection that turned out to own its reverse key. Only after all are back: until then the marks of old
    /// decide who yields.
    fn is_still_lost(&self, found: &Found<K>) -> bool {
        if !found.state.reverse_lost() {
            return false;
        }
        let owns = found.reverse.and_then(|key| self.find(&key)).is_some_and(|owner| owner.id == found.id);
        if owns {
            self.set_lost(found.id, false);
        }
        !owns
    }

    /// Puts a live entry back into the index; `false` if there is no place for it.
    fn readmit(
        &self,
        index: u32,
        entry: &[AtomicU64],
        head: Head,
        now: Tick,
        joined: &mut HashMap<ConnId, u32>,
    ) -> bool {
        let Some(found) = Self::read(index, entry, head, Direction::Forward) else { return false };
        if found.seen.is_none() {
            self.stamp(found.id, now);
        }
        if self.find(&found.forward).is_some() || !self.admit(&found, Direction::Forward, &found.forward) {
            return false;
        }
        if let Some(key) = &found.reverse
            && !self.readmit_reverse(&found, key)
        {
            self.withdraw(&found, Direction::Forward, &found.forward);
            return false;
        }
        if let Some(template) = found.template {
            *joined.entry(template).or_insert(0) += 1;
        }
        true
    }

    fn readmit_reverse(&self, found: &Found<K>, key: &K) -> bool {
        if let Some(owner) = self.find(key) {
            if owner.direction == Direction::Forward || !outranks(found, &owner) {
                self.set_lost(found.id, true);
                return true;
            }
            self.withdraw(&owner, Direction::Reverse, key);
            self.set_lost(owner.id, true);
        }
        self.admit(found, Direction::Reverse, key)
    }

    fn admit(&self, found: &Found<K>, direction: Direction, key: &K) -> bool {
        let hash = self.hash_of(key);
        self.index().insert(hash, Slot::new(hash.tag(), found.id.generation, direction, found.id.index)).is_some()
    }

    fn withdraw(&self, found: &Found<K>, direction: Direction, key: &K) {
        let hash = self.hash_of(key);
        self.index().remove(hash, Slot::new(hash.tag(), found.id.generation, direction, found.id.index));
    }
}

/// Whether `a` rather than `b` keeps the reverse key of both.
fn outranks<K>(a: &Found<K>, b: &Found<K>) -> bool {
    if a.state.reverse_lost() != b.state.reverse_lost() {
        return b.state.reverse_lost();
    }
    match (a.seen, b.seen) {
        (Some(a), Some(b)) => a.last.reached(b.last),
        (a, _) => a.is_some(),
    }
}

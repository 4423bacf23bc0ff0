//! Giving an older connection its replies back after the newer one with the same reverse key ended.
//!
//! The slot is placed, then a fence, then a look: whoever shares the key, live or pending, has precedence and our slot goes again. An
//! end that runs at the same time either sees the slot or is seen here, and both empty it by its exact word, which only one can.

use super::SubTable;
use super::entry::ConnId;
use super::key::Key;
use super::sync::{Breakage, Ordering, broken, fence};
use super::word::{Direction, Head, Life, Slot};

impl<K: Key> SubTable<K> {
    /// Places the reverse slot of a connection whose state says [`reverse_lost`](super::State::reverse_lost) anew, unless a newer
    /// connection still owns the key. `true` when replies find the connection again. Meant for its next forward packet.
    pub fn restore_reverse(&self, id: ConnId) -> bool {
        let Some(key) = self.get(id).and_then(|found| found.reverse) else { return false };
        // Cleared before the look and set again on failure: a creator that takes the key away sets it after the fact.
        self.set_lost(id, false);
        let restored = match self.find(&key) {
            Some(owner) => owner.id == id,
            None => self.place_reverse(id, &key),
        };
        if !restored {
            self.set_lost(id, true);
        }
        restored
    }

    /// Notes that the connection behind a reverse slot no longer gets its replies.
    pub(super) fn mark_reverse_lost(&self, slot: Slot) {
        let Some(entry) = self.entry(slot.entry()) else { return };
        let head = Head(entry[0].load(Ordering::Acquire));
        if slot.is_of(head) {
            self.set_lost(ConnId { index: slot.entry(), generation: head.generation() }, true);
        }
    }

    pub(super) fn set_lost(&self, id: ConnId, lost: bool) {
        self.change(id, |state| Some(state.with_reverse_lost(lost)));
    }

    fn place_reverse(&self, id: ConnId, key: &K) -> bool {
        let hash = self.hash_of(key);
        let slot = Slot::new(hash.tag(), id.generation, Direction::Reverse, id.index);
        let Some(place) = self.index().insert(hash, slot) else { return false };
        if !broken(Breakage::RestoreFence) {
            fence(Ordering::SeqCst);
        }
        let disputed = self.index().find(hash, |at, other| {
            (at.word != place.word && (other == slot || self.holder(key, other).is_some())).then_some(())
        });
        if disputed.is_none() && self.lives(id) {
            return true;
        }
        self.index().remove_at(hash, place, slot);
        false
    }

    fn lives(&self, id: ConnId) -> bool {
        self.entry(id.index).is_some_and(|entry| {
            let head = Head(entry[0].load(Ordering::Acquire));
            head.generation() == id.generation && head.life() == Life::Live
        })
    }
}

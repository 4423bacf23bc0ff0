//! Ending an entry, and changing the state of one that lives.
//!
//! Of several workers that end a connection one wins: the swap live -> dying. It then seals the state word by a swap to the next
//! generation, so that what it got is the last state there was and a later change fails; counts that follow state changes balance.

use super::State;
use super::SubTable;
use super::entry::{ConnId, Found};
use super::key::{Key, STATE};
use super::pool::Pool;
use super::sync::{AtomicU64, Breakage, Ordering, broken, fence};
use super::word::{Direction, Head, Life, Slot, state_of, state_word};

impl<K: Key> SubTable<K> {
    /// Ends a connection or template. `Some` tells the one caller who ended it what it last was, so that it can balance counts and
    /// leave the template; `None` means that it was gone already.
    pub fn end(&self, pool: &mut Pool, id: ConnId) -> Option<Found<K>> {
        let entry = self.entry(id.index)?;
        let head = Head(entry[0].load(Ordering::Acquire));
        if head.generation() != id.generation || head.life() != Life::Live || !win(entry, head) {
            return None;
        }
        let state = seal(entry, head.generation());
        let found = Self::read(id.index, entry, head, Direction::Forward).map(|found| Found { state, ..found });
        if let Some(found) = &found {
            // Pairs with the fence of `restore_reverse`: either the slot placed there is seen here, or the end is seen there.
            fence(Ordering::SeqCst);
            self.unindex(id, found);
        }
        Self::retire(entry, head);
        pool.put(self, id.index);
        found
    }

    /// Changes the state by `f`, which is called again whenever another worker was faster. Returns the old state and the new one,
    /// or `None` when the entry is gone.
    pub fn update_state(&self, id: ConnId, mut f: impl FnMut(State) -> State) -> Option<(State, State)> {
        self.change(id, |old| Some(f(old).with_reverse_lost(old.reverse_lost())))
    }

    /// As `update_state`, but all bits, and only if `f` returns a state.
    pub(super) fn change(&self, id: ConnId, mut f: impl FnMut(State) -> Option<State>) -> Option<(State, State)> {
        let entry = self.entry(id.index)?;
        let head = Head(entry[0].load(Ordering::Acquire));
        if head.generation() != id.generation || head.life() != Life::Live {
            return None;
        }
        let mut word = entry[STATE].load(Ordering::Acquire);
        loop {
            let old = state_of(word, id.generation)?;
            let new = f(old)?;
            if new == old {
                return Some((old, new));
            }
            let changed = state_word(id.generation, new);
            match entry[STATE].compare_exchange(word, changed, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some((old, new)),
                Err(now) => word = now,
            }
        }
    }

    fn unindex(&self, id: ConnId, found: &Found<K>) {
        let keys = [(Direction::Forward, Some(&found.forward)), (Direction::Reverse, found.reverse.as_ref())];
        for (direction, key) in keys {
            let Some(key) = key else { continue };
            let hash = self.hash_of(key);
            self.index().remove(hash, Slot::new(hash.tag(), id.generation, direction, id.index));
        }
    }
}

fn win(entry: &[AtomicU64], live: Head) -> bool {
    let dying = live.with_life(Life::Dying).0;
    if broken(Breakage::EndSwap) {
        entry[0].store(dying, Ordering::Release);
        return true;
    }
    entry[0].compare_exchange(live.0, dying, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

/// Takes the last state of a life out of its word.
fn seal(entry: &[AtomicU64], generation: u32) -> State {
    let sealed = state_word(generation.wrapping_add(1), State::default());
    if broken(Breakage::Seal) {
        return State::from_bits(entry[STATE].load(Ordering::Acquire));
    }
    State::from_bits(entry[STATE].swap(sealed, Ordering::AcqRel))
}

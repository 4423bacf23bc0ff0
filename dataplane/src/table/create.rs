//! Creating an entry with both its keys in one step.
//!
//! Two creators of one key both make their slots visible, then fence, then look: at least one sees the other. Who sees a pending entry
//! kills it; the commit and the kill are swaps of the same word, so never do two live entries hold one key. Two may kill each other and
//! try again; readers never wait for any of it.

use super::SubTable;
use super::entry::ConnId;
use super::hash::Hash;
use super::index::Place;
use super::key::{FORWARD, Key, SEEN, STATE};
use super::pool::Pool;
use super::sync::{AtomicU64, Breakage, Ordering, broken, fence, spin_loop};
use super::word::{Direction, Head, Life, NONE, Seen, Slot, state_word};
use super::{State, Tick};

/// What becomes of the reverse key of a live connection that ours shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnReverseTaken {
    /// Ours gets the replies from now on (as with IPVS: two services on one server and port, and the same client port).
    Take,
    /// Ours is not created (a local port is being chosen: try the next).
    Refuse,
}

/// What to create.
#[derive(Debug, Clone, Copy)]
pub struct New<K> {
    pub forward: K,
    /// What a reply looks like as it arrives; `None` when replies do not pass here, and for templates.
    pub reverse: Option<K>,
    pub server: u32,
    /// A template joined before ([`SubTable::template_join`]).
    pub template: Option<ConnId>,
    /// Of a template only the timeout counts.
    pub state: State,
    pub now: Tick,
    pub on_reverse_taken: OnReverseTaken,
}

/// Why nothing was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// The forward key belongs to a live entry already (in either direction).
    #[error("the forward key is in use")]
    Exists(ConnId),
    #[error("the reverse key is in use")]
    ReverseTaken,
    #[error("no free entry")]
    Full,
    /// All buckets that the key may be in are full. Does not happen at a load up to 0.7 but in a tiny table.
    #[error("no free slot for the key")]
    ProbeLimit,
    /// Others created entries of the same keys at the same time and each killed the other's, again and again.
    #[error("other workers create the same key")]
    Contended,
}

const ATTEMPTS: u32 = if cfg!(loom) { 1 } else { 32 };
/// Live entries seen to hold our reverse key at once; more than two takes several creators in the middle of taking it.
const OLDER: usize = 4;

/// Why one attempt failed.
enum Failure {
    /// Somebody killed us, or there is too much going on.
    Again,
    Refused(CreateError),
}

/// A key of ours in the index.
#[derive(Clone, Copy)]
struct Placed {
    hash: Hash,
    slot: Slot,
    place: Place,
}

/// Reverse slots of older connections with our reverse key.
#[derive(Default)]
struct Older {
    slots: [Option<Placed>; OLDER],
    count: usize,
}

impl<K: Key> SubTable<K> {
    /// Creates a connection or a template.
    pub fn create(&self, pool: &mut Pool, new: &New<K>) -> Result<ConnId, CreateError> {
        let index = pool.take(self).ok_or(CreateError::Full)?;
        let mut result = Err(CreateError::Contended);
        for attempt in 0..ATTEMPTS {
            match self.attempt(index, new) {
                Ok(id) => return Ok(id),
                Err(Failure::Refused(why)) => {
                    result = Err(why);
                    break;
                }
                // Different entries wait differently, so that two do not stay in step.
                Err(Failure::Again) => (0..(index ^ attempt) % (2 << attempt.min(6))).for_each(|_| spin_loop()),
            }
        }
        pool.put(self, index);
        result
    }

    fn attempt(&self, index: u32, new: &New<K>) -> Result<ConnId, Failure> {
        let entry = self.entry(index).ok_or(Failure::Refused(CreateError::Full))?;
        let head = write(entry, new);
        let id = ConnId { index, generation: head.generation() };
        let forward = self.place(id, Direction::Forward, &new.forward);
        let reverse = new.reverse.as_ref().map(|key| self.place(id, Direction::Reverse, key));
        let mut older = Older::default();
        let result = match (forward, reverse) {
            (None, _) | (_, Some(None)) => Err(Failure::Refused(CreateError::ProbeLimit)),
            (Some(forward), reverse) => {
                self.look(index, new, forward, reverse.flatten(), &mut older).and_then(|()| commit(entry, head))
            }
        };
        if let Err(failure) = result {
            for placed in [forward, reverse.flatten()].into_iter().flatten() {
                self.index().remove_at(placed.hash, placed.place, placed.slot);
            }
            // A swap, not `retire`: others may still try to kill us, and this must come after any such swap.
            entry[0].swap(head.next_life().0, Ordering::AcqRel);
            return Err(failure);
        }
        self.take_over(&older);
        Ok(id)
    }

    fn place(&self, id: ConnId, direction: Direction, key: &K) -> Option<Placed> {
        let hash = self.hash_of(key);
        let slot = Slot::new(hash.tag(), id.generation, direction, id.index);
        let place = self.index().insert(hash, slot)?;
        Some(Placed { hash, slot, place })
    }

    /// Looks for others with our keys, now that ours can be seen.
    fn look(
        &self,
        own: u32,
        new: &New<K>,
        forward: Placed,
        reverse: Option<Placed>,
        older: &mut Older,
    ) -> Result<(), Failure> {
        if !broken(Breakage::PublishFence) {
            fence(Ordering::SeqCst);
        }
        self.look_forward(own, &new.forward, forward.hash)?;
        if let (Some(key), Some(reverse)) = (&new.reverse, reverse) {
            self.look_reverse(own, key, reverse.hash, new.on_reverse_taken, older)?;
        }
        if broken(Breakage::TakeAfterCommit) {
            self.take_over(older);
        }
        Ok(())
    }

    fn look_forward(&self, own: u32, key: &K, hash: Hash) -> Result<(), Failure> {
        let exists = self.index().find(hash, |_, slot| self.judge(own, key, slot));
        exists.map_or(Ok(()), |id| Err(Failure::Refused(CreateError::Exists(id))))
    }

    fn look_reverse(
        &self,
        own: u32,
        key: &K,
        hash: Hash,
        on_taken: OnReverseTaken,
        older: &mut Older,
    ) -> Result<(), Failure> {
        let refused = self.index().find(hash, |place, slot| {
            self.judge(own, key, slot)?;
            // A forward key stays with its connection, whatever the caller wishes.
            if slot.direction() == Direction::Forward || on_taken == OnReverseTaken::Refuse {
                return Some(Failure::Refused(CreateError::ReverseTaken));
            }
            older.add(Placed { hash, slot, place })
        });
        refused.map_or(Ok(()), Err)
    }

    /// The id of a live entry behind somebody's slot with `key`; a pending one is killed.
    fn judge(&self, own: u32, key: &K, slot: Slot) -> Option<ConnId> {
        if slot.entry() == own {
            return None;
        }
        loop {
            let head = self.holder(key, slot)?;
            if head.life() == Life::Live {
                return Some(ConnId { index: slot.entry(), generation: head.generation() });
            }
            let dying = head.with_life(Life::Dying).0;
            let entry = self.entry(slot.entry())?;
            if broken(Breakage::Kill)
                || entry[0].compare_exchange(head.0, dying, Ordering::AcqRel, Ordering::Relaxed).is_ok()
            {
                return None;
            }
        }
    }

    /// The head of the slot's entry if it is pending or live and holds `key` on the slot's side.
    pub(super) fn holder(&self, key: &K, slot: Slot) -> Option<Head> {
        let entry = self.entry(slot.entry())?;
        let at = if slot.direction() == Direction::Forward { FORWARD } else { K::REVERSE };
        loop {
            let head = Head(entry[0].load(Ordering::Acquire));
            if !slot.is_of(head) || matches!(head.life(), Life::Free | Life::Dying) {
                return None;
            }
            let same = key.equals(entry, at);
            fence(Ordering::Acquire);
            if entry[0].load(Ordering::Relaxed) == head.0 {
                return same.then_some(head);
            }
        }
    }

    /// Empties the slots of older owners of our reverse key. Who empties one lowers its counts, so that happens once however many
    /// creators remembered it.
    fn take_over(&self, older: &Older) {
        for placed in older.slots.iter().flatten() {
            // Marked before, in case we are killed in between, and after, in case the mark was just being cleared.
            self.mark_reverse_lost(placed.slot);
            if self.index().remove_at(placed.hash, placed.place, placed.slot) {
                self.mark_reverse_lost(placed.slot);
            }
        }
    }
}

/// Begins a life: writes the words of an entry that is ours and shows it as pending.
fn write<K: Key>(entry: &[AtomicU64], new: &New<K>) -> Head {
    let generation = Head(entry[0].load(Ordering::Relaxed)).generation();
    let head = Head::new(generation, new.template.map_or(0, |id| id.generation), Life::Pending);
    if !broken(Breakage::WriteFence) {
        // Who reads one of the following stores also sees that the last life is over.
        fence(Ordering::Release);
    }
    store_key(entry, FORWARD, new.forward.to_words());
    match &new.reverse {
        Some(key) => store_key(entry, K::REVERSE, key.to_words()),
        None => store_key(entry, K::REVERSE, &[0; 8][..K::WORDS]),
    }
    let template = new.template.map_or(NONE, |id| id.index);
    entry[K::REFS].store((new.server as u64) << 32 | template as u64, Ordering::Relaxed);
    entry[SEEN].store(Seen::pack(generation, new.now, 0), Ordering::Relaxed);
    // A plain store will do: the swap that sealed the last life's state (see `end`) made any late change of it fail.
    let state = if new.forward.is_template() { new.state.reopened(0) } else { new.state.with_reverse_lost(false) };
    entry[STATE].store(state_word(generation, state), Ordering::Relaxed);
    entry[0].store(head.0, Ordering::Release);
    head
}

fn commit(entry: &[AtomicU64], pending: Head) -> Result<(), Failure> {
    let live = pending.with_life(Life::Live).0;
    match entry[0].compare_exchange(pending.0, live, Ordering::AcqRel, Ordering::Relaxed) {
        Ok(_) => Ok(()),
        Err(_) => Err(Failure::Again),
    }
}

impl Older {
    fn add(&mut self, placed: Placed) -> Option<Failure> {
        let Some(free) = self.slots.get_mut(self.count) else { return Some(Failure::Again) };
        *free = Some(placed);
        self.count += 1;
        None
    }
}

fn store_key(entry: &[AtomicU64], at: usize, words: &[u64]) {
    for (to, &word) in entry[at..].iter().zip(words) {
        to.store(word, Ordering::Relaxed);
    }
}

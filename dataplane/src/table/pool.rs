//! Free entries: a private stack per worker, a shared stack of nodes, and the watermark of entries never used.
//!
//! A node of the shared stack is nine free entries: the top one holds the link (word 1) and the other eight (words 2 to 5). The words
//! for last-seen and state (6 and 7) stay untouched, a late stamp may land there. The stack's head carries a tag that every exchange
//! raises, so a node popped and pushed back meanwhile is not mistaken for an unchanged one.

use super::key::Key;
use super::sync::{AtomicU64, Breakage, Ordering, broken, fence};
use super::word::{Head, NONE};
use super::{SubTable, Table};

/// Address family of a sub-table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    V4 = 0,
    V6 = 1,
}

/// Entries of a node.
pub(super) const NODE: usize = if cfg!(loom) { 1 } else { 9 };
/// Never-used entries taken at once.
const FRESH: u64 = if cfg!(loom) { 1 } else { 32 };
/// Most entries a worker keeps for itself.
const KEEP: u32 = 256;

const LINK: usize = 1;

/// A worker's private stock of free entries. What it holds when it is dropped without [`Table::release`] is lost until
/// [`Table::rebuild`].
#[derive(Debug)]
pub struct Pool {
    free: [Vec<u32>; 2],
    keep: [usize; 2],
}

impl Pool {
    /// An empty stock. Small tables let a worker keep less, so that no worker starves another: at most 1/64 of the capacity, but
    /// never less than two nodes.
    pub fn new(table: &Table) -> Self {
        let keep = |capacity: u32| (capacity / 64).min(KEEP).max(2 * NODE as u32) as usize;
        let keep = [keep(table.v4().capacity()), keep(table.v6().capacity())];
        // An empty stock is refilled by no more than it may keep, and one over its limit gives a node back.
        Self { free: keep.map(|keep| Vec::with_capacity(keep + 1)), keep }
    }

    /// Free entries held for `family`.
    pub fn held(&self, family: Family) -> usize {
        self.free[family as usize].len()
    }

    #[inline]
    pub(super) fn take<K: Key>(&mut self, table: &SubTable<K>) -> Option<u32> {
        let free = &mut self.free[K::FAMILY as usize];
        if free.is_empty() && !table.pop_node(free) {
            table.take_fresh(free, self.keep[K::FAMILY as usize] as u64);
        }
        free.pop()
    }

    #[inline]
    pub(super) fn put<K: Key>(&mut self, table: &SubTable<K>, entry: u32) {
        let free = &mut self.free[K::FAMILY as usize];
        free.push(entry);
        if free.len() > self.keep[K::FAMILY as usize] {
            table.push_node(free);
        }
    }

    pub(super) fn drain<K: Key>(&mut self, table: &SubTable<K>) {
        let free = &mut self.free[K::FAMILY as usize];
        while !free.is_empty() {
            table.push_node(free);
        }
    }
}

impl<K: Key> SubTable<K> {
    /// Moves up to a node's worth of entries from the end of `free` to the shared stack.
    pub(super) fn push_node(&self, free: &mut Vec<u32>) {
        let Some(top) = free.pop() else { return };
        let Some(node) = self.entry(top) else { return };
        // A reader of the last life copies these words and then looks at the head: it must not see them with the old head.
        fence(Ordering::Release);
        for word in node.iter().skip(LINK + 1).take((NODE - 1) / 2) {
            let pair = [free.pop().unwrap_or(NONE), free.pop().unwrap_or(NONE)];
            word.store((pair[1] as u64) << 32 | pair[0] as u64, Ordering::Relaxed);
        }
        let stack = self.free_stack();
        let mut head = stack.load(Ordering::Relaxed);
        loop {
            node[LINK].store(below(head) as u64, Ordering::Relaxed);
            match stack.compare_exchange(head, exchanged(head, top), Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// The entries of every node of the shared stack, for audits at rest; `None` when the stack is damaged.
    pub(super) fn listed_free(&self) -> Option<Vec<u32>> {
        let mut all = Vec::new();
        let mut top = below(self.free_stack().load(Ordering::Acquire));
        while top != NONE {
            all.push(top);
            if all.len() > self.capacity() as usize {
                return None;
            }
            let node = self.entry(top)?;
            node_members(node, |entry| all.push(entry));
            top = node[LINK].load(Ordering::Relaxed) as u32;
        }
        Some(all)
    }

    pub(super) fn pop_node(&self, free: &mut Vec<u32>) -> bool {
        let stack = self.free_stack();
        let mut head = stack.load(Ordering::Acquire);
        loop {
            let top = below(head);
            let Some(node) = self.entry(top) else { return false };
            // Somebody else may own the node by now and write into it; then the exchange fails.
            let next = node[LINK].load(Ordering::Relaxed) as u32;
            match stack.compare_exchange(head, exchanged(head, next), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    node_members(node, |entry| free.push(entry));
                    free.push(top);
                    return true;
                }
                Err(now) => head = now,
            }
        }
    }

    fn take_fresh(&self, free: &mut Vec<u32>, most: u64) {
        let watermark = self.watermark_word();
        let mut from = watermark.load(Ordering::Relaxed);
        loop {
            let left = (self.capacity() as u64).saturating_sub(from);
            let count = left.min(FRESH).min(most);
            if count == 0 {
                return;
            }
            match watermark.compare_exchange(from, from + count, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => {
                    // Backwards, so that entries leave the stock in the order of their addresses.
                    free.extend((from as u32..(from + count) as u32).rev());
                    return;
                }
                Err(now) => from = now,
            }
        }
    }

    /// Forgets the shared stack; for a table at rest.
    pub(super) fn clear_free_stack(&self) {
        self.free_stack().store(NONE as u64, Ordering::Relaxed);
    }

    fn free_stack(&self) -> &AtomicU64 {
        &self.words()[self.part().free]
    }

    fn watermark_word(&self) -> &AtomicU64 {
        &self.words()[self.part().watermark]
    }

    /// Entries used at least once.
    pub fn watermark(&self) -> u32 {
        self.watermark_word().load(Ordering::Acquire).min(self.capacity() as u64) as u32
    }

    /// Ends a life of an entry nobody can reach any more: the next one may begin once the entry is in a pool.
    pub(super) fn retire(entry: &[AtomicU64], head: Head) {
        entry[0].store(head.next_life().0, Ordering::Release);
    }
}

/// `tag 32 | entry 32`
const fn below(head: u64) -> u32 {
    head as u32
}

fn exchanged(head: u64, top: u32) -> u64 {
    let tag = if broken(Breakage::FreeTag) { 0 } else { (head >> 32) as u32 }.wrapping_add(1);
    (tag as u64) << 32 | top as u64
}

fn node_members(node: &[AtomicU64], mut each: impl FnMut(u32)) {
    for word in node.iter().skip(LINK + 1).take((NODE - 1) / 2) {
        let pair = word.load(Ordering::Relaxed);
        [pair as u32, (pair >> 32) as u32].into_iter().filter(|&entry| entry != NONE).for_each(&mut each);
    }
}

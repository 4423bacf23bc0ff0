//! The connection table: shared by all workers, lock-free, in memory that outlives the process.
//!
//! A bucketed tag index over a dense array of entries, per address family. Readers never wait and never write; an entry is created,
//! ended and recycled by compare-and-swap of its head, which carries a generation. Everything is an atomic word and every reference an
//! index, so the table needs no `unsafe`, can be mapped anywhere, and is sound after a process was killed at any instruction.
//!
//! ```text
//! bucket    64 B: count of slots that passed over it | 7 slots
//! slot       8 B: tag 16 | generation 14 | direction 1 | used 1 | entry 32
//! IPv4 entry     64 B: head | forward key 2 | reverse key 2 | refs | seen | state
//! IPv6 entry    128 B: head | forward key 5 | seen | state || reverse key 5 | refs | 2 unused
//! head       generation 30 | generation of the template 30 | life (0 free, 1 pending, 2 live, 3 dying)
//! refs       server 32 | template 32
//! seen       generation 16 | last seen 24 | packets 24
//! state      generation 16 | state 48
//! ```
//!
//! Why the races are safe is told where they are handled: `create` (two creators), `lookup` (recycling), `end` (late writers),
//! `restore` (two owners of a reverse key), `index` (early stop of a probe). Each has a model in `loom_tests` that fails when its
//! fence, swap or order is left out.
//!
//! When the owner of a reverse key changes, a lookup of that key at that very moment may miss; it never finds a foreign entry.

mod audit;
mod create;
mod end;
mod entry;
mod hash;
mod index;
mod key;
mod layout;
mod lookup;
mod pool;
mod rebuild;
mod restore;
mod state;
mod sync;
mod template;
mod tick;
mod word;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;

use std::marker::PhantomData;
use std::sync::Arc;

pub use audit::{AuditReport, Violation};
pub use create::{CreateError, New, OnReverseTaken};
pub use entry::{ConnId, Found};
pub use hash::{Hash, Seeds};
pub use key::{KIND_CONNECTION, KIND_TEMPLATE, Key, Key4, Key6};
pub use lookup::Candidate;
pub use pool::{Family, Pool};
pub use rebuild::RebuildReport;
pub use state::{MAX_TIMEOUT_SECONDS, State};
pub use sync::Words;
pub use tick::{TICKS_PER_SECOND, Tick};
pub use word::{Direction, Seen};

use layout::{CAPACITY_V4, CAPACITY_V6, GROUPS_V4, GROUPS_V6, MAGIC, Part, Plan, SEEDS, VERSION};
use sync::{AtomicU64, Ordering};

/// The most connections and templates a table holds, per family. Each worker's [`Pool`] may sit on up to 256 free entries, so size
/// for that on top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    pub v4: u32,
    pub v6: u32,
}

/// The whole table.
#[derive(Debug)]
pub struct Table {
    words: Arc<Words>,
    v4: SubTable<Key4>,
    v6: SubTable<Key6>,
}

/// One family's connections and templates.
#[derive(Debug)]
pub struct SubTable<K> {
    words: Arc<Words>,
    part: Part,
    seeds: Seeds,
    key: PhantomData<K>,
}

/// Why memory is no table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    #[error("a connection table of {wanted} entries is too large, at most {most} per family")]
    Capacity { wanted: u32, most: u32 },
    #[error("the connection table needs {needed} words of memory, got {got}")]
    TooSmall { needed: usize, got: usize },
    #[error("the memory for a new connection table is not empty")]
    NotEmpty,
    #[error("the memory holds no connection table")]
    NoTable,
    #[error("the connection table has format version {found}, this program knows {known}")]
    Version { found: u64, known: u64 },
    #[error("the sizes in the connection table's header contradict each other")]
    Sizes,
}

impl Table {
    /// Words of memory for a table of this capacity.
    pub fn words_needed(capacity: &Capacity) -> Result<usize, TableError> {
        Ok(Plan::new(*capacity)?.words)
    }

    /// Makes a table in fresh (all zero) memory. The seeds must be random.
    pub fn create(words: Words, capacity: Capacity, seeds: Seeds) -> Result<Self, TableError> {
        let plan = Plan::new(capacity)?;
        if words.len() < plan.words {
            return Err(TableError::TooSmall { needed: plan.words, got: words.len() });
        }
        if words[0].load(Ordering::Acquire) != 0 {
            return Err(TableError::NotEmpty);
        }
        words[CAPACITY_V4].store(capacity.v4 as u64, Ordering::Relaxed);
        words[CAPACITY_V6].store(capacity.v6 as u64, Ordering::Relaxed);
        words[GROUPS_V4].store(plan.v4.groups as u64, Ordering::Relaxed);
        words[GROUPS_V6].store(plan.v6.groups as u64, Ordering::Relaxed);
        for (word, seed) in words[SEEDS..].iter().zip(seeds.0) {
            word.store(seed, Ordering::Relaxed);
        }
        let table = Self::over(words, plan, seeds);
        table.v4.clear_free_stack();
        table.v6.clear_free_stack();
        table.words[0].store(MAGIC | VERSION, Ordering::Release);
        Ok(table)
    }

    /// Uses a table that lies in memory. After a crash of its users it is sound as it lies, but leaks what they held:
    /// [`Table::rebuild`].
    pub fn attach(words: Words) -> Result<Self, TableError> {
        let header = |at: usize| words.get(at).map_or(0, |word| word.load(Ordering::Acquire));
        let magic = header(0);
        if magic & !0xffff_ffff != MAGIC {
            return Err(TableError::NoTable);
        }
        if magic != MAGIC | VERSION {
            return Err(TableError::Version { found: magic & 0xffff_ffff, known: VERSION });
        }
        let capacity = |at| u32::try_from(header(at)).map_err(|_| TableError::Sizes);
        let plan = Plan::new(Capacity { v4: capacity(CAPACITY_V4)?, v6: capacity(CAPACITY_V6)? })?;
        if [header(GROUPS_V4), header(GROUPS_V6)] != [plan.v4.groups as u64, plan.v6.groups as u64] {
            return Err(TableError::Sizes);
        }
        if words.len() < plan.words {
            return Err(TableError::TooSmall { needed: plan.words, got: words.len() });
        }
        let seeds = Seeds([0, 1, 2, 3].map(|n| header(SEEDS + n)));
        Ok(Self::over(words, plan, seeds))
    }

    /// The connections and templates of IPv4.
    #[inline]
    pub fn v4(&self) -> &SubTable<Key4> {
        &self.v4
    }

    /// The connections and templates of IPv6.
    #[inline]
    pub fn v6(&self) -> &SubTable<Key6> {
        &self.v6
    }

    /// The memory, to hand its descriptor on.
    pub fn words(&self) -> &Words {
        &self.words
    }

    /// Gives a worker's stock of free entries back.
    pub fn release(&self, mut pool: Pool) {
        pool.drain(&self.v4);
        pool.drain(&self.v6);
    }

    fn over(words: Words, plan: Plan, seeds: Seeds) -> Self {
        let words = Arc::new(words);
        Self { v4: SubTable::over(&words, plan.v4, seeds), v6: SubTable::over(&words, plan.v6, seeds), words }
    }
}

impl<K: Key> SubTable<K> {
    /// The most entries.
    pub fn capacity(&self) -> u32 {
        self.part.capacity
    }

    /// The number of live connections and templates. Looks at every entry ever used: for listings, not for the packet path.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether nothing lives; as costly as [`SubTable::len`].
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    fn over(words: &Arc<Words>, part: Part, seeds: Seeds) -> Self {
        Self { words: Arc::clone(words), part, seeds, key: PhantomData }
    }

    #[inline(always)]
    fn words(&self) -> &[AtomicU64] {
        &self.words
    }

    #[inline(always)]
    fn part(&self) -> &Part {
        &self.part
    }

    #[inline(always)]
    fn index(&self) -> index::Index<'_> {
        index::Index::new(self.words(), &self.part)
    }

    /// The words of an entry; `None` for an index beyond the capacity, which only damaged memory can hold.
    #[inline(always)]
    fn entry(&self, entry: u32) -> Option<&[AtomicU64]> {
        if entry >= self.part.capacity {
            return None;
        }
        let start = self.part.entries + entry as usize * K::ENTRY;
        self.words().get(start..start + K::ENTRY)
    }
}

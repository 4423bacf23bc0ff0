//! Where everything lies in the memory.
//!
//! ```text
//! header    64 words: line 0 magic with format version, capacities, sizes | line 1 seeds
//!           lines 2-5: per family the free stack's head and the watermark of never-used entries, a line each
//! v4 index  buckets of a cache line, four to a group
//! v4 entries 64 bytes each
//! v6 index, v6 entries (128 bytes each)
//! ```

use super::key::{Key4, Key6, Layout as _};
use super::pool::Family;
use super::{Capacity, TableError};

/// "HGCT" and the format version. Any change of layout or meaning of a word is a new version.
pub(super) const MAGIC: u64 = 0x4847_4354 << 32;
pub(super) const VERSION: u64 = 1;

pub(super) const CAPACITY_V4: usize = 1;
pub(super) const CAPACITY_V6: usize = 2;
pub(super) const GROUPS_V4: usize = 3;
pub(super) const GROUPS_V6: usize = 4;
pub(super) const SEEDS: usize = 8;

/// Words of a cache line; the model checker has no lines, and every word costs it.
pub(super) const LINE: usize = if cfg!(loom) { 1 } else { 8 };
const HOT: usize = 16;
const HEADER: usize = if cfg!(loom) { HOT + 4 } else { 64 };

/// Slots of a bucket; with the count they fill a line.
pub(super) const SLOTS: usize = if cfg!(loom) { 3 } else { 7 };
pub(super) const BUCKET: usize = SLOTS + 1;
/// Buckets of a group: 256 bytes.
pub(super) const LANES: usize = if cfg!(loom) { 1 } else { 4 };
/// Buckets a key may be in. At load 0.7 and 10 million connections none needed more.
pub(super) const PROBES: usize = if cfg!(loom) { 2 } else { 32 };
/// Fewer groups would be visited twice by one probe.
const MIN_GROUPS: usize = if cfg!(loom) { 2 } else { 11 };
/// Slots in use at the configured capacity, in percent, when every connection has two keys.
const LOAD: usize = if cfg!(loom) { 100_000 } else { 50 };

/// The largest capacity of a family: an id has 31 bits for the entry in a timer handle.
pub(super) const MAX_CAPACITY: u32 = (1 << 31) - 1;

/// Offsets and sizes of one family's part, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) buckets: usize,
    pub(super) groups: usize,
    pub(super) entries: usize,
    pub(super) capacity: u32,
    /// Word of the free stack's head.
    pub(super) free: usize,
    /// Word of the watermark.
    pub(super) watermark: usize,
}

/// Offsets and sizes of a whole table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) v4: Part,
    pub(super) v6: Part,
    pub(super) words: usize,
}

impl Plan {
    pub(super) fn new(capacity: Capacity) -> Result<Self, TableError> {
        for wanted in [capacity.v4, capacity.v6] {
            if wanted > MAX_CAPACITY {
                return Err(TableError::Capacity { wanted, most: MAX_CAPACITY });
            }
        }
        let (v4, end) = part(HEADER, capacity.v4, Key4::ENTRY, Family::V4);
        let (v6, words) = part(end, capacity.v6, Key6::ENTRY, Family::V6);
        Ok(Self { v4, v6, words })
    }
}

fn part(start: usize, capacity: u32, entry: usize, family: Family) -> (Part, usize) {
    let slots = capacity as usize * 2 * 100 / LOAD;
    let groups = prime_from(slots.div_ceil(SLOTS * LANES).max(MIN_GROUPS));
    let entries = start + groups * LANES * BUCKET;
    let hot = HOT + family as usize * 2 * LINE;
    let part = Part { buckets: start, groups, entries, capacity, free: hot, watermark: hot + LINE };
    (part, entries + capacity as usize * entry)
}

/// The first prime that is at least `n` (there is one below `2 n`): a stride then meets every group.
fn prime_from(n: usize) -> usize {
    (n..2 * n).find(|&n| is_prime(n)).unwrap_or(n)
}

fn is_prime(n: usize) -> bool {
    n >= 2 && (2..=n.isqrt()).all(|d| !n.is_multiple_of(d))
}

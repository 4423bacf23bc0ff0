//! Destination address -> servers, the memory of `lblc` and `lblcr`.
//!
//! Workers use it at once without locks and without allocation: a fixed table of atomic words, in 4096 rows of 16 entries. An address may
//! lie in any entry of the row that a keyed hash gives it. The kernel holds 16384 entries and at most half as many more; at
//! 16384 a row of 16 overflows with probability 10^-6, and then the row's least recently used entry makes room.
//!
//! * An IPv4 address is its own key. An IPv6 address is known by a 62-bit keyed hash: two destinations out of 16384 get the same
//!   key with probability 10^-10, nobody outside can aim at it (the hash key is random), and all that follows is that
//!   they share a server of the service.
//! * A writer claims an entry by its BUSY bit and gives up when another has it: as in the kernel, a pick is good without being
//!   remembered. Readers do not wait for it: each server id is one atomic word, so at worst they see a set half changed, and
//!   ids that are no members of the pool are skipped.
//! * Two workers may enter the same new destination twice; the second entry is never found again and expires unused.
//! * A removed server stays in the entries and is used again when it comes back. If its slot went to another server of the pool in
//!   the meantime, the destination goes to that one.
//!
//! The collector (`ip_vs_lblc.c`) runs every 60 s. Above 16384 entries it drops those idle for more than 6 minutes, 4/3 of the
//! excess but at most 8192 a run; every 30th run drops all that are idle for more than the expiration.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::servers::ServerId;

const ROWS: usize = 4096;
const WAYS: usize = 16;
const ENTRIES: usize = ROWS * WAYS;

const MAX_ENTRIES: u32 = 16384;
const HARD_LIMIT: u32 = MAX_ENTRIES / 2 * 3;
const RUN_EVERY: u64 = 60;
const FULL_RUN_EVERY: u64 = 30;
const IDLE: u32 = 6 * 60;

/// Key words are never 0: an IPv4 address has this bit, a hash its lowest.
const IPV4: u64 = 1 << 63;

#[derive(Debug)]
pub struct Cache {
    hasher: RandomState,
    /// 0 = the entry is free.
    keys: Box<[AtomicU64]>,
    times: Box<[AtomicU64]>,
    /// `set` words per entry, oldest server first: slot + 1, 0 = none.
    servers: Box<[AtomicU32]>,
    set: usize,
    entries: AtomicU32,
    /// When the collector runs next, in seconds; 0 = its clock is not started.
    next_run: AtomicU64,
    runs: AtomicU64,
    rover: AtomicU32,
}

/// A destination looked up in the cache.
#[derive(Debug, Clone, Copy)]
pub struct Lookup {
    key: u64,
    row: usize,
    entry: Option<usize>,
}

/// Last use and last change of an entry's set, in seconds, and whether a writer has it: `used (32) | changed (31) | busy (1)`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Times(u64);

const BUSY: u64 = 1;

impl Times {
    fn new(used: u64, changed: u64) -> Self {
        Self((used & 0xffff_ffff) << 32 | (changed & 0x7fff_ffff) << 1)
    }

    fn used_at(self, now: u64) -> Self {
        Self((now & 0xffff_ffff) << 32 | self.0 & 0xffff_ffff)
    }

    fn changed_at(self, now: u64) -> Self {
        Self(self.0 & !0xffff_fffe | (now & 0x7fff_ffff) << 1)
    }

    /// Seconds since the last use; 0 when another worker's clock was ahead.
    fn idle(self, now: u64) -> u32 {
        let age = (now as u32).wrapping_sub((self.0 >> 32) as u32) as i32;
        age.max(0) as u32
    }

    fn unchanged(self, now: u64) -> u32 {
        let age = ((now as u32) << 1).wrapping_sub(self.0 as u32 & !1) as i32;
        age.max(0) as u32 >> 1
    }
}

impl Cache {
    /// An empty cache with up to `set` servers for a destination. 1 MiB and 256 KiB for each of `set`.
    pub fn new(set: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            keys: std::iter::repeat_with(AtomicU64::default).take(ENTRIES).collect(),
            times: std::iter::repeat_with(AtomicU64::default).take(ENTRIES).collect(),
            servers: std::iter::repeat_with(AtomicU32::default).take(ENTRIES * set).collect(),
            set,
            entries: AtomicU32::new(0),
            next_run: AtomicU64::new(0),
            runs: AtomicU64::new(0),
            rover: AtomicU32::new(0),
        }
    }

    pub fn lookup(&self, destination: IpAddr) -> Lookup {
        let hash = self.hasher.hash_one(destination);
        let key = match destination {
            IpAddr::V4(v4) => IPV4 | u64::from(v4.to_bits()),
            IpAddr::V6(_) => hash & !IPV4 | 1,
        };
        let row = (hash >> 32) as usize % ROWS * WAYS;
        let entry = (row..row + WAYS).find(|entry| self.keys[*entry].load(Ordering::Acquire) == key);
        Lookup { key, row, entry }
    }

    /// Marks the found entry as used.
    pub fn touch(&self, lookup: Lookup, now: u64) {
        let Some(entry) = lookup.entry else { return };
        let times = Times(self.times[entry].load(Ordering::Relaxed));
        if times.used_at(now) != times {
            // A failure means that someone else has just used or changed it.
            let _ = self.swap(entry, times, times.used_at(now));
        }
    }

    /// Slot numbers of the found entry's servers, the newest first.
    pub fn servers(&self, lookup: Lookup) -> impl Iterator<Item = u32> {
        let set = lookup.entry.map_or(&[][..], |entry| self.set_of(entry));
        set.iter().rev().filter_map(|server| server.load(Ordering::Relaxed).checked_sub(1))
    }

    /// Seconds since the found entry's set changed.
    pub fn unchanged(&self, lookup: Lookup, now: u64) -> u32 {
        lookup.entry.map_or(0, |entry| Times(self.times[entry].load(Ordering::Relaxed)).unchanged(now))
    }

    /// Remembers one server for the destination, in place of any others.
    pub fn replace(&self, lookup: Lookup, server: ServerId, now: u64) {
        match lookup.entry {
            Some(entry) => self.write(entry, lookup.key, now, |set| {
                clear(set);
                set[0].store(server.index() + 1, Ordering::Relaxed);
                true
            }),
            None => self.create(lookup, server, now),
        }
    }

    /// Adds a server to the destination's set, if it is not in there. A full set loses its oldest server.
    pub fn insert(&self, lookup: Lookup, server: ServerId, now: u64) {
        let Some(entry) = lookup.entry else { return self.create(lookup, server, now) };
        let word = server.index() + 1;
        self.write(entry, lookup.key, now, |set| {
            if set.iter().any(|known| known.load(Ordering::Relaxed) == word) {
                return false;
            }
            if set.iter().all(|known| known.load(Ordering::Relaxed) != 0) {
                remove(set, 0);
            }
            let free = set.iter().find(|known| known.load(Ordering::Relaxed) == 0);
            free.inspect(|free| free.store(word, Ordering::Relaxed)).is_some()
        });
    }

    /// Takes a server (by slot number) out of the destination's set.
    pub fn erase(&self, lookup: Lookup, server: u32, now: u64) {
        let Some(entry) = lookup.entry else { return };
        self.write(entry, lookup.key, now, |set| {
            let position = set.iter().position(|known| known.load(Ordering::Relaxed) == server + 1);
            position.inspect(|position| remove(set, *position)).is_some()
        });
    }

    /// Runs the collector as often as it is due. Control thread only.
    pub fn collect(&self, now: u64, expiration: u32) {
        let mut next = self.next_run.load(Ordering::Relaxed);
        if next == 0 {
            next = now + RUN_EVERY;
        }
        while next <= now {
            let run = self.runs.fetch_add(1, Ordering::Relaxed) + 1;
            if run.is_multiple_of(FULL_RUN_EVERY) {
                self.sweep(next, expiration, u32::MAX);
            } else if let Some(excess) = self.len().checked_sub(MAX_ENTRIES).filter(|excess| *excess > 0) {
                self.sweep(next, IDLE, (excess * 4 / 3).min(MAX_ENTRIES / 2));
            }
            next += RUN_EVERY;
        }
        self.next_run.store(next, Ordering::Relaxed);
    }

    /// Entries in use.
    pub fn len(&self) -> u32 {
        self.entries.load(Ordering::Relaxed)
    }

    /// Drops up to `goal` entries that were idle for more than `idle` seconds, going on where the last sweep ended.
    fn sweep(&self, now: u64, idle: u32, goal: u32) {
        let start = self.rover.load(Ordering::Relaxed) as usize;
        let mut dropped = 0;
        for step in 0..ENTRIES {
            let entry = (start + step) % ENTRIES;
            if dropped == goal {
                self.rover.store(entry as u32, Ordering::Relaxed);
                return;
            }
            let times = Times(self.times[entry].load(Ordering::Relaxed));
            if self.keys[entry].load(Ordering::Relaxed) == 0 || times.idle(now) <= idle || !self.claim(entry, times) {
                continue;
            }
            self.keys[entry].store(0, Ordering::Release);
            clear(self.set_of(entry));
            self.times[entry].store(0, Ordering::Release);
            self.entries.fetch_sub(1, Ordering::Relaxed);
            dropped += 1;
        }
    }

    fn create(&self, lookup: Lookup, server: ServerId, now: u64) {
        let row = lookup.row..lookup.row + WAYS;
        let times = |entry: usize| Times(self.times[entry].load(Ordering::Acquire));
        let is_free = |entry: &usize| self.keys[*entry].load(Ordering::Acquire) == 0;
        let free = row.clone().find(|entry| is_free(entry) && self.claim(*entry, times(*entry)));
        if let Some(entry) = free {
            // Between look and claim another worker may have filled it; the hard limit is the kernel's.
            if !is_free(&entry) || self.len() >= HARD_LIMIT {
                self.times[entry].fetch_and(!BUSY, Ordering::Release);
                return;
            }
            self.entries.fetch_add(1, Ordering::Relaxed);
            self.fill(entry, lookup.key, server, now);
        } else if let Some(entry) = row.max_by_key(|entry| times(*entry).idle(now))
            && self.claim(entry, times(entry))
        {
            self.fill(entry, lookup.key, server, now);
        }
    }

    /// Fills a claimed entry; the key comes last so that whoever finds it finds the server too.
    fn fill(&self, entry: usize, key: u64, server: ServerId, now: u64) {
        self.keys[entry].store(0, Ordering::Release);
        clear(self.set_of(entry));
        self.set_of(entry)[0].store(server.index() + 1, Ordering::Relaxed);
        self.keys[entry].store(key, Ordering::Release);
        self.times[entry].store(Times::new(now, now).0, Ordering::Release);
    }

    /// Lets `change` work on the set of an entry that still has this key, unless another writer has it. `change` says whether it did.
    fn write(&self, entry: usize, key: u64, now: u64, change: impl FnOnce(&[AtomicU32]) -> bool) {
        if !self.claim(entry, Times(self.times[entry].load(Ordering::Acquire))) {
            return;
        }
        let changed = self.keys[entry].load(Ordering::Acquire) == key && change(self.set_of(entry));
        let release = |times: u64| {
            let times = Times(times & !BUSY);
            Some(if changed { times.changed_at(now).used_at(now) } else { times }.0)
        };
        let _ = self.times[entry].fetch_update(Ordering::Release, Ordering::Relaxed, release);
    }

    fn claim(&self, entry: usize, times: Times) -> bool {
        times.0 & BUSY == 0 && self.swap(entry, times, Times(times.0 | BUSY))
    }

    fn swap(&self, entry: usize, from: Times, to: Times) -> bool {
        self.times[entry].compare_exchange(from.0, to.0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    fn set_of(&self, entry: usize) -> &[AtomicU32] {
        &self.servers[entry * self.set..(entry + 1) * self.set]
    }
}

fn clear(set: &[AtomicU32]) {
    for server in set {
        server.store(0, Ordering::Relaxed);
    }
}

/// Closes the gap, so that order by age stays.
fn remove(set: &[AtomicU32], position: usize) {
    for next in position..set.len() {
        let server = set.get(next + 1).map_or(0, |server| server.load(Ordering::Relaxed));
        set[next].store(server, Ordering::Relaxed);
    }
}

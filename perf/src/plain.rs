//! The yardstick: a plain table for one thread, as simple as it gets.
//!
//! Open addressing with linear probing over slots of one cache line, one slot per direction. It knows no other threads, no reuse and no
//! generations. Its words are atomics only because those can be mapped and prefetched in safe code; relaxed loads and stores of them are
//! plain ones.
//!
//! ```text
//! slot  64 B: key 2 words | new address 32, new port 16 | last seen | packets | 3 unused
//! ```

use std::io;
use std::sync::atomic::Ordering::Relaxed;

use headgate_xsk::SharedWords;
use headgate_xsk::words::prefetch;

const SLOT: usize = 8;
/// Slots per connection key, in percent: a load of 0.55.
const SPREAD: u64 = 182;

/// The table.
#[derive(Debug)]
pub struct Plain {
    words: SharedWords,
    slots: u64,
}

/// What a packet becomes.
#[derive(Debug, Clone, Copy)]
pub struct Translation {
    slot: usize,
    pub address: u32,
    pub port: u16,
}

impl Plain {
    /// A table for `keys` keys, in the same kind of memory as the real one.
    ///
    /// # Errors
    /// When there is not enough memory.
    pub fn new(keys: u32) -> io::Result<Self> {
        let slots = (u64::from(keys) * SPREAD / 100).max(16);
        Ok(Self { words: SharedWords::new(c"headgate-perf-plain", slots as usize * SLOT, true)?, slots })
    }

    pub fn insert(&self, key: [u64; 2], address: u32, port: u16) {
        let mut at = self.home(hash(key));
        while self.word(at, 0) != 0 {
            at = self.after(at);
        }
        for (word, value) in [key[0], key[1], u64::from(address) << 16 | u64::from(port)].into_iter().enumerate() {
            self.words[at * SLOT + word].store(value, Relaxed);
        }
    }

    /// The hash of a key; its line is asked for.
    #[inline(always)]
    pub fn prefetch(&self, key: [u64; 2]) -> u64 {
        let hash = hash(key);
        prefetch(&self.words[self.home(hash) * SLOT]);
        hash
    }

    #[inline(always)]
    pub fn lookup(&self, key: [u64; 2], hash: u64) -> Option<Translation> {
        let mut at = self.home(hash);
        loop {
            let slot = &self.words[at * SLOT..at * SLOT + SLOT];
            let first = slot[0].load(Relaxed);
            if first == key[0] && slot[1].load(Relaxed) == key[1] {
                let to = slot[2].load(Relaxed);
                return Some(Translation { slot: at, address: (to >> 16) as u32, port: to as u16 });
            }
            if first == 0 {
                return None;
            }
            at = self.after(at);
        }
    }

    /// Notes a packet.
    #[inline(always)]
    pub fn stamp(&self, translation: Translation, now: u64) {
        let slot = &self.words[translation.slot * SLOT..translation.slot * SLOT + SLOT];
        slot[3].store(now, Relaxed);
        slot[4].store(slot[4].load(Relaxed) + 1, Relaxed);
    }

    #[inline(always)]
    fn home(&self, hash: u64) -> usize {
        ((u128::from(hash) * u128::from(self.slots)) >> 64) as usize
    }

    #[inline(always)]
    fn after(&self, at: usize) -> usize {
        if at + 1 == self.slots as usize { 0 } else { at + 1 }
    }

    #[inline(always)]
    fn word(&self, at: usize, word: usize) -> u64 {
        self.words[at * SLOT + word].load(Relaxed)
    }
}

/// One folded multiply and one more; the seeds are those of a table that nobody attacks.
#[inline(always)]
fn hash(key: [u64; 2]) -> u64 {
    let product = u128::from(key[0] ^ 0x1234_5678_9abc_def1) * u128::from(key[1] ^ 0xfedc_ba98_7654_3211);
    let folded = product as u64 ^ (product >> 64) as u64;
    (folded ^ folded >> 29).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A key from a packet's addresses and ports; never all zero.
#[inline(always)]
pub fn key(source: u32, destination: u32, ports: (u16, u16), protocol: u8) -> [u64; 2] {
    let ports = u64::from(ports.0) << 32 | u64::from(ports.1) << 16 | u64::from(protocol) << 8;
    [u64::from(source) << 32 | u64::from(destination), ports | 1 << 63]
}

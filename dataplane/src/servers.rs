//! Runtime state of real servers: connection counts, thresholds, the OVERLOAD flag.
//!
//! It outlives snapshots and processes, so it lies in shared words: slots found by index, no pointers. One slot is one cache line,
//! and its first word carries everything that a worker changes per connection:
//!
//! ```text
//! word 0   OVERLOAD (1 bit) | active A (31 bits, signed) | inactive I (32 bits, signed)
//! word 1   upper threshold u (32 bits) | lower threshold l (32 bits)
//! word 2   templates bound to the server (persistconns), signed
//! word 3.. identity, see `identity`; 0 = the slot was never used
//! ```
//!
//! Counts and flag share a word, so T = A + I is always read whole, and the threshold rule is applied in the same
//! compare-and-swap as the count it depends on. There is no lock.
//!
//! Counting follows the change of the table it is for, so another worker may end a connection, and count that, before its making or its last
//! change of state was counted. A count is then below zero for a moment, which only the words know: readers see 0. Were it held at 0
//! instead, the late one would leave it too high for ever.
//!
//! Threshold rule (`ip_vs_ctl.c`, 6.1.192): OVERLOAD is set when u > 0 and T >= u; cleared when u = 0, when T < l (l > 0) or when
//! T < u - u/4 (l = 0); between the limits it stays. It is evaluated on bind, on unbind and on edit, never in between.

mod identity;

use std::sync::atomic::{AtomicU64, Ordering};

use headgate_xsk::SharedWords;
pub use identity::{Identity, ServiceKey};

/// A slot of the slab. Only made by the slab, so it always lies within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerId(u32);

impl ServerId {
    /// The slot number, for storing it elsewhere; [`Servers::id`] turns it back.
    pub fn index(self) -> u32 {
        self.0
    }
}

/// What a scheduler wants to know about a server, read in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    pub active: u32,
    pub inactive: u32,
    /// The server takes no newly scheduled connections until it has drained below its clearing limit.
    pub overloaded: bool,
}

impl Load {
    /// A + I.
    pub fn total(self) -> u64 {
        u64::from(self.active) + u64::from(self.inactive)
    }

    /// 256*A + T = 257*A + I, the form of Linux 6.1.192; older kernels count 256*A + I (0.4 % apart).
    pub fn overhead(self) -> u64 {
        257 * u64::from(self.active) + u64::from(self.inactive)
    }
}

/// Every slot holds a server that is configured or still has connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no free server slot: all {capacity} hold configured servers or servers with connections")]
pub struct Full {
    /// Slots of the slab.
    pub capacity: u32,
}

/// Why shared words were not accepted as a slab of servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    #[error("{words} words hold no server, at least {} are needed", Servers::words_needed(1))]
    TooSmall { words: usize },
    #[error("not a server slab of format {expected:#x}: found {found:#x}")]
    Format { found: u64, expected: u64 },
    #[error("the slab says it has {capacity} slots, but {words} words are mapped")]
    Capacity { capacity: u64, words: usize },
}

/// The slab. Workers count connections in it; the control thread alone assigns and retires slots.
#[derive(Debug)]
pub struct Servers {
    words: SharedWords,
    capacity: u32,
}

const SLOT: usize = 8;
const HEADER: usize = SLOT;
/// "HGSERV", format version 2. Change it whenever the meaning of any word changes, the probe order of `assign` included.
const FORMAT: u64 = 0x4847_5345_5256_0002;

const COUNTS: usize = 0;
const THRESHOLDS: usize = 1;
const TEMPLATES: usize = 2;
const IDENTITY: usize = 3;

const OVERLOAD: u64 = 1 << 63;

impl Servers {
    /// Words that a slab of `capacity` servers needs (64 bytes a server).
    pub const fn words_needed(capacity: u32) -> usize {
        HEADER + capacity as usize * SLOT
    }

    /// Makes an empty slab in zeroed `words`, as large as they allow.
    ///
    /// # Errors
    /// [`LayoutError::TooSmall`] when not even one server fits.
    pub fn new(words: SharedWords) -> Result<Self, LayoutError> {
        let slots = words.len().saturating_sub(HEADER) / SLOT;
        if slots == 0 {
            return Err(LayoutError::TooSmall { words: words.len() });
        }
        let capacity = u32::try_from(slots).unwrap_or(u32::MAX);
        words[1].store(capacity.into(), Ordering::Relaxed);
        words[0].store(FORMAT, Ordering::Release);
        Ok(Self { words, capacity })
    }

    /// Goes on with the slab that another process (or an earlier life of this one) made. Its servers keep their counts and stay
    /// "in the configuration" until [`Servers::retire`]d.
    ///
    /// # Errors
    /// [`LayoutError`] when the words hold no slab, or one of another format.
    pub fn attach(words: SharedWords) -> Result<Self, LayoutError> {
        if words.len() < Self::words_needed(1) {
            return Err(LayoutError::TooSmall { words: words.len() });
        }
        let found = words[0].load(Ordering::Acquire);
        if found != FORMAT {
            return Err(LayoutError::Format { found, expected: FORMAT });
        }
        let stored = words[1].load(Ordering::Relaxed);
        match u32::try_from(stored) {
            Ok(capacity) if capacity > 0 && Self::words_needed(capacity) <= words.len() => Ok(Self { words, capacity }),
            _ => Err(LayoutError::Capacity { capacity: stored, words: words.len() }),
        }
    }

    /// The words themselves, to hand their descriptor to another process.
    pub fn words(&self) -> &SharedWords {
        &self.words
    }

    /// Slots of the slab.
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// The id of a stored slot number; `None` when the slab has no such slot.
    #[inline]
    pub fn id(&self, index: u32) -> Option<ServerId> {
        (index < self.capacity).then_some(ServerId(index))
    }

    /// Puts a server into the configuration. A known identity gets its old slot with all counts (IPVS: a removed server that is
    /// added again takes over its connections), else a slot never used before, else a retired one without connections.
    /// Control thread only.
    ///
    /// # Errors
    /// [`Full`] when there is no such slot.
    pub fn assign(&self, identity: &Identity) -> Result<ServerId, Full> {
        let start = (identity.hash() % u64::from(self.capacity)) as u32;
        let mut reusable = None;
        for step in 0..self.capacity {
            let id = ServerId(((u64::from(start) + u64::from(step)) % u64::from(self.capacity)) as u32);
            match self.identity(id) {
                // Probing never passes a slot that was never used, so the identity is not further on either.
                None => return Ok(self.occupy(id, identity)),
                Some(known) if known == *identity => {
                    self.word(id, IDENTITY).fetch_or(identity::CONFIGURED, Ordering::AcqRel);
                    return Ok(id);
                }
                Some(_) if reusable.is_none() && self.is_idle(id) => reusable = Some(id),
                Some(_) => {}
            }
        }
        reusable.map(|id| self.occupy(id, identity)).ok_or(Full { capacity: self.capacity })
    }

    /// Takes a server out of the configuration. Its slot keeps the identity, and is given to another server only when it has no
    /// connections and no templates and never-used slots have run out. Call it once no worker uses a snapshot with this
    /// server any more, else a connection may still be bound to a slot that is about to be reused. Control thread only.
    pub fn retire(&self, id: ServerId) {
        self.word(id, IDENTITY).fetch_and(!identity::CONFIGURED, Ordering::AcqRel);
    }

    /// Who the slot belongs to; `None` when it was never used.
    pub fn identity(&self, id: ServerId) -> Option<Identity> {
        Identity::read(std::array::from_fn(|word| self.word(id, IDENTITY + word).load(Ordering::Acquire)))
    }

    /// The servers in the configuration.
    pub fn configured(&self) -> impl Iterator<Item = ServerId> {
        (0..self.capacity)
            .map(ServerId)
            .filter(|id| self.word(*id, IDENTITY).load(Ordering::Acquire) & identity::CONFIGURED != 0)
    }

    /// Sets both thresholds (connections; 0 = none) and applies the rule at once: a lowered `upper` blocks at once, a raised one
    /// unblocks only if T is below the new clearing limit.
    pub fn set_thresholds(&self, id: ServerId, upper: u32, lower: u32) {
        self.word(id, THRESHOLDS).store(u64::from(upper) << 32 | u64::from(lower), Ordering::Release);
        self.update(id, |_| {});
    }

    /// A connection was made to the server.
    #[inline]
    pub fn bind(&self, id: ServerId, active: bool) {
        self.update(id, |counts| counts.add(active, 1));
    }

    /// A connection to the server ended; `active` as it was counted last.
    #[inline]
    pub fn unbind(&self, id: ServerId, active: bool) {
        self.update(id, |counts| counts.add(active, -1));
    }

    /// A connection became active or inactive. T does not change and OVERLOAD is not looked at.
    #[inline]
    pub fn transition(&self, id: ServerId, to_active: bool) {
        self.change(id, |counts| {
            counts.add(!to_active, -1);
            counts.add(to_active, 1);
        });
    }

    /// A persistence template was made for the server.
    pub fn template_bound(&self, id: ServerId) {
        self.word(id, TEMPLATES).fetch_add(1, Ordering::Relaxed);
    }

    /// A persistence template of the server ended.
    pub fn template_unbound(&self, id: ServerId) {
        self.word(id, TEMPLATES).fetch_sub(1, Ordering::Release);
    }

    /// Counts and flag in one consistent read.
    #[inline]
    pub fn load(&self, id: ServerId) -> Load {
        Counts::read(self.word(id, COUNTS).load(Ordering::Acquire)).load()
    }

    pub fn active(&self, id: ServerId) -> u32 {
        self.load(id).active
    }

    pub fn inactive(&self, id: ServerId) -> u32 {
        self.load(id).inactive
    }

    /// Templates bound to the server (`persistconns`).
    pub fn persistent(&self, id: ServerId) -> u32 {
        let templates = self.word(id, TEMPLATES).load(Ordering::Relaxed).cast_signed().max(0);
        u32::try_from(templates).unwrap_or(u32::MAX)
    }

    #[inline]
    pub fn overloaded(&self, id: ServerId) -> bool {
        self.load(id).overloaded
    }

    /// Upper and lower threshold.
    pub fn thresholds(&self, id: ServerId) -> (u32, u32) {
        let both = self.word(id, THRESHOLDS).load(Ordering::Acquire);
        ((both >> 32) as u32, both as u32)
    }

    /// Changes the counts and applies the threshold rule to the result.
    #[inline]
    fn update(&self, id: ServerId, count: impl Fn(&mut Counts)) {
        let mut thresholds = self.thresholds(id);
        self.change(id, |counts| {
            count(counts);
            counts.overloaded = blocked(*counts, thresholds);
        });
        // The thresholds may have been edited meanwhile. Edit and count both write the counts' word, so one comes second and sees
        // the other's work: either the edit re-evaluates our count, or we see its thresholds here.
        loop {
            let now = self.thresholds(id);
            if now == thresholds {
                return;
            }
            thresholds = now;
            self.change(id, |counts| counts.overloaded = blocked(*counts, now));
        }
    }

    #[inline]
    fn change(&self, id: ServerId, change: impl Fn(&mut Counts)) {
        let next = |word: u64| {
            let mut counts = Counts::read(word);
            change(&mut counts);
            Some(counts.word())
        };
        let _ = self.word(id, COUNTS).fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
    }

    fn is_idle(&self, id: ServerId) -> bool {
        self.word(id, IDENTITY).load(Ordering::Acquire) & identity::CONFIGURED == 0
            && self.word(id, COUNTS).load(Ordering::Acquire) & !OVERLOAD == 0
            && self.word(id, TEMPLATES).load(Ordering::Acquire) == 0
    }

    /// Writes the identity with its first word last: a process that dies in between leaves a slot that is unused or idle as before.
    fn occupy(&self, id: ServerId, identity: &Identity) -> ServerId {
        for counter in [COUNTS, THRESHOLDS, TEMPLATES] {
            self.word(id, counter).store(0, Ordering::Release);
        }
        for (word, value) in identity.words().into_iter().enumerate().rev() {
            self.word(id, IDENTITY + word).store(value, Ordering::Release);
        }
        id
    }

    #[inline]
    fn word(&self, id: ServerId, word: usize) -> &AtomicU64 {
        &self.words[HEADER + id.0 as usize * SLOT + word]
    }
}

/// The first word of a slot.
#[derive(Clone, Copy)]
struct Counts {
    active: i32,
    inactive: i32,
    overloaded: bool,
}

impl Counts {
    #[inline]
    fn read(word: u64) -> Self {
        // The upper bit of the active count lies below the flag: up and down again extends it.
        let active = ((word >> 31) as u32).cast_signed() >> 1;
        Self { active, inactive: (word as u32).cast_signed(), overloaded: word & OVERLOAD != 0 }
    }

    #[inline]
    fn word(self) -> u64 {
        let flag = if self.overloaded { OVERLOAD } else { 0 };
        let active = u64::from(self.active.cast_unsigned()) << 32 & !OVERLOAD;
        flag | active | u64::from(self.inactive.cast_unsigned())
    }

    #[inline]
    fn add(&mut self, active: bool, n: i32) {
        let count = if active { &mut self.active } else { &mut self.inactive };
        *count = count.wrapping_add(n);
    }

    /// A + I.
    #[inline]
    fn total(self) -> i64 {
        i64::from(self.active) + i64::from(self.inactive)
    }

    #[inline]
    fn load(self) -> Load {
        let Self { active, inactive, overloaded } = self;
        Load { active: active.max(0).cast_unsigned(), inactive: inactive.max(0).cast_unsigned(), overloaded }
    }
}

/// The threshold rule; see the module's head.
fn blocked(counts: Counts, (upper, lower): (u32, u32)) -> bool {
    let clears_below = if lower > 0 { lower } else { upper - upper / 4 };
    if upper == 0 {
        false
    } else if counts.total() >= i64::from(upper) {
        true
    } else {
        counts.overloaded && counts.total() >= i64::from(clears_below)
    }
}

#[cfg(test)]
mod tests;

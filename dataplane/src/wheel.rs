//! The timers of one worker: a hashed wheel of (family, connection) handles.
//!
//! Nothing moves when a packet is seen. A timer that comes due asks the caller, who compares last-seen and timeout and either ends the
//! connection or names the moment to ask again. That covers later deadlines only: when a timeout gets *shorter*, the caller arms a
//! second handle for the same connection; the first one finds it gone, or asks once more.
//!
//! ```text
//! slot  = deadline modulo 8192 ticks (1024 s)  ->  list of chunks
//! chunk = 10 handles of 8 bytes | 10 deadlines of 4 bytes | link, length      128 bytes, two cache lines
//! ```
//!
//! A timer further away than one turn is passed over once per turn. No timer fires before its deadline. All memory is reserved at the
//! start, but touched only when first used.

use crate::table::{ConnId, Family, Tick};

/// Slots of the wheel, one per tick. One turn is longer than the common timeouts (15 minutes), so their timers are met once.
const SLOTS: usize = 8192;
const CHUNK: usize = 10;
const NONE: u32 = u32::MAX;

/// Which connection or template a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Handle {
    pub family: Family,
    pub id: ConnId,
}

/// All timers of a wheel are in use; the caller counts it and finds such connections by looking through the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("all {capacity} timers are in use")]
pub struct WheelFull {
    pub capacity: usize,
}

/// The timers.
#[derive(Debug)]
pub struct Wheel {
    slots: Box<[u32]>,
    chunks: Vec<Chunk>,
    /// Chunks that became empty, linked.
    spare: u32,
    /// What is left of the slot at `reached`; re-armed timers must not get in here.
    current: u32,
    /// The last moment whose slot was opened.
    reached: Tick,
    len: usize,
    capacity: usize,
}

#[derive(Debug)]
#[repr(align(128))]
struct Chunk {
    handles: [u64; CHUNK],
    deadlines: [u32; CHUNK],
    len: u32,
    next: u32,
}

#[derive(Debug, Clone, Copy)]
struct Timer {
    handle: u64,
    deadline: Tick,
}

impl Wheel {
    /// A wheel for up to `capacity` timers (at most 2^31), starting at `now`.
    pub fn new(capacity: usize, now: Tick) -> Self {
        // Full chunks, and per slot (and for the one being emptied) one that is not full.
        let chunks = capacity / CHUNK + SLOTS.min(capacity) + 1;
        Self {
            slots: vec![NONE; SLOTS].into_boxed_slice(),
            chunks: Vec::with_capacity(chunks),
            spare: NONE,
            current: NONE,
            reached: now,
            len: 0,
            capacity,
        }
    }

    /// Sets a timer. A deadline that is over fires with the next tick; the furthest is 2^23 ticks (12 days) ahead.
    pub fn arm(&mut self, handle: Handle, deadline: Tick) -> Result<(), WheelFull> {
        if self.len == self.capacity {
            return Err(WheelFull { capacity: self.capacity });
        }
        self.link(Timer { handle: handle.pack(), deadline });
        self.len += 1;
        Ok(())
    }

    /// Fires what is due at `now` but looks at no more than `budget` timers. `fire` returns the moment to ask again, or `None` to
    /// drop the timer. Returns how many fired; [`Wheel::is_behind`] says whether some are left.
    pub fn advance(&mut self, now: Tick, budget: usize, mut fire: impl FnMut(Handle) -> Option<Tick>) -> usize {
        self.skip_turns(now);
        let mut fired = 0;
        for _ in 0..budget {
            let Some(timer) = self.next_in_order(now) else { break };
            if !now.reached(timer.deadline) {
                self.link(timer);
                continue;
            }
            fired += 1;
            self.len -= 1;
            if let Some(deadline) = fire(Handle::unpack(timer.handle)) {
                self.link(Timer { deadline, ..timer });
                self.len += 1;
            }
        }
        fired
    }

    /// Whether timers due at `now` may be left over because the budget was too small.
    pub fn is_behind(&self, now: Tick) -> bool {
        self.current != NONE || (self.len > 0 && !self.reached.reached(now))
    }

    /// Timers set.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes in use (touched so far) beside the fixed slots.
    pub fn bytes(&self) -> usize {
        self.chunks.len() * size_of::<Chunk>()
    }

    /// After a pause of more than a turn, opening every slot once is enough.
    fn skip_turns(&mut self, now: Tick) {
        let behind = self.reached.age(now);
        if behind > SLOTS as u32 {
            self.reached = self.reached.plus(behind - SLOTS as u32);
        }
    }

    /// The next timer in the slots up to `now`, taken out of the wheel.
    fn next_in_order(&mut self, now: Tick) -> Option<Timer> {
        while self.current == NONE {
            if self.reached.reached(now) {
                return None;
            }
            self.reached = self.reached.plus(1);
            self.current = std::mem::replace(&mut self.slots[slot_of(self.reached)], NONE);
        }
        let at = self.current;
        let chunk = &mut self.chunks[at as usize];
        chunk.len -= 1;
        let last = chunk.len as usize;
        let timer = Timer { handle: chunk.handles[last], deadline: Tick::new(chunk.deadlines[last]) };
        if last == 0 {
            self.current = std::mem::replace(&mut chunk.next, self.spare);
            self.spare = at;
        }
        Some(timer)
    }

    fn link(&mut self, timer: Timer) {
        let over = self.reached.reached(timer.deadline);
        let slot = slot_of(if over { self.reached.plus(1) } else { timer.deadline });
        let mut at = self.slots[slot];
        if at == NONE || self.chunks[at as usize].len as usize == CHUNK {
            at = self.new_chunk(at);
            self.slots[slot] = at;
        }
        let chunk = &mut self.chunks[at as usize];
        chunk.handles[chunk.len as usize] = timer.handle;
        chunk.deadlines[chunk.len as usize] = timer.deadline.get();
        chunk.len += 1;
    }

    fn new_chunk(&mut self, next: u32) -> u32 {
        if self.spare == NONE {
            self.chunks.push(Chunk { handles: [0; CHUNK], deadlines: [0; CHUNK], len: 0, next });
            return self.chunks.len() as u32 - 1;
        }
        let at = self.spare;
        self.spare = std::mem::replace(&mut self.chunks[at as usize].next, next);
        at
    }
}

const fn slot_of(tick: Tick) -> usize {
    tick.get() as usize % SLOTS
}

impl Handle {
    /// `family 1 | entry 31 | generation 30`, as wide as the table makes them.
    fn pack(self) -> u64 {
        (self.family as u64) << 63 | (self.id.index as u64) << 32 | self.id.generation as u64
    }

    fn unpack(handle: u64) -> Self {
        let family = if handle >> 63 == 0 { Family::V4 } else { Family::V6 };
        Self { family, id: ConnId { index: (handle >> 32) as u32 & (u32::MAX >> 1), generation: handle as u32 } }
    }
}

#[cfg(test)]
mod tests;

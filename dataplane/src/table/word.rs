//! How heads, slots and last-seen words are packed.

use super::tick::Tick;

/// Generations count to 2^30 in heads and ids; slots carry 14 of those bits, last-seen and state words 16.
pub(super) const GENERATION_MASK: u32 = (1 << 30) - 1;

/// No template, no next node.
pub(super) const NONE: u32 = u32::MAX;

/// Which life an entry is in, and at which point of it.
///
/// `generation 30 (bits 32-61) | generation of the template 30 (bits 2-31) | life 2`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head(pub(super) u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Free,
    /// Being made; nobody relies on it and any creator of the same key may kill it.
    Pending,
    Live,
    /// Ended or killed; its slots are being emptied.
    Dying,
}

impl Head {
    #[inline(always)]
    pub(super) const fn new(generation: u32, template_generation: u32, life: Life) -> Self {
        Self(
            ((generation & GENERATION_MASK) as u64) << 32
                | ((template_generation & GENERATION_MASK) as u64) << 2
                | life as u64,
        )
    }

    #[inline(always)]
    pub(super) const fn generation(self) -> u32 {
        (self.0 >> 32) as u32 & GENERATION_MASK
    }

    #[inline(always)]
    pub(super) const fn template_generation(self) -> u32 {
        (self.0 >> 2) as u32 & GENERATION_MASK
    }

    #[inline(always)]
    pub(super) const fn life(self) -> Life {
        match self.0 & 3 {
            0 => Life::Free,
            1 => Life::Pending,
            2 => Life::Live,
            _ => Life::Dying,
        }
    }

    #[inline(always)]
    pub(super) const fn with_life(self, life: Life) -> Self {
        Self(self.0 & !3 | life as u64)
    }

    /// The free head of the next life.
    #[inline(always)]
    pub(super) const fn next_life(self) -> Self {
        Self::new(self.generation().wrapping_add(1), 0, Life::Free)
    }
}

/// Which key of a connection a packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client.
    Forward,
    /// From the server.
    Reverse,
}

/// A reference from the index to an entry; 0 is an empty slot.
///
/// `tag 16 | generation 14 | direction 1 | used 1 | entry 32`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(pub(super) u64);

const USED: u64 = 1 << 32;
const REVERSE: u64 = 1 << 33;
const SLOT_GENERATION: u32 = (1 << 14) - 1;
const TAG_AND_USED: u64 = 0xffff << 48 | USED;

impl Slot {
    #[inline(always)]
    pub(super) const fn new(tag: u16, generation: u32, direction: Direction, entry: u32) -> Self {
        let direction = match direction {
            Direction::Forward => 0,
            Direction::Reverse => REVERSE,
        };
        Self((tag as u64) << 48 | ((generation & SLOT_GENERATION) as u64) << 34 | direction | USED | entry as u64)
    }

    #[inline(always)]
    pub(super) const fn entry(self) -> u32 {
        self.0 as u32
    }

    #[inline(always)]
    pub(super) const fn direction(self) -> Direction {
        if self.0 & REVERSE == 0 { Direction::Forward } else { Direction::Reverse }
    }

    #[inline(always)]
    pub(super) const fn is_used(self) -> bool {
        self.0 & USED != 0
    }

    #[inline(always)]
    pub(super) const fn has_tag(self, tag: u16) -> bool {
        (self.0 ^ ((tag as u64) << 48 | USED)) & TAG_AND_USED == 0
    }

    /// Whether this slot was made for the life that `head` shows.
    #[inline(always)]
    pub(super) const fn is_of(self, head: Head) -> bool {
        (self.0 >> 34) as u32 & SLOT_GENERATION == head.generation() & SLOT_GENERATION
    }
}

/// When and how often an entry was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The last packet's moment.
    pub last: Tick,
    /// Packets, both directions; stops at 2^24 - 1. Workers that stamp one connection at once may lose some.
    pub packets: u32,
}

const PACKETS_MAX: u64 = (1 << 24) - 1;

impl Seen {
    /// `generation 16 | last seen 24 | packets 24`
    #[inline(always)]
    pub(super) const fn pack(generation: u32, last: Tick, packets: u32) -> u64 {
        (generation as u64) << 48 | (last.get() as u64) << 24 | packets as u64 & PACKETS_MAX
    }

    /// What `word` says about the life `generation`; `None` when a late writer of another life wrote it last.
    #[inline(always)]
    pub(super) const fn unpack(word: u64, generation: u32) -> Option<Self> {
        if (word >> 48) as u16 == generation as u16 {
            Some(Self { last: Tick::new((word >> 24) as u32), packets: (word & PACKETS_MAX) as u32 })
        } else {
            None
        }
    }

    /// The word one packet later.
    #[inline(always)]
    pub(super) const fn next(word: u64, generation: u32, now: Tick) -> u64 {
        match Self::unpack(word, generation) {
            Some(seen) if (seen.packets as u64) < PACKETS_MAX => Self::pack(generation, now, seen.packets + 1),
            Some(seen) => Self::pack(generation, now, seen.packets),
            None => Self::pack(generation, now, 1),
        }
    }
}

/// The word of a state in the life `generation`: `generation 16 | state 48`.
#[inline(always)]
pub(super) const fn state_word(generation: u32, state: super::State) -> u64 {
    (generation as u64) << 48 | state.bits()
}

/// The state in `word` if it belongs to the life `generation`.
#[inline(always)]
pub(super) const fn state_of(word: u64, generation: u32) -> Option<super::State> {
    if (word >> 48) as u16 == generation as u16 { Some(super::State::from_bits(word)) } else { None }
}

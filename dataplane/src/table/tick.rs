//! Time as the table keeps it: 24 bits of eighths of a second.

/// A moment, in ticks of 1/8 second modulo 2^24 (24 days).
///
/// The origin is the caller's, but it must be one that outlives a restart of the process (a monotonic clock since boot), because
/// ticks lie in shared memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Tick(u32);

/// Ticks in one second.
pub const TICKS_PER_SECOND: u32 = 8;

const MASK: u32 = (1 << 24) - 1;

/// Workers read the clock once per burst, so one may see a stamp of another that lies ahead of its own now. A moment up to this many
/// ticks (9 hours) ahead counts as now instead of as 24 days old.
const AHEAD: u32 = 1 << 18;

impl Tick {
    /// The moment `ticks` after the origin; wraps.
    #[inline]
    pub const fn new(ticks: u32) -> Self {
        Self(ticks & MASK)
    }

    /// The moment of a clock that counts milliseconds.
    #[inline]
    pub const fn from_millis(millis: u64) -> Self {
        Self((millis / (1000 / TICKS_PER_SECOND as u64)) as u32 & MASK)
    }

    /// The 24 bits.
    #[inline]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The moment `ticks` later; wraps.
    #[inline]
    pub const fn plus(self, ticks: u32) -> Self {
        Self(self.0.wrapping_add(ticks) & MASK)
    }

    /// The moment `seconds` later, for at most 2^20 - 1 seconds (the longest timeout).
    #[inline]
    pub const fn plus_seconds(self, seconds: u32) -> Self {
        self.plus(seconds.wrapping_mul(TICKS_PER_SECOND))
    }

    /// Ticks since this moment; 0 when it lies up to 9 hours ahead of `now`.
    #[inline]
    pub const fn age(self, now: Self) -> u32 {
        let age = now.0.wrapping_sub(self.0) & MASK;
        if age > MASK - AHEAD { 0 } else { age }
    }

    /// Whether this moment is `other` or later, for moments less than 12 days apart.
    #[inline]
    pub const fn reached(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0) & MASK <= MASK / 2
    }
}

//! The state of a connection or template: 48 bits that change together, by compare-and-swap.
//!
//! ```text
//! connection   spare 3 | reverse lost 1 | protocol state 8 | flags 16 | timeout 20
//! template     closing 1 | connections 27                             | timeout 20
//! ```

/// The changeable part of an entry. What protocol states and flags mean is the pipeline's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct State(u64);

/// The longest timeout, in seconds (12 days).
pub const MAX_TIMEOUT_SECONDS: u32 = (1 << 20) - 1;

const FLAGS: u32 = 20;
const PROTOCOL: u32 = 36;
const REVERSE_LOST: u64 = 1 << 44;
const COUNT: u32 = 20;
const COUNT_MAX: u64 = (1 << 27) - 1;
const CLOSING: u64 = 1 << 47;

impl State {
    /// The bits a state may use.
    pub(super) const MASK: u64 = (1 << 48) - 1;

    /// A state with its timeout in seconds, capped at [`MAX_TIMEOUT_SECONDS`].
    #[inline]
    pub const fn new(protocol_state: u8, flags: u16, timeout_seconds: u32) -> Self {
        Self(0).with_protocol_state(protocol_state).with_flags(flags).with_timeout_seconds(timeout_seconds)
    }

    /// The protocol's state (for TCP its state machine).
    #[inline]
    pub const fn protocol_state(self) -> u8 {
        (self.0 >> PROTOCOL) as u8
    }

    #[inline]
    pub const fn with_protocol_state(self, state: u8) -> Self {
        Self(self.0 & !(0xff << PROTOCOL) | (state as u64) << PROTOCOL)
    }

    /// Flags.
    #[inline]
    pub const fn flags(self) -> u16 {
        (self.0 >> FLAGS) as u16
    }

    #[inline]
    pub const fn with_flags(self, flags: u16) -> Self {
        Self(self.0 & !(0xffff << FLAGS) | (flags as u64) << FLAGS)
    }

    /// The timeout in force: the entry expires this long after it was last seen.
    #[inline]
    pub const fn timeout_seconds(self) -> u32 {
        self.0 as u32 & MAX_TIMEOUT_SECONDS
    }

    /// Another timeout in seconds, capped at [`MAX_TIMEOUT_SECONDS`].
    #[inline]
    pub const fn with_timeout_seconds(self, seconds: u32) -> Self {
        let seconds = if seconds > MAX_TIMEOUT_SECONDS { MAX_TIMEOUT_SECONDS } else { seconds };
        Self(self.0 & !(MAX_TIMEOUT_SECONDS as u64) | seconds as u64)
    }

    /// Whether a newer connection with the same reverse key took the replies away; kept by the table, see
    /// [`SubTable::restore_reverse`](super::SubTable::restore_reverse).
    #[inline]
    pub const fn reverse_lost(self) -> bool {
        self.0 & REVERSE_LOST != 0
    }

    /// How many connections joined this template.
    #[inline]
    pub const fn joined(self) -> u32 {
        (self.0 >> COUNT & COUNT_MAX) as u32
    }

    /// Whether this template takes no more connections.
    #[inline]
    pub const fn is_closing(self) -> bool {
        self.0 & CLOSING != 0
    }

    #[inline]
    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits & Self::MASK)
    }

    #[inline]
    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    pub(super) const fn with_reverse_lost(self, lost: bool) -> Self {
        if lost { Self(self.0 | REVERSE_LOST) } else { Self(self.0 & !REVERSE_LOST) }
    }

    /// One connection more, or `None` when the template is closing or the count is at its limit.
    pub(super) const fn join(self) -> Option<Self> {
        if self.is_closing() || self.joined() as u64 == COUNT_MAX { None } else { Some(Self(self.0 + (1 << COUNT))) }
    }

    /// One connection less; `None` at 0.
    pub(super) const fn leave(self) -> Option<Self> {
        if self.joined() == 0 { None } else { Some(Self(self.0 - (1 << COUNT))) }
    }

    /// Closing, or `None` when connections are joined or it is closing already.
    pub(super) const fn close(self) -> Option<Self> {
        if self.joined() > 0 || self.is_closing() { None } else { Some(Self(self.0 | CLOSING)) }
    }

    /// Open, with `joined` connections (capped at the limit).
    pub(super) const fn reopened(self, joined: u32) -> Self {
        let joined = if joined as u64 > COUNT_MAX { COUNT_MAX } else { joined as u64 };
        Self(self.0 & MAX_TIMEOUT_SECONDS as u64 | joined << COUNT)
    }
}

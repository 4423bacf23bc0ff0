//! Incremental update (RFC 1624): how a checksum changes when fields under it are replaced.

use super::fold;

/// The change of a sum, collected field by field and applied to each checksum that covers those fields.
///
/// ```
/// use headgate_wire::checksum::Delta;
///
/// let rewrite = Delta::new().u32(0x0a00_0064, 0x0a01_000b).u16(80, 8080);
/// # let old = 0x95b6;
/// let new = rewrite.apply(old);
/// # assert_ne!(old, new);
/// ```
///
/// An update neither repairs nor hides damage: a wrong checksum stays wrong by the same amount, a right one stays right. The
/// only exception is data that becomes all zero bytes, where 0x0000 results but only 0xffff verifies. No message with a pseudo
/// header and no ICMP error is all zero.
#[derive(Debug, Clone, Copy, Default)]
#[must_use = "a delta does nothing until it is applied to a checksum"]
pub struct Delta(u64);

impl Delta {
    #[inline(always)]
    pub const fn new() -> Self {
        Self(0)
    }

    /// Replaces one 16-bit word at an even offset.
    #[inline(always)]
    pub const fn u16(self, old: u16, new: u16) -> Self {
        Self(self.0 + !old as u64 + new as u64)
    }

    /// Replaces two neighbouring 16-bit words at an even offset, such as an IPv4 address.
    #[inline(always)]
    pub const fn u32(self, old: u32, new: u32) -> Self {
        Self(self.0 + !old as u64 + new as u64)
    }

    /// Replaces an IPv6 address.
    #[inline(always)]
    pub fn addr16(self, old: &[u8; 16], new: &[u8; 16]) -> Self {
        let (old, new) = (old.as_chunks::<4>().0, new.as_chunks::<4>().0);
        old.iter()
            .zip(new)
            .fold(self, |delta, (old, new)| delta.u32(u32::from_be_bytes(*old), u32::from_be_bytes(*new)))
    }

    /// Takes another change to the same data into account.
    #[inline(always)]
    pub const fn and(self, other: Delta) -> Self {
        Self(self.0 + other.0)
    }

    /// The new value of a checksum field.
    ///
    /// ```text
    /// //= https://www.rfc-editor.org/rfc/rfc1624#section-3
    /// //# HC' = ~(C + (-m) + m')    --    [Eqn. 3]
    /// //#     = ~(~HC + ~m + m')
    /// ```
    ///
    /// The simpler equation of RFC 1141 can yield 0xffff where only 0x0000 is right; this one cannot, unless the field was
    /// 0xffff before.
    #[inline(always)]
    pub const fn apply(self, field: u16) -> u16 {
        !fold(self.0 + !field as u64)
    }

    /// As [`Delta::apply`] for UDP, where 0 is sent as 0xffff. Whether a field of 0 ("no checksum") is to be updated at all is
    /// the caller's decision.
    #[inline(always)]
    pub const fn apply_udp(self, field: u16) -> u16 {
        match self.apply(field) {
            0 => 0xffff,
            sum => sum,
        }
    }

    /// The new value of a partial checksum field, which holds a sum that is not complemented.
    #[inline(always)]
    pub const fn apply_uncomplemented(self, field: u16) -> u16 {
        fold(self.0 + field as u64)
    }
}

#[cfg(test)]
mod tests;

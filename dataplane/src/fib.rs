//! Longest-prefix match over an immutable set of routes.
//!
//! Routes are flattened when the table is built: nested prefixes become disjoint ranges, sorted by their first address, each with the
//! value of the longest prefix that covers it. A lookup is one binary search over the first addresses and touches nothing else but the
//! answer. `n` prefixes make at most `2n + 1` ranges; neighbouring ranges of equal value are one range, so a full routing table with a few
//! next hops is much smaller than its number of prefixes suggests.
//!
//! ```text
//! prefixes   0.0.0.0/0 → a        |-------------------------------------|
//!            10.0.0.0/8 → b               |---------------|
//!            10.1.0.0/16 → c                   |----|
//! ranges                          |   a   | b  |  c |  b  |      a      |
//! ```
//!
//! Addresses are integers in host order (`Ipv4Addr::to_bits`, `Ipv6Addr::to_bits`): `u32` for IPv4, `u128` for IPv6.

use std::ops::{BitAnd, BitOr};

#[cfg(test)]
mod tests;

/// An address as an integer; implemented by `u32` (IPv4) and `u128` (IPv6).
pub trait Address: Copy + Ord + BitAnd<Output = Self> + BitOr<Output = Self> {
    /// The lowest address.
    const ZERO: Self;
    /// The length of an address in bits.
    const BITS: u8;

    /// The bits which a prefix of `len` bits leaves open; none when `len` is [`Address::BITS`] or more.
    fn host_bits(len: u8) -> Self;

    /// The address after this one, or `None` after the last.
    fn next(self) -> Option<Self>;
}

impl Address for u32 {
    const ZERO: Self = 0;
    const BITS: u8 = 32;

    fn host_bits(len: u8) -> Self {
        Self::MAX.checked_shr(len.into()).unwrap_or(0)
    }

    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl Address for u128 {
    const ZERO: Self = 0;
    const BITS: u8 = 128;

    fn host_bits(len: u8) -> Self {
        Self::MAX.checked_shr(len.into()).unwrap_or(0)
    }

    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

/// Why an address and a length make no prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// The length exceeds that of an address.
    #[error("prefix length {len} exceeds the {bits} bits of an address")]
    TooLong { len: u8, bits: u8 },
    /// The address has bits set behind the prefix.
    #[error("the address has bits set beyond the prefix length {len}")]
    HostBits { len: u8 },
}

/// The addresses that share their first `len` bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix<A> {
    // The order of the fields is the order `Fib::build` needs: by address, the outer prefix before the inner one.
    address: A,
    len: u8,
}

impl<A: Address> Prefix<A> {
    /// The prefix of `len` bits that starts at `address`.
    pub fn new(address: A, len: u8) -> Result<Self, PrefixError> {
        if len > A::BITS {
            return Err(PrefixError::TooLong { len, bits: A::BITS });
        }
        if address & A::host_bits(len) != A::ZERO {
            return Err(PrefixError::HostBits { len });
        }
        Ok(Self { address, len })
    }

    /// The prefix of one address.
    pub fn host(address: A) -> Self {
        Self { address, len: A::BITS }
    }

    /// The lowest address of the prefix.
    pub fn first(self) -> A {
        self.address
    }

    /// The highest address of the prefix.
    pub fn last(self) -> A {
        self.address | A::host_bits(self.len)
    }

    /// The number of bits that are fixed.
    #[expect(clippy::len_without_is_empty, reason = "a length in bits; no prefix is empty")]
    pub fn len(self) -> u8 {
        self.len
    }

    /// Whether `address` lies in the prefix.
    pub fn contains(self, address: A) -> bool {
        self.first() <= address && address <= self.last()
    }
}

/// An immutable table of routes: which value belongs to the longest prefix around an address.
#[derive(Debug, Clone)]
pub struct Fib<A, T> {
    /// The first address of each range, ascending. The first one is always `A::ZERO`, so each address has a range.
    starts: Vec<A>,
    /// The value of each range; `None` where no prefix covers it.
    values: Vec<Option<T>>,
}

impl<A: Address, T: Copy + PartialEq> Fib<A, T> {
    /// Builds the table. When a prefix occurs more than once the last one wins; a caller with metrics passes the chosen route only, or
    /// the worst metric first.
    pub fn build(routes: impl IntoIterator<Item = (Prefix<A>, T)>) -> Self {
        let mut routes: Vec<_> = routes.into_iter().collect();
        // Stable, so that equal prefixes stay in the order given.
        routes.sort_by_key(|(prefix, _)| *prefix);

        let mut fib = Self::default();
        let mut open: Vec<(A, T)> = Vec::new(); // last address and value of the prefixes around the current position, outermost first
        for (prefix, value) in routes {
            fib.close(&mut open, Some(prefix.first()));
            fib.start(prefix.first(), Some(value));
            open.push((prefix.last(), value));
        }
        fib.close(&mut open, None);
        fib.starts.shrink_to_fit();
        fib.values.shrink_to_fit();
        fib
    }

    /// Ends the open prefixes that lie wholly before `until` (all of them when `None`): behind each its surrounding prefix goes on.
    fn close(&mut self, open: &mut Vec<(A, T)>, until: Option<A>) {
        while let Some((last, _)) = open.pop_if(|(last, _)| until.is_none_or(|until| *last < until)) {
            if let Some(next) = last.next() {
                self.start(next, open.last().map(|(_, value)| *value));
            }
        }
    }

    /// From `address` on, `value` holds. Addresses come in ascending order; at the same address the last call counts.
    fn start(&mut self, address: A, value: Option<T>) {
        if self.starts.last() == Some(&address) {
            self.starts.pop();
            self.values.pop();
        }
        if self.values.last() != Some(&value) {
            self.starts.push(address);
            self.values.push(value);
        }
    }
}

impl<A: Address, T: Copy> Fib<A, T> {
    /// The value of the longest prefix around `address`.
    #[inline]
    pub fn lookup(&self, address: A) -> Option<T> {
        let after = self.starts.partition_point(|start| *start <= address);
        self.values.get(after.wrapping_sub(1)).copied().flatten()
    }

    /// The number of ranges the routes were flattened to, gaps included; what memory and the depth of a lookup depend on.
    pub fn ranges(&self) -> usize {
        self.starts.len()
    }
}

/// A table without routes.
impl<A: Address, T> Default for Fib<A, T> {
    fn default() -> Self {
        Self { starts: vec![A::ZERO], values: vec![None] }
    }
}

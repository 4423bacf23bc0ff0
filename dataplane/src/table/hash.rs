//! The hash of a key.
//!
//! A folded 64x64 multiply of the seeded words, then xor-shift and one more multiply: the fold alone is not uniform on consecutive
//! addresses and ports.

/// The hash of a key under one table's seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hash(pub(super) u64);

/// Random numbers, chosen when the table is made, that keep outsiders from aiming at one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seeds(pub [u64; 4]);

// An odd number with well-mixed bits (the golden ratio in 64 bits).
const FINAL: u64 = 0x9e37_79b9_7f4a_7c15;

impl Seeds {
    #[inline(always)]
    pub(super) fn hash<const N: usize>(&self, words: &[u64; N]) -> Hash {
        let s = &self.0;
        let mut folded = fold(words[0] ^ s[0], words[1] ^ s[1]);
        for pair in words[2..].chunks(2) {
            let second = if pair.len() == 2 { pair[1] } else { 0 };
            folded = fold(folded ^ pair[0] ^ s[2], second ^ s[3] ^ folded.rotate_left(32));
        }
        Hash((folded ^ folded >> 29).wrapping_mul(FINAL))
    }
}

#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

impl Hash {
    #[inline(always)]
    pub(super) const fn tag(self) -> u16 {
        self.0 as u16
    }
}

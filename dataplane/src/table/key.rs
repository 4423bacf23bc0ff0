//! The keys of the two families: a packet's own 5-tuple and a kind, as words.
//!
//! The forward key is what a packet from the client looks like (client to VIP), the reverse key what a reply looks like (server to
//! client, as it arrives).

use std::fmt;
use std::hash::Hash as StdHash;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::hash::{Hash, Seeds};
use super::pool::Family;
use super::sync::{AtomicU64, Ordering};

/// The kind of a connection's keys.
pub const KIND_CONNECTION: u8 = 0;
/// The kind of a template's key.
pub const KIND_TEMPLATE: u8 = 1;

/// A key of one family. What is hidden is how its entries are laid out.
pub trait Key: Copy + Eq + StdHash + fmt::Debug + Send + Sync + 'static + Layout {
    /// Whether this is the key of a template.
    fn is_template(&self) -> bool;
}

/// Entry layout of a family; the offsets are words.
///
/// Word 0 is the head, the forward key starts at word 1, the last-seen word is 6 and the state 7 in both families.
pub trait Layout: Sized {
    /// Words of one key.
    const WORDS: usize;
    /// Words of one entry: whole cache lines.
    const ENTRY: usize;
    const REVERSE: usize;
    const REFS: usize;
    const FAMILY: Family;

    fn to_words(&self) -> &[u64];
    /// The key that lies at `at` of `entry`; `None` when there is none.
    fn read(entry: &[AtomicU64], at: usize) -> Option<Self>;
    fn equals(&self, entry: &[AtomicU64], at: usize) -> bool;
    fn seeded_hash(&self, seeds: &Seeds) -> Hash;
}

pub(super) const FORWARD: usize = 1;
pub(super) const SEEN: usize = 6;
pub(super) const STATE: usize = 7;

/// Set in the last word of every key, so that no key is all zeros: zeros mean "no key" in an entry.
const PRESENT: u64 = 1 << 63;

/// An IPv4 key: `src 32, dst 32 | sport 16, dport 16, protocol 8, kind 8`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key4 {
    w: [u64; 2],
}

impl Key4 {
    /// A key from values in host order.
    #[inline(always)]
    pub const fn new(src: u32, dst: u32, sport: u16, dport: u16, protocol: u8, kind: u8) -> Self {
        Self { w: [(src as u64) << 32 | dst as u64, ports(sport, dport, protocol, kind)] }
    }

    #[inline(always)]
    pub const fn src(&self) -> u32 {
        (self.w[0] >> 32) as u32
    }

    #[inline(always)]
    pub const fn dst(&self) -> u32 {
        self.w[0] as u32
    }
}

/// An IPv6 key: two addresses of two words each, then as [`Key4`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key6 {
    w: [u64; 5],
}

impl Key6 {
    /// A key from addresses as they are in the packet and values in host order.
    #[inline(always)]
    pub const fn new(src: [u8; 16], dst: [u8; 16], sport: u16, dport: u16, protocol: u8, kind: u8) -> Self {
        let (src, dst) = (u128::from_be_bytes(src), u128::from_be_bytes(dst));
        Self {
            w: [(src >> 64) as u64, src as u64, (dst >> 64) as u64, dst as u64, ports(sport, dport, protocol, kind)],
        }
    }

    #[inline(always)]
    pub const fn src(&self) -> [u8; 16] {
        ((self.w[0] as u128) << 64 | self.w[1] as u128).to_be_bytes()
    }

    #[inline(always)]
    pub const fn dst(&self) -> [u8; 16] {
        ((self.w[2] as u128) << 64 | self.w[3] as u128).to_be_bytes()
    }
}

#[inline(always)]
const fn ports(sport: u16, dport: u16, protocol: u8, kind: u8) -> u64 {
    PRESENT | (sport as u64) << 32 | (dport as u64) << 16 | (protocol as u64) << 8 | kind as u64
}

macro_rules! key {
    ($key:ident, $words:literal, entry $entry:literal, reverse $reverse:literal, refs $refs:literal, $family:ident, $address:ty) => {
        impl $key {
            #[inline(always)]
            pub const fn sport(&self) -> u16 {
                (self.w[$words - 1] >> 32) as u16
            }

            #[inline(always)]
            pub const fn dport(&self) -> u16 {
                (self.w[$words - 1] >> 16) as u16
            }

            #[inline(always)]
            pub const fn protocol(&self) -> u8 {
                (self.w[$words - 1] >> 8) as u8
            }

            #[inline(always)]
            pub const fn kind(&self) -> u8 {
                self.w[$words - 1] as u8
            }
        }

        impl Key for $key {
            #[inline(always)]
            fn is_template(&self) -> bool {
                self.kind() == KIND_TEMPLATE
            }
        }

        impl Layout for $key {
            const WORDS: usize = $words;
            const ENTRY: usize = $entry;
            const REVERSE: usize = $reverse;
            const REFS: usize = $refs;
            const FAMILY: Family = Family::$family;

            #[inline(always)]
            fn to_words(&self) -> &[u64] {
                &self.w
            }

            #[inline(always)]
            fn read(entry: &[AtomicU64], at: usize) -> Option<Self> {
                let mut w = [0; $words];
                for (word, from) in w.iter_mut().zip(&entry[at..at + $words]) {
                    *word = from.load(Ordering::Relaxed);
                }
                (w[$words - 1] & PRESENT != 0).then_some(Self { w })
            }

            #[inline(always)]
            fn equals(&self, entry: &[AtomicU64], at: usize) -> bool {
                let words = self.w.iter().zip(&entry[at..at + $words]);
                words.fold(0, |difference, (own, word)| difference | (own ^ word.load(Ordering::Relaxed))) == 0
            }

            #[inline(always)]
            fn seeded_hash(&self, seeds: &Seeds) -> Hash {
                seeds.hash(&self.w)
            }
        }

        impl fmt::Debug for $key {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let (src, dst) = (<$address>::from(self.src()), <$address>::from(self.dst()));
                let kind = if self.is_template() { " template" } else { "" };
                write!(f, "{src}:{} > {dst}:{} protocol {}{kind}", self.sport(), self.dport(), self.protocol())
            }
        }
    };
}

key!(Key4, 2, entry 8, reverse 3, refs 5, V4, Ipv4Addr);
key!(Key6, 5, entry 16, reverse 8, refs 13, V6, Ipv6Addr);

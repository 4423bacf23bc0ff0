//! Parse, find, rewrite: the same work against the real table and against the plain one, burst by burst.

use headgate_dataplane::family::{Family, Side, V4};
use headgate_dataplane::packet::{self, Flow, Packet};
use headgate_dataplane::table::{Candidate, Direction, Hash, Table, Tick};
use headgate_wire::Protocol;
use headgate_xsk::Frame;

use crate::plain::{self, Plain};

/// Packets handled together.
pub const BURST: usize = 32;

/// What is known of the packets of a burst between the passes.
#[derive(Debug)]
pub struct Scratch {
    real: Vec<(Flow<V4>, Hash, Candidate)>,
    plain: Vec<(Flow<V4>, [u64; 2], u64)>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { real: Vec::with_capacity(BURST), plain: Vec::with_capacity(BURST) }
    }
}

/// Takes `frames`, one burst, through the real table; returns how many were translated.
#[inline(never)]
pub fn real(table: &Table, scratch: &mut Scratch, frames: &mut [Frame], now: Tick) -> usize {
    let table = table.v4();
    scratch.real.clear();
    for frame in frames.iter_mut() {
        let Packet::V4(flow) = packet::classify(frame) else { continue };
        let hash = table.hash(&flow.key);
        table.prefetch(hash);
        scratch.real.push((flow, hash, Candidate::NONE));
    }
    for (_, hash, candidate) in &mut scratch.real {
        *candidate = table.candidate(*hash);
    }
    let mut translated = 0;
    for ((flow, hash, candidate), frame) in scratch.real.iter().zip(frames) {
        let Some(found) = table.lookup(&flow.key, *hash, *candidate) else { continue };
        let (side, to) = match (found.direction, &found.reverse) {
            (Direction::Forward, Some(reverse)) => (Side::Destination, (V4::source(reverse), V4::ports(reverse).0)),
            (Direction::Forward, None) => continue,
            (Direction::Reverse, _) => (Side::Source, (V4::destination(&found.forward), V4::ports(&found.forward).1)),
        };
        table.stamp(found.id, now);
        rewrite(frame, flow, side, to);
        translated += 1;
    }
    translated
}

/// As [`real`], with the plain table.
#[inline(never)]
pub fn plain(table: &Plain, scratch: &mut Scratch, frames: &mut [Frame], now: Tick) -> usize {
    scratch.plain.clear();
    for frame in frames.iter_mut() {
        let Packet::V4(flow) = packet::classify(frame) else { continue };
        let key = plain_key(&flow);
        let hash = table.prefetch(key);
        scratch.plain.push((flow, key, hash));
    }
    let mut translated = 0;
    for ((flow, key, hash), frame) in scratch.plain.iter().zip(frames) {
        let Some(found) = table.lookup(*key, *hash) else { continue };
        let side = if V4::ports(&flow.key).1 == 80 { Side::Destination } else { Side::Source };
        table.stamp(found, u64::from(now.get()));
        rewrite(frame, flow, side, (found.address, found.port));
        translated += 1;
    }
    translated
}

/// Everything but the table.
#[inline(never)]
pub fn rewrite_only(frames: &mut [Frame]) -> usize {
    let mut translated = 0;
    for frame in frames {
        let Packet::V4(flow) = packet::classify(frame) else { continue };
        rewrite(frame, &flow, Side::Destination, (0xac10_0001, 8080));
        translated += 1;
    }
    translated
}

#[inline(always)]
fn rewrite(frame: &mut Frame, flow: &Flow<V4>, side: Side, to: (u32, u16)) {
    V4::rewrite(frame.bytes_mut(), usize::from(flow.l4), side, to, Protocol::UDP.0, false);
}

#[inline(always)]
fn plain_key(flow: &Flow<V4>) -> [u64; 2] {
    plain::key(V4::source(&flow.key), V4::destination(&flow.key), V4::ports(&flow.key), V4::protocol(&flow.key))
}

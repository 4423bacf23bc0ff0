//! Fragments that wait for the rest of their datagram (RFC 791 §3.2, RFC 8200 §4.5). Bounded in number, frames and time; a datagram with
//! overlapping fragments is given up whole (RFC 5722).

#[cfg(test)]
mod tests;

use headgate_wire::ipv6::ext::FragmentHeader;
use headgate_wire::{Protocol, ipv4, ipv6};
use headgate_xsk::Frame;

/// Datagrams a worker waits for at most; the oldest makes room.
const DATAGRAMS: usize = 16;
/// Fragments of one datagram: 64 KiB at the least MTU of IPv6 are 53.
const PIECES: usize = 54;
/// Frames in all of them.
const FRAMES: usize = 256;
/// `net.ipv4.ipfrag_time`.
const PATIENCE_MS: u64 = 30_000;
/// Longest payload of a datagram that is not a jumbogram.
const MAX_PAYLOAD: usize = 65_535 - ipv4::MIN_LEN;

/// Which datagram a fragment belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    V4 { source: u32, destination: u32, id: u16, protocol: Protocol },
    V6 { source: [u8; 16], destination: [u8; 16], id: u32 },
}

/// One fragment and its place in the datagram.
#[derive(Debug)]
pub(super) struct Piece {
    pub frame: Frame,
    /// Where its payload begins in the frame.
    pub start: usize,
    /// Where its payload belongs in the datagram, bytes.
    pub offset: usize,
}

impl Piece {
    pub fn payload(&self) -> &[u8] {
        self.frame.bytes().get(self.start..).unwrap_or_default()
    }

    fn end(&self) -> usize {
        self.offset + self.payload().len()
    }
}

#[derive(Debug)]
struct Waiting {
    key: Option<Key>,
    /// In order of offset.
    pieces: Vec<Piece>,
    /// Payload bytes of the whole, once the last fragment came.
    total: Option<usize>,
    since_ms: u64,
}

/// The datagrams that wait.
#[derive(Debug)]
pub(super) struct Fragments {
    waiting: Vec<Waiting>,
    frames: usize,
}

/// What became of a fragment.
#[derive(Debug)]
pub(super) enum Added {
    Waits,
    /// All pieces are in [`Fragments::take`] of this slot.
    Complete(usize),
    /// The fragment is no use, or its datagram is not any more.
    Refused(Frame),
}

/// A fragment as its headers describe it.
struct Parsed {
    key: Key,
    start: usize,
    offset: usize,
    more: bool,
}

impl Fragments {
    pub fn new() -> Self {
        let empty = || Waiting { key: None, pieces: Vec::with_capacity(PIECES), total: None, since_ms: 0 };
        Self { waiting: (0..DATAGRAMS).map(|_| empty()).collect(), frames: 0 }
    }

    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Adds a fragment. Frames that are given up on the way go to `given_up`.
    pub fn add(&mut self, frame: Frame, v6_header: Option<usize>, now_ms: u64, given_up: &mut Vec<Frame>) -> Added {
        let parsed = match v6_header {
            Some(header) => parse_v6(frame.bytes(), header),
            None => parse_v4(frame.bytes()),
        };
        let Some(Parsed { key, start, offset, more }) = parsed else {
            return Added::Refused(frame);
        };
        let piece = Piece { frame, start, offset };
        let length = piece.payload().len();
        if length == 0 || (more && !length.is_multiple_of(8)) || piece.end() > MAX_PAYLOAD {
            return Added::Refused(piece.frame);
        }
        let slot = self.slot(key, now_ms, given_up);
        let waiting = &mut self.waiting[slot];
        let at = waiting.pieces.partition_point(|other| other.offset < offset);
        let before = at.checked_sub(1).map_or(0, |before| waiting.pieces[before].end());
        let after = waiting.pieces.get(at);
        if after.is_some_and(|other| other.offset == offset && other.end() == piece.end()) {
            // The same again.
            return Added::Refused(piece.frame);
        }
        let overlaps = before > offset || after.is_some_and(|other| other.offset < piece.end());
        let last = waiting.pieces.last().map_or(0, Piece::end);
        let contradicts = match waiting.total {
            Some(total) => piece.end() > total || (!more && piece.end() != total),
            None => !more && last > piece.end(),
        };
        if overlaps || contradicts || waiting.pieces.len() == PIECES {
            self.clear(slot, given_up);
            return Added::Refused(piece.frame);
        }
        if !more {
            waiting.total = Some(piece.end());
        }
        waiting.pieces.insert(at, piece);
        self.frames += 1;
        let mut reached = 0;
        let gapless = waiting.pieces.iter().all(|piece| std::mem::replace(&mut reached, piece.end()) == piece.offset);
        if gapless && waiting.total == Some(reached) { Added::Complete(slot) } else { Added::Waits }
    }

    /// The pieces of a slot, which is free then. Give the emptied list back with [`Self::restore`].
    pub fn take(&mut self, slot: usize) -> Vec<Piece> {
        let waiting = &mut self.waiting[slot];
        waiting.key = None;
        waiting.total = None;
        self.frames -= waiting.pieces.len();
        std::mem::take(&mut waiting.pieces)
    }

    /// Takes back the list that [`Self::take`] lent, so that nothing need be allocated.
    pub fn restore(&mut self, slot: usize, mut pieces: Vec<Piece>, given_up: &mut Vec<Frame>) {
        given_up.extend(pieces.drain(..).map(|piece| piece.frame));
        self.waiting[slot].pieces = pieces;
    }

    /// A slot whose time is up.
    pub fn expired(&self, now_ms: u64) -> Option<usize> {
        if self.frames == 0 {
            return None;
        }
        self.waiting
            .iter()
            .position(|waiting| waiting.key.is_some() && now_ms.saturating_sub(waiting.since_ms) >= PATIENCE_MS)
    }

    /// Any slot in use.
    pub fn any(&self) -> Option<usize> {
        self.waiting.iter().position(|waiting| waiting.key.is_some())
    }

    fn clear(&mut self, slot: usize, given_up: &mut Vec<Frame>) {
        let pieces = self.take(slot);
        self.restore(slot, pieces, given_up);
    }

    fn slot(&mut self, key: Key, now_ms: u64, given_up: &mut Vec<Frame>) -> usize {
        if let Some(slot) = self.waiting.iter().position(|waiting| waiting.key == Some(key)) {
            if self.frames < FRAMES {
                return slot;
            }
            self.clear(slot, given_up);
        }
        let free = self.waiting.iter().position(|waiting| waiting.key.is_none()).filter(|_| self.frames < FRAMES);
        let slot = free.unwrap_or_else(|| {
            let used = |slot: &usize| self.waiting[*slot].key.is_some();
            let oldest = (0..DATAGRAMS).filter(used).min_by_key(|slot| self.waiting[*slot].since_ms).unwrap_or(0);
            self.clear(oldest, given_up);
            oldest
        });
        self.waiting[slot].key = Some(key);
        self.waiting[slot].since_ms = now_ms;
        slot
    }
}

fn parse_v4(packet: &[u8]) -> Option<Parsed> {
    let (header, _) = ipv4::Header::parse(packet).ok()?;
    let key = Key::V4 {
        source: header.source_bits(),
        destination: header.destination_bits(),
        id: header.id(),
        protocol: header.protocol(),
    };
    let (start, offset) = (header.header_len(), usize::from(header.fragment_offset()));
    Some(Parsed { key, start, offset, more: header.more_fragments() })
}

/// Only the fragment header right behind the IPv6 header: other headers in front of it are rare, and would have to be repeated.
fn parse_v6(packet: &[u8], at: usize) -> Option<Parsed> {
    let (header, _) = ipv6::Header::parse(packet).ok()?;
    if at != ipv6::Header::LEN {
        return None;
    }
    let (fragment, _) = FragmentHeader::parse(packet.get(at..)?).ok()?;
    let key = Key::V6 { source: *header.source_bytes(), destination: *header.destination_bytes(), id: fragment.id() };
    let start = at + FragmentHeader::LEN;
    Some(Parsed { key, start, offset: usize::from(fragment.offset()), more: fragment.more() })
}

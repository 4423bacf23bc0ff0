//! Order, bounds and bad fragments.

use headgate_wire::ipv4;
use headgate_xsk::{Frame, FramePool, Umem, UmemConfig};

use super::{Added, DATAGRAMS, FRAMES, Fragments, PATIENCE_MS};

struct Bench {
    fragments: Fragments,
    frames: FramePool,
    given_up: Vec<Frame>,
    _umem: Umem,
}

impl Bench {
    fn new() -> Self {
        let (umem, frames) = Umem::new(UmemConfig { frame_size: 2048, frames: 512, huge_pages: false }).unwrap();
        Self { fragments: Fragments::new(), frames, given_up: Vec::new(), _umem: umem }
    }

    /// A fragment of datagram `id` with `payload` bytes from `offset` on.
    fn add(&mut self, id: u16, offset: u16, payload: usize, more: bool, now_ms: u64) -> Added {
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 198, 51, 100, 7, 10, 0, 0, 100];
        packet[2..4].copy_from_slice(&((20 + payload) as u16).to_be_bytes());
        packet[4..6].copy_from_slice(&id.to_be_bytes());
        packet[6..8].copy_from_slice(&((offset / 8) | if more { 0x2000 } else { 0 }).to_be_bytes());
        ipv4::fill_checksum(&mut packet);
        packet.resize(20 + payload, 0xaa);
        let mut frame = self.frames.alloc().unwrap();
        frame.copy_from(&packet).unwrap();
        self.fragments.add(frame, None, now_ms, &mut self.given_up)
    }

    fn waits(&mut self, id: u16, offset: u16, payload: usize, more: bool) {
        assert!(matches!(self.add(id, offset, payload, more, 0), Added::Waits), "{id} {offset}");
    }
}

#[test]
fn a_datagram_is_complete_when_no_gap_is_left_in_any_order() {
    let mut bench = Bench::new();
    bench.waits(1, 1600, 100, false);
    bench.waits(1, 0, 800, true);
    bench.waits(2, 0, 800, true);
    let Added::Complete(slot) = bench.add(1, 800, 800, true, 0) else { panic!("not complete") };
    let pieces = bench.fragments.take(slot);
    assert_eq!(pieces.iter().map(|piece| piece.offset).collect::<Vec<_>>(), [0, 800, 1600]);
    assert_eq!(bench.fragments.frames(), 1);
}

#[test]
fn an_overlap_ends_the_whole_datagram() {
    for (offset, payload) in [(792, 800), (0, 808), (8, 8)] {
        let mut bench = Bench::new();
        bench.waits(1, 0, 800, true);
        assert!(matches!(bench.add(1, offset, payload, true, 0), Added::Refused(_)), "{offset} {payload}");
        assert_eq!((bench.fragments.frames(), bench.given_up.len()), (0, 1), "{offset} {payload}");
    }
}

#[test]
fn a_repeated_fragment_changes_nothing() {
    let mut bench = Bench::new();
    bench.waits(1, 0, 800, true);
    assert!(matches!(bench.add(1, 0, 800, true, 0), Added::Refused(_)));
    assert!(matches!(bench.add(1, 800, 8, false, 0), Added::Complete(_)));
}

#[test]
fn two_ends_contradict_each_other() {
    let mut bench = Bench::new();
    bench.waits(1, 800, 80, false);
    assert!(matches!(bench.add(1, 880, 80, true, 0), Added::Refused(_)));
    assert_eq!(bench.fragments.frames(), 0);
}

#[test]
fn fragments_of_odd_length_or_beyond_64_kib_are_refused() {
    let mut bench = Bench::new();
    assert!(matches!(bench.add(1, 0, 801, true, 0), Added::Refused(_)));
    assert!(matches!(bench.add(1, 0, 0, true, 0), Added::Refused(_)));
    assert!(matches!(bench.add(1, 65_528, 800, false, 0), Added::Refused(_)));
    assert_eq!(bench.fragments.frames(), 0);
}

#[test]
fn the_oldest_datagram_makes_room() {
    let mut bench = Bench::new();
    for id in 0..=DATAGRAMS as u16 {
        assert!(matches!(bench.add(id, 0, 800, true, u64::from(id)), Added::Waits));
    }
    assert_eq!(bench.fragments.frames(), DATAGRAMS);
    assert!(matches!(bench.add(0, 800, 8, false, 100), Added::Waits), "the first one should be gone");
}

#[test]
fn the_frames_that_wait_are_bounded() {
    let mut bench = Bench::new();
    for number in 0..400_u16 {
        let (id, offset) = (number / 40, number % 40 * 8);
        let _ = bench.add(id, offset, 8, true, u64::from(id));
        assert!(bench.fragments.frames() <= FRAMES);
    }
    assert!(!bench.given_up.is_empty());
}

#[test]
fn a_datagram_waits_thirty_seconds_from_its_first_fragment() {
    let mut bench = Bench::new();
    bench.waits(1, 0, 800, true);
    assert!(matches!(bench.add(1, 800, 800, true, 20_000), Added::Waits));
    assert_eq!(bench.fragments.expired(PATIENCE_MS - 1), None);
    assert!(bench.fragments.expired(PATIENCE_MS).is_some());
}

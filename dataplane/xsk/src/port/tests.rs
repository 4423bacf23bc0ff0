use super::*;
use crate::memory::{Wire, memory_port};
use crate::umem::{Umem, UmemConfig};

const FRAMES: usize = 64;

fn setup() -> (Umem, FramePool, Port, Wire) {
    let (umem, mut pool) =
        Umem::new(UmemConfig { frame_size: 2048, frames: FRAMES as u32, huge_pages: false }).unwrap();
    let (mut port, wire) = memory_port(&umem, 16).unwrap();
    port.refill(&mut pool);
    (umem, pool, port, wire)
}

fn packet(pool: &mut FramePool, len: usize) -> Frame {
    let mut frame = pool.alloc().unwrap();
    frame.copy_from(&vec![0xab; len]).unwrap();
    frame
}

#[test]
fn receive_never_outgrows_the_vector() {
    let (_umem, _pool, mut port, mut wire) = setup();
    for _ in 0..10 {
        assert!(wire.deliver(&[0; 60]));
    }
    let mut out = Vec::with_capacity(4);
    let capacity = out.capacity();
    assert_eq!(port.receive(&mut out, 64), capacity);
    assert_eq!(port.receive(&mut out, 64), 0);
    assert_eq!(out.capacity(), capacity);
    let mut rest = Vec::with_capacity(64);
    assert_eq!(port.receive(&mut rest, 3), 3);
    assert_eq!(port.receive(&mut rest, 64), 10 - capacity - 3);
}

#[test]
fn transmit_gives_back_what_it_cannot_send() {
    let (_umem, mut pool, mut port, _wire) = setup();
    let short = packet(&mut pool, 13);
    let short = port.transmit(short).unwrap_err();
    pool.free(short);
    assert_eq!(port.counters().tx_rejected, 1);

    let (_other, mut other) = Umem::new(UmemConfig { frame_size: 2048, frames: 1, huge_pages: false }).unwrap();
    let foreign = packet(&mut other, 60);
    other.free(port.transmit(foreign).unwrap_err());
    assert_eq!(port.counters().tx_rejected, 2);

    assert_eq!(port.tx_room(), 16);
    for _ in 0..16 {
        port.transmit(packet(&mut pool, 60)).unwrap();
    }
    assert_eq!(port.tx_room(), 0);
    let full = port.transmit(packet(&mut pool, 60)).unwrap_err();
    pool.free(full);
    assert_eq!(port.counters().tx_rejected, 2, "a full ring is no bad packet");
    assert_eq!(pool.available() + port.frames_in_rings(), FRAMES);
}

#[test]
fn a_descriptor_of_a_chunk_that_is_not_ours_makes_no_frame() {
    let (_umem, pool, mut port, _wire) = setup();
    let held = port.frames_in_rings();
    let free = 3 * 2048 + 256;
    assert!(pool.available() > 0);
    let not_held = (0..FRAMES as u64).map(|chunk| chunk * 2048 + 256).find(|a| !port.held_for_test(*a)).unwrap_or(free);
    for address in [not_held, 2048 * FRAMES as u64, u64::MAX] {
        assert!(port.received(Descriptor { address, len: 60, options: 0 }).is_none());
    }
    assert_eq!((port.counters().rx_rejected, port.frames_in_rings()), (3, held));
}

#[test]
fn a_descriptor_beyond_its_chunk_or_of_many_buffers_arrives_empty() {
    let (_umem, mut pool, mut port, _wire) = setup();
    for (len, options) in [(2048 - 256 + 1, 0), (u32::MAX, 0), (60, XDP_PKT_CONTD)] {
        let chunk = port.any_held();
        let address = port.area.address(chunk) + 256;
        let frame = port.received(Descriptor { address, len, options }).unwrap();
        assert!(frame.is_empty());
        pool.free(frame);
    }
    assert_eq!(port.counters().rx_rejected, 3);
    assert_eq!(pool.available() + port.frames_in_rings(), FRAMES);
}

#[test]
fn the_wakeup_loop_follows_each_errno() {
    let cases: [(&[i32], Kick, usize, fn(&PortCounters) -> u64); 6] = [
        (&[libc::ENOBUFS], Kick::NoMemory, 1, |counters| counters.kick_no_memory),
        (&[libc::ENETDOWN], Kick::DeviceDown, 1, |counters| counters.kick_device_down),
        (&[libc::ENXIO], Kick::DeviceGone, 1, |counters| counters.kick_device_gone),
        (&[libc::EPERM], Kick::Failed, 1, |counters| counters.kick_failed),
        (&[libc::EAGAIN, libc::EAGAIN, 0], Kick::Stalled, 3, |counters| counters.kick_again / 2),
        (&[libc::EBUSY, 0], Kick::Stalled, 2, |counters| counters.kick_dropped),
    ];
    for (answers, expected, kicks, counter) in cases {
        let (_umem, mut pool, mut port, mut wire) = setup();
        wire.answer_kicks(answers);
        assert_eq!(port.flush(), Kick::Idle, "an empty ring is not kicked");
        port.transmit(packet(&mut pool, 60)).unwrap();
        assert_eq!(port.flush(), expected);
        assert_eq!((port.counters().kicks, counter(port.counters())), (kicks as u64, 1));
        assert_eq!(wire.collect().len(), 1, "whatever the kick said, the packet was published");
        assert_eq!(port.flush(), Kick::Idle);
        assert_eq!(port.reap(&mut pool), 1);
    }
}

#[test]
fn tries_are_bounded() {
    let (_umem, mut pool, mut port, mut wire) = setup();
    wire.answer_kicks(&[libc::EAGAIN; 1000]);
    port.transmit(packet(&mut pool, 60)).unwrap();
    assert_eq!(port.flush(), Kick::Stalled);
    assert_eq!((port.counters().kicks, port.counters().stalled), (64, 1));
}

#[test]
fn completions_seen_while_kicking_are_kept_for_the_reaper() {
    let (_umem, mut pool, mut port, mut wire) = setup();
    for _ in 0..5 {
        port.transmit(packet(&mut pool, 60)).unwrap();
    }
    assert_eq!(port.flush(), Kick::NotNeeded);
    assert_eq!(wire.collect().len(), 5);
    port.transmit(packet(&mut pool, 60)).unwrap();
    wire.answer_kicks(&[libc::ENETDOWN]);
    assert_eq!(port.flush(), Kick::DeviceDown);
    assert_eq!(port.completed.len(), 5);
    assert_eq!(pool.available() + port.frames_in_rings(), FRAMES);
    assert_eq!(port.reap(&mut pool), 5);
}

#[test]
fn a_completion_that_was_not_under_way_is_counted() {
    let (_umem, mut pool, mut port, _wire) = setup();
    port.completed.push(u64::MAX);
    assert_eq!(port.reap(&mut pool), 0);
    assert_eq!(port.counters().completion_rejected, 1);
}

#[test]
#[should_panic(expected = "own UMEM")]
fn a_pool_of_another_umem_is_refused() {
    let (_umem, _pool, mut port, _wire) = setup();
    let (_other, mut other) = Umem::new(UmemConfig { frame_size: 2048, frames: 1, huge_pages: false }).unwrap();
    port.refill(&mut other);
}

/// Random rounds of all operations: no chunk is ever lost or doubled.
#[test]
fn frames_are_conserved() {
    let mut state = 0x5eed_u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % below
    };
    let (_umem, mut pool, mut port, mut wire) = setup();
    let mut process = Vec::with_capacity(FRAMES);
    for _ in 0..20_000 {
        match random(8) {
            0 => drop(wire.deliver(&vec![1; 20 + random(100) as usize])),
            1 => drop(wire.collect_with(|packet| assert!(packet.len() >= 14))),
            2 => drop(port.receive(&mut process, random(20) as usize)),
            3 => drop(process.pop().map(|frame| port.transmit(frame).map_err(|frame| pool.free(frame)))),
            4 => drop(process.pop().map(|frame| pool.free(frame))),
            5 => drop(port.reap(&mut pool)),
            6 => port.refill(&mut pool),
            _ => drop(port.flush()),
        }
        assert_eq!(pool.available() + port.frames_in_rings() + process.len(), FRAMES);
    }
    for frame in process {
        pool.free(frame);
    }
    port.close(&mut pool);
    assert_eq!(pool.available(), FRAMES);
}

impl Port {
    fn held_for_test(&mut self, address: u64) -> bool {
        let (chunk, _) = self.area.locate(address).unwrap();
        let held = self.held.remove(chunk);
        if held {
            self.held.insert(chunk);
        }
        held
    }

    fn any_held(&mut self) -> u32 {
        (0..FRAMES as u32).find(|chunk| self.held_for_test(u64::from(*chunk) * 2048)).unwrap()
    }
}

use super::*;
use crate::umem::{FramePool, UmemConfig};

const RING: u32 = 16;

fn setup() -> (Umem, FramePool, Port, Wire) {
    let (umem, mut pool) = Umem::new(UmemConfig { frame_size: 2048, frames: 64, huge_pages: false }).unwrap();
    let (mut port, wire) = memory_port(&umem, RING).unwrap();
    port.refill(&mut pool);
    (umem, pool, port, wire)
}

#[test]
fn a_delivered_packet_arrives_at_offset_256() {
    let (_umem, mut pool, mut port, mut wire) = setup();
    assert!(wire.deliver(b"a packet of some bytes"));
    let mut out = Vec::with_capacity(4);
    assert_eq!(port.receive(&mut out, 64), 1);
    let frame = out.pop().unwrap();
    assert_eq!((frame.bytes(), frame.headroom()), (&b"a packet of some bytes"[..], HEADROOM));
    pool.free(frame);
}

#[test]
fn a_sent_packet_is_collected_and_its_chunk_comes_back() {
    let (_umem, mut pool, mut port, mut wire) = setup();
    let mut frame = pool.alloc().unwrap();
    frame.copy_from(b"fourteen bytes and more").unwrap();
    frame.push_front(4).unwrap().copy_from_slice(b"vlan");
    port.transmit(frame).unwrap();
    assert!(wire.collect().is_empty(), "not flushed yet");
    port.flush();
    assert_eq!(wire.collect(), [b"vlanfourteen bytes and more".to_vec()]);
    assert_eq!(port.frames_in_rings() + pool.available(), 64);
    assert_eq!(port.reap(&mut pool), 1);
    assert_eq!(pool.available(), 64 - RING as usize);
}

#[test]
fn nothing_is_delivered_without_chunks_or_beyond_a_chunk() {
    let (_umem, _pool, _port, mut wire) = setup();
    assert!(!wire.deliver(&[0; 2048 - HEADROOM + 1]));
    assert!(wire.deliver(&[0; 2048 - HEADROOM]));
    for _ in 1..RING {
        assert!(wire.deliver_with(64, |bytes| bytes[0] = 1));
    }
    assert!(!wire.deliver(&[0; 64]), "the fill ring is empty and the RX ring is full");
}

#[test]
fn a_closed_port_takes_all_chunks_home_and_stops_the_wire() {
    let (_umem, mut pool, mut port, mut wire) = setup();
    assert!(wire.deliver(&[1; 60]));
    let mut frame = pool.alloc().unwrap();
    frame.copy_from(&[2; 60]).unwrap();
    port.transmit(frame).unwrap();
    port.flush();
    assert_eq!(port.close(&mut pool), RING as usize + 1);
    assert_eq!(pool.available(), pool.total());
    assert!(!wire.deliver(&[1; 60]));
    assert!(wire.collect().is_empty());
}

#[test]
fn ring_sizes_are_powers_of_two() {
    let (umem, _pool) = Umem::new(UmemConfig { frame_size: 2048, frames: 4, huge_pages: false }).unwrap();
    for size in [0, 1, 3, 65536] {
        assert!(matches!(memory_port(&umem, size), Err(XskError::RingSize { entries }) if entries == size));
    }
}

#[test]
fn the_wire_may_live_in_another_thread() {
    const COUNT: u32 = 20_000;
    let (_umem, mut pool, mut port, mut wire) = setup();
    let far = std::thread::spawn(move || {
        let (mut sent, mut seen) = (0u32, 0u32);
        while seen < COUNT {
            if sent < COUNT && wire.deliver_with(60, |bytes| bytes[..4].copy_from_slice(&sent.to_be_bytes())) {
                sent += 1;
            }
            wire.collect_with(|packet| {
                assert_eq!(packet[..4], (!seen).to_be_bytes());
                seen += 1;
            });
            std::thread::yield_now();
        }
    });
    let mut burst = Vec::with_capacity(8);
    while !far.is_finished() {
        port.reap(&mut pool);
        let room = port.tx_room().min(8);
        port.receive(&mut burst, room);
        for mut frame in burst.drain(..) {
            for byte in &mut frame.bytes_mut()[..4] {
                *byte = !*byte;
            }
            port.transmit(frame).unwrap();
        }
        port.flush();
        port.refill(&mut pool);
        assert_eq!(pool.available() + port.frames_in_rings(), 64);
        std::thread::yield_now();
    }
    far.join().unwrap();
}

use crate::{Frame, HEADROOM, Umem, UmemConfig};

fn frame() -> (Frame, crate::FramePool) {
    let (_, mut pool) = Umem::new(UmemConfig { frame_size: 2048, frames: 4, huge_pages: false }).unwrap();
    (pool.alloc().unwrap(), pool)
}

#[test]
fn a_new_frame_is_empty_at_the_standard_headroom() {
    let (frame, _pool) = frame();
    assert!(frame.is_empty());
    assert_eq!((frame.headroom(), frame.len(), frame.tailroom()), (HEADROOM, 0, 2048 - HEADROOM));
    frame.prefetch();
}

#[test]
fn growing_to_the_front_keeps_the_packet_and_returns_the_new_bytes() {
    let (mut frame, _pool) = frame();
    frame.copy_from(b"payload").unwrap();
    frame.push_front(3).unwrap().copy_from_slice(b"hdr");
    assert_eq!(frame.bytes(), b"hdrpayload");
    assert_eq!(frame.headroom(), HEADROOM - 3);
    frame.pull_front(5).unwrap();
    assert_eq!(frame.bytes(), b"yload");
}

#[test]
fn growing_to_the_end_keeps_the_packet_and_returns_the_new_bytes() {
    let (mut frame, _pool) = frame();
    frame.copy_from(b"pay").unwrap();
    frame.extend(4).unwrap().copy_from_slice(b"load");
    assert_eq!(frame.bytes(), b"payload");
    frame.truncate(100);
    assert_eq!(frame.len(), 7);
    frame.truncate(2);
    assert_eq!(frame.bytes(), b"pa");
    frame.set_len(3).unwrap();
    assert_eq!(frame.bytes(), b"pay");
}

#[test]
fn no_growth_leaves_the_chunk() {
    let (mut frame, _pool) = frame();
    assert!(frame.push_front(HEADROOM + 1).is_none());
    assert!(frame.extend(2048 - HEADROOM + 1).is_none());
    assert!(frame.set_len(2048 - HEADROOM + 1).is_none());
    assert!(frame.pull_front(1).is_none());
    assert!(frame.copy_from(&[0; 2048]).is_none());
    assert!(frame.is_empty());

    assert_eq!(frame.push_front(HEADROOM).unwrap().len(), HEADROOM);
    assert_eq!(frame.extend(2048 - HEADROOM).unwrap().len(), 2048 - HEADROOM);
    assert_eq!((frame.headroom(), frame.len(), frame.tailroom()), (0, 2048, 0));
    frame.bytes_mut().fill(0xaa);
    assert!(frame.bytes().iter().all(|byte| *byte == 0xaa));
    frame.pull_front(2048).unwrap();
    assert_eq!((frame.headroom(), frame.len(), frame.tailroom()), (2048, 0, 0));
    frame.prefetch();
    frame.reset();
    assert_eq!((frame.headroom(), frame.len()), (HEADROOM, 0));
}

#[test]
fn neighbouring_frames_do_not_overlap() {
    let (_, mut pool) = Umem::new(UmemConfig { frame_size: 4096, frames: 3, huge_pages: false }).unwrap();
    let mut frames: Vec<_> = std::iter::from_fn(|| pool.alloc()).collect();
    for (mark, frame) in (1u8..).zip(&mut frames) {
        assert!(frame.push_front(HEADROOM).is_some() && frame.extend(4096 - HEADROOM).is_some());
        frame.bytes_mut().fill(mark);
    }
    for (mark, frame) in (1u8..).zip(&frames) {
        assert!(frame.bytes().iter().all(|byte| *byte == mark));
    }
}

use super::*;
use crate::memory_port;

fn config(frames: u32) -> UmemConfig {
    UmemConfig { frame_size: 2048, frames, huge_pages: false }
}

/// Whether the first page of an address range is mapped at all.
fn is_mapped(address: usize) -> bool {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().any(|line| {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        (usize::from_str_radix(start, 16).unwrap()..usize::from_str_radix(end, 16).unwrap()).contains(&address)
    })
}

#[test]
fn the_pool_is_last_in_first_out_and_ends() {
    let (umem, mut pool) = Umem::new(config(2)).unwrap();
    assert_eq!((umem.frames(), umem.frame_size(), pool.total(), pool.available()), (2, 2048, 2, 2));
    let first = pool.alloc().unwrap();
    let second = pool.alloc().unwrap();
    assert!(pool.alloc().is_none());
    let address = second.bytes().as_ptr();
    pool.free(first);
    pool.free(second);
    assert_eq!(pool.alloc().unwrap().bytes().as_ptr(), address);
}

#[test]
fn impossible_sizes_are_refused_with_their_numbers() {
    for size in [0, 1024, 3000, 8192] {
        let error = Umem::new(UmemConfig { frame_size: size, ..config(2) }).unwrap_err();
        assert_eq!(error.to_string(), format!("frames of {size} bytes are not possible, choose 2048 or 4096"));
    }
    assert!(matches!(Umem::new(config(0)), Err(XskError::NoFrames)));
}

#[test]
fn huge_pages_fall_back_and_say_so() {
    let (umem, mut pool) = Umem::new(UmemConfig { huge_pages: true, ..config(2048) }).unwrap();
    assert!(matches!(umem.pages(), Pages::Small | Pages::Advised | Pages::Huge));
    let mut frame = pool.alloc().unwrap();
    assert!(frame.copy_from(b"alive").is_some());
    assert_eq!(frame.bytes(), b"alive");
    pool.free(frame);
}

#[test]
#[should_panic(expected = "own UMEM")]
fn a_frame_of_another_umem_is_refused() {
    let (_one, mut one) = Umem::new(config(2)).unwrap();
    let (_two, mut two) = Umem::new(config(2)).unwrap();
    two.free(one.alloc().unwrap());
}

#[test]
fn memory_is_unmapped_when_every_chunk_came_home() {
    let (umem, mut pool) = Umem::new(config(64)).unwrap();
    let base = umem.area().base().as_ptr() as usize;
    let (mut port, wire) = memory_port(&umem, 16).unwrap();
    port.refill(&mut pool);
    let frame = pool.alloc().unwrap();
    pool.free(frame);
    let area = Arc::downgrade(umem.area());
    drop((umem, pool, wire));
    assert!(is_mapped(base), "the port still holds chunks");
    let homes = area.upgrade().map(|area| area.home.load(Ordering::Relaxed));
    assert_eq!(homes, Some(64 - 16));
    drop(port);
    assert!(area.upgrade().is_none());
}

#[test]
fn memory_is_leaked_while_a_frame_is_out() {
    let (umem, mut pool) = Umem::new(config(64)).unwrap();
    let base = umem.area().base().as_ptr() as usize;
    let mut frame = pool.alloc().unwrap();
    drop((umem, pool));
    assert!(is_mapped(base));
    assert!(frame.copy_from(b"still here").is_some());
    assert_eq!(frame.bytes(), b"still here");
}

#[test]
fn addresses_are_located_in_their_chunk() {
    let (umem, _pool) = Umem::new(config(4)).unwrap();
    let area = umem.area();
    assert_eq!(area.locate(0), Some((0, 0)));
    assert_eq!(area.locate(2048 + 256), Some((1, 256)));
    assert_eq!(area.locate(4 * 2048 - 1), Some((3, 2047)));
    assert_eq!(area.locate(4 * 2048), None);
    assert_eq!(area.locate(u64::MAX), None);
}

use super::*;

fn whole(spool: &Spool) -> Vec<u8> {
    let mut all = spool.memory().to_vec();
    let mut space = [0; 7];
    while (all.len() as u64) < spool.len() {
        let length = spool.read(all.len() as u64, &mut space).unwrap();
        assert!(length > 0);
        all.extend_from_slice(&space[..length]);
    }
    assert_eq!(spool.read(all.len() as u64, &mut space).unwrap(), 0);
    all
}

#[test]
fn what_does_not_fit_in_memory_goes_to_a_file() {
    let mut spool = Spool::default();
    let body: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
    for piece in body.chunks(999) {
        spool.add(piece, 10_000).unwrap();
    }
    assert_eq!((spool.memory().len(), spool.len()), (10_000, 100_000));
    assert_eq!(whole(&spool), body);
    assert_eq!(whole(&spool), body, "as often as needed");
    spool.clear();
    assert_eq!((spool.len(), whole(&spool)), (0, Vec::new()));
    spool.add(b"next", 10_000).unwrap();
    assert_eq!(whole(&spool), b"next");
}

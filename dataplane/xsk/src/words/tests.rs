use super::*;
use std::sync::atomic::Ordering::Relaxed;

#[test]
fn two_mappings_of_one_memfd_share_their_words() {
    let first = SharedWords::new(c"headgate-test", 1000, false).unwrap();
    assert_eq!(first.len(), 1000);
    first[999].store(7, Relaxed);
    let second = SharedWords::attach(first.as_fd().try_clone_to_owned().unwrap()).unwrap();
    assert_eq!(second[999].load(Relaxed), 7);
}

#[test]
fn an_empty_or_overflowing_size_is_refused() {
    for len in [0, usize::MAX] {
        let error = SharedWords::new(c"headgate-test", len, false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}

#[test]
fn huge_pages_fall_back_and_say_so() {
    let words = SharedWords::new(c"headgate-test", 1 << 16, true).unwrap();
    words[0].store(1, Relaxed);
    assert!(matches!(words.pages(), Pages::Small | Pages::Advised | Pages::Huge));
}

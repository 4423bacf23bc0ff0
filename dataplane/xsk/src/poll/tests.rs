use super::*;
use std::sync::Arc;

#[test]
fn a_waker_ends_the_wait_of_another_thread() {
    let waker = Arc::new(Waker::new().unwrap());
    let mut poller = Poller::new();
    let other = Waker::new().unwrap();
    let (quiet, place) = (poller.add(other.as_fd()), poller.add(waker.as_fd()));
    let thread = std::thread::spawn({
        let waker = waker.clone();
        move || waker.wake()
    });
    assert_eq!(poller.wait(Duration::from_mins(1)).unwrap(), 1);
    assert!(poller.is_ready(place) && !poller.is_ready(quiet));
    thread.join().unwrap().unwrap();
    assert!(waker.drain());
    assert!(!waker.drain());
    assert_eq!(poller.wait(Duration::ZERO).unwrap(), 0);
    assert!(!poller.is_ready(place));
}

#[test]
fn a_wait_without_descriptors_just_ends() {
    let mut poller = Poller::new();
    assert_eq!(poller.wait(Duration::from_micros(1)).unwrap(), 0);
    assert!(!poller.is_ready(0));
}

use super::*;

fn ended(status: u16, duration: u64) -> Ended {
    Ended { status, received: 10, sent: 100, begun: 7, at: 7 + duration }
}

#[test]
fn workers_are_added_up() {
    let counters = Counters::new(2);
    counters.count(0, &ended(200, 1_000));
    counters.count(1, &ended(204, 1_001));
    counters.count(1, &ended(499, 20_000_000));
    counters.count(1, &ended(101, 0));
    let counted = counters.read();
    assert_eq!((counted.classes, counted.received, counted.sent), ([1, 2, 0, 1, 0], 40, 400));
    let durations = counted.durations;
    assert_eq!((durations.count, durations.sum), (4, 20_002_001));
    assert_eq!(durations.not_above, [2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3]);
}

#[test]
fn connections_come_and_go() {
    let counters = Counters::new(2);
    counters.connected(0);
    counters.connected(1);
    counters.connected(1);
    counters.disconnected(1);
    assert_eq!(counters.read().connections, 2);
}

#[test]
fn odd_numbers_harm_nobody() {
    let counters = Counters::new(1);
    counters.count(0, &ended(0, 0));
    counters.count(0, &ended(999, 0));
    counters.count(7, &ended(200, 0));
    counters.connected(7);
    assert_eq!(counters.read().classes, [1, 0, 0, 0, 1]);
}

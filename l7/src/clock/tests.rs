use super::*;

#[test]
fn dates_of_the_calendar() {
    assert_eq!(fixdate(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(fixdate(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(fixdate(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
    assert_eq!(fixdate(4_107_542_399), "Sun, 28 Feb 2100 23:59:59 GMT");
    assert_eq!(fixdate(4_107_542_400), "Mon, 01 Mar 2100 00:00:00 GMT");
    assert_eq!(fixdate(1_798_761_599), "Thu, 31 Dec 2026 23:59:59 GMT");
}

#[test]
fn millis_do_not_go_back() {
    let first = millis();
    assert!(millis() >= first && first >= 86_400_000);
}

#[test]
fn seconds_follow_the_clock_of_the_system() {
    let system = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    for _ in 0..3 {
        let (before, now, after) = (system(), seconds(micros()), system());
        // What was asked a moment ago is right to the microsecond, so it may be on the other side of a second.
        assert!((before - 1..=after + 1).contains(&now), "{before} {now} {after}");
    }
    let now = micros();
    assert_eq!(seconds(now + 500_000 + 1_000_000) - seconds(now + 500_000), 1);
}

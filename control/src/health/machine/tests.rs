use super::*;
use crate::health::check::Kind;

fn machine(rise: u32, fall: u32) -> Machine {
    with(rise, fall, None)
}

fn with(rise: u32, fall: u32, delay_before_retry: Option<Duration>) -> Machine {
    let (interval, timeout) = (Duration::from_secs(2), Duration::from_secs(1));
    let check =
        Check { kind: Kind::Tcp, interval, timeout, rise, fall, delay_before_retry, port: None, starts_up: true };
    Machine::new(&check, 300)
}

#[test]
fn a_failure_is_looked_at_sooner_until_the_server_is_down() {
    let mut machine = with(1, 3, Some(Duration::from_millis(250)));
    let mut due = Vec::new();
    for _ in 0..4 {
        let now = machine.next();
        due.push(now);
        machine.begin(now);
        machine.on_result(false, now + 10);
    }
    assert_eq!(due, [300, 560, 820, 2820]);
    assert_eq!(machine.verdict(), Verdict::Down);
}

#[test]
fn the_verdict_changes_after_answers_in_a_row() {
    let mut machine = machine(2, 3);
    let changes: Vec<_> = [false, false, true, false, false, false, true, false, true, true]
        .map(|passed| machine.on_result(passed, 0))
        .into_iter()
        .collect();
    let (down, up) = (Some(Verdict::Down), Some(Verdict::Up));
    assert_eq!(changes, [None, None, None, None, None, down, None, None, None, up]);
}

#[test]
fn a_server_that_is_assumed_to_be_down_has_to_prove_itself() {
    let mut machine = machine(2, 1);
    machine.assume(Verdict::Down);
    assert_eq!(
        [true, false, true, true].map(|passed| machine.on_result(passed, 0)),
        [None, None, None, Some(Verdict::Up)]
    );
}

#[test]
fn one_is_enough_if_so_configured() {
    let mut machine = machine(1, 1);
    assert_eq!(machine.on_result(false, 0), Some(Verdict::Down));
    assert_eq!(machine.on_result(false, 0), None);
    assert_eq!(machine.on_result(true, 0), Some(Verdict::Up));
}

#[test]
fn checks_are_due_at_intervals_and_missed_ones_are_left_out() {
    let mut machine = machine(1, 1);
    assert_eq!(machine.next(), 300);
    machine.begin(310);
    assert_eq!(machine.next(), 2300, "counted from when it was due");
    machine.begin(2300);
    assert_eq!(machine.next(), 4300);
    machine.begin(60_000);
    assert_eq!(machine.next(), 60_000, "at once, and not one for each that was missed");
    machine.begin(60_001);
    assert_eq!(machine.next(), 62_000);
}

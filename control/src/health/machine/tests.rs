use super::*;

fn machine(rise: u32, fall: u32) -> Machine {
    Machine::new(rise, fall, Duration::from_secs(2), 300)
}

#[test]
fn the_verdict_changes_after_answers_in_a_row() {
    let mut machine = machine(2, 3);
    let changes: Vec<_> = [false, false, true, false, false, false, true, false, true, true]
        .map(|passed| machine.on_result(passed))
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
        [true, false, true, true].map(|passed| machine.on_result(passed)),
        [None, None, None, Some(Verdict::Up)]
    );
}

#[test]
fn one_is_enough_if_so_configured() {
    let mut machine = machine(1, 1);
    assert_eq!(machine.on_result(false), Some(Verdict::Down));
    assert_eq!(machine.on_result(false), None);
    assert_eq!(machine.on_result(true), Some(Verdict::Up));
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

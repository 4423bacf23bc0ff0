use super::{Track, Tracked, Verdict, Weighed};

fn track(weight: i32, reverse: bool) -> Track {
    Track { what: Tracked::Interface("eth1".to_owned()), weight, reverse }
}

#[test]
fn a_weight_counts_on_its_side() {
    let bad = Verdict::Bad("no carrier".into());
    let cases = [(20, false, 20, 0), (-20, false, 0, -20), (20, true, -20, 0), (-20, true, 0, 20)];
    for (weight, reverse, good, down) in cases {
        let track = track(weight, reverse);
        assert_eq!(track.weigh(Some(&Verdict::Good)), Weighed::Priority(good));
        assert_eq!(track.weigh(Some(&bad)), Weighed::Priority(down));
        assert_eq!(track.weigh(None), Weighed::Priority(good), "as long as nothing is known");
    }
}

#[test]
fn weight_0_is_a_fault() {
    let bad = Verdict::Bad("no carrier".into());
    assert_eq!(track(0, false).weigh(Some(&bad)), Weighed::Fault("interface eth1: no carrier".into()));
    assert_eq!(track(0, false).weigh(Some(&Verdict::Good)), Weighed::Priority(0));
    assert_eq!(track(0, true).weigh(Some(&bad)), Weighed::Priority(0));
    assert!(matches!(track(0, true).weigh(Some(&Verdict::Good)), Weighed::Fault(_)));
    assert_eq!(track(0, true).weigh(None), Weighed::Priority(0));
}

#[test]
fn a_number_is_multiplied() {
    assert_eq!(track(2, false).weigh(Some(&Verdict::Number(-10))), Weighed::Priority(-20));
    assert_eq!(track(2, false).weigh(Some(&Verdict::Number(-126))), Weighed::Priority(-252));
    assert!(matches!(track(2, false).weigh(Some(&Verdict::Number(-127))), Weighed::Fault(_)));
}

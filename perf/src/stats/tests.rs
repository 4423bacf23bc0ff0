use super::*;

#[test]
fn median_of_an_odd_number_is_the_middle_one() {
    let spread = Spread::of([3.0, 1.0, 2.0]).unwrap();
    assert_eq!(spread, Spread { median: 2.0, min: 1.0, max: 3.0 });
}

#[test]
fn median_of_an_even_number_lies_between_the_two_in_the_middle() {
    let spread = Spread::of([4.0, 1.0, 2.0, 3.0]).unwrap();
    assert_eq!(spread, Spread { median: 2.5, min: 1.0, max: 4.0 });
}

#[test]
fn nothing_has_no_median() {
    assert_eq!(Spread::of([]), None);
}

#[test]
fn ratios_are_taken_within_a_repetition() {
    // The medians alone would give 2 / 2 = 1.
    let spread = Spread::of_ratios(&[1.0, 2.0, 9.0], &[2.0, 4.0, 1.0]).unwrap();
    assert_eq!(spread, Spread { median: 0.5, min: 0.5, max: 9.0 });
}

#[test]
fn prints_median_and_range() {
    let spread = Spread { median: 1.5, min: 1.0, max: 2.25 };
    assert_eq!(format!("{spread}"), "1.50 (1.00-2.25)");
    assert_eq!(format!("{spread:>20.1}"), "       1.5 (1.0-2.2)");
}

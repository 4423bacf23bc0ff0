use super::fold;

#[test]
fn short_lines_stay_as_they_are() {
    assert_eq!(fold("  a  b", 6), ["  a  b"]);
    assert_eq!(fold("", 6), [""]);
}

#[test]
fn long_lines_break_at_a_space_or_anywhere() {
    assert_eq!(fold("one two three", 8), ["one two", "three"]);
    assert_eq!(fold("abcdefghij", 4), ["abcd", "efgh", "ij"]);
}

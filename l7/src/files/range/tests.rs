use super::*;

const SIZE: u64 = 1000;

fn part(first: u64, length: u64) -> Range {
    Range::Part { first, length }
}

#[test]
fn one_range_is_a_part() {
    for (value, expected) in [
        ("bytes=0-499", part(0, 500)),
        ("bytes=500-999", part(500, 500)),
        ("bytes=500-", part(500, 500)),
        ("bytes=-300", part(700, 300)),
        ("bytes=-5000", part(0, 1000)),
        ("bytes=0-0", part(0, 1)),
        ("bytes=999-999", part(999, 1)),
        ("bytes=0-5000", part(0, 1000)),
        ("BYTES=1-2", part(1, 2)),
        ("bytes= 1 - 2 ", part(1, 2)),
        ("bytes=0-99999999999999999999999", part(0, 1000)),
        ("bytes=-99999999999999999999999", part(0, 1000)),
    ] {
        assert_eq!(range(value.as_bytes(), SIZE), expected, "{value}");
    }
}

#[test]
fn what_lies_outside_is_not_satisfiable() {
    for value in
        ["bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=5-2", "bytes=", "bytes=-", "bytes=a-b", "bytes=1"]
    {
        assert_eq!(range(value.as_bytes(), SIZE), Range::Unsatisfiable, "{value}");
    }
}

#[test]
fn other_units_several_ranges_and_empty_files_get_the_whole() {
    assert_eq!(range(b"bytes=0-", 0), Range::Whole);
    for value in ["", "lines=1-2", "bytes=0-1,5-6", "bytes:0-1", "0-1"] {
        assert_eq!(range(value.as_bytes(), SIZE), Range::Whole, "{value}");
    }
}

proptest::proptest! {
    #[test]
    fn a_part_lies_in_the_file(value in "bytes=[0-9]{0,21}-[0-9]{0,21}", size in proptest::num::u64::ANY) {
        if let Range::Part { first, length } = range(value.as_bytes(), size) {
            assert!(length > 0 && first < size && length <= size - first);
        }
    }
}

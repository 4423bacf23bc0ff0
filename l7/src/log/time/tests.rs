use super::*;

#[test]
fn a_second_is_written_in_all_ways() {
    let times = Times::new(784_111_777, 0);
    assert_eq!(times.local, "06/Nov/1994:08:49:37 +0000");
    assert_eq!(times.iso8601, "1994-11-06T08:49:37+00:00");
    assert_eq!(times.syslog, "Nov  6 08:49:37");
}

#[test]
fn zones_are_ahead_or_behind() {
    let india = Times::new(784_111_777, 5 * 3600 + 1800);
    assert_eq!((&*india.local, &*india.iso8601), ("06/Nov/1994:14:19:37 +0530", "1994-11-06T14:19:37+05:30"));
    let newfoundland = Times::new(784_079_377, -(3 * 3600 + 1800));
    assert_eq!(newfoundland.local, "05/Nov/1994:20:19:37 -0330");
}

#[test]
fn the_second_is_made_anew_when_it_changes() {
    let shown = |second| with_times(second, |times| (times.second, times.iso8601[17..19].to_owned()));
    assert_eq!(shown(784_111_777), (784_111_777, "37".to_owned()));
    assert_eq!(shown(784_111_777), (784_111_777, "37".to_owned()));
    assert_eq!(shown(784_111_778), (784_111_778, "38".to_owned()));
}

use super::*;

#[test]
fn a_connection_takes_no_more_than_the_goal() {
    let footprint = Footprint::measure().unwrap();
    assert!(footprint.table > 64.0, "an entry alone is a cache line");
    assert!(footprint.timer > 8.0, "a handle alone is a word");
    assert!(footprint.total() <= GOAL, "{footprint}");
}

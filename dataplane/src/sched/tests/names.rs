use super::*;

#[test]
fn every_name_reads_back() {
    for scheduler in Scheduler::ALL {
        assert_eq!(scheduler.to_string().parse(), Ok(scheduler));
    }
    assert_eq!(format!("{:>5}|", Scheduler::Wrr), "  wrr|");
}

#[test]
fn an_unknown_name_lists_the_known_ones() {
    let error = "WRR".parse::<Scheduler>().unwrap_err().to_string();
    assert_eq!(
        error,
        "unknown scheduler \"WRR\"; known are rr, wrr, lc, wlc, lblc, lblcr, dh, sh, mh, sed, nq, fo, ovf, twos"
    );
}

use headgate_api::{Bucket, Histogram};

use super::*;

#[test]
fn samples_stand_together_under_one_head() {
    let mut text = Exposition::default();
    text.single(gauge("up", "Whether it is."), true);
    let mut family = text.family(counter("hits_total", "How often."));
    family.sample(&[("name", "a"), ("side", "left")], 7_u64);
    family.sample(&[("name", "\"b\\\n")], 0.25);
    text.family(gauge("none", "Without samples nothing is said."));
    let expected = "# HELP up Whether it is.\n# TYPE up gauge\nup 1\n\
                    # HELP hits_total How often.\n# TYPE hits_total counter\n\
                    hits_total{name=\"a\",side=\"left\"} 7\nhits_total{name=\"\\\"b\\\\\\n\"} 0.25\n";
    assert_eq!(text.into_text(), expected);
}

#[test]
fn a_histogram_ends_with_infinity() {
    let buckets = vec![Bucket { le_s: 0.005, count: 1 }, Bucket { le_s: 10.0, count: 2 }];
    let mut text = Exposition::default();
    let mut family = text.family(histogram("wait_seconds", "Waiting."));
    family.histogram(&[("a", "b")], &Histogram { count: 3, sum_s: 12.5, buckets });
    let expected = "# HELP wait_seconds Waiting.\n# TYPE wait_seconds histogram\n\
                    wait_seconds_bucket{a=\"b\",le=\"0.005\"} 1\nwait_seconds_bucket{a=\"b\",le=\"10\"} 2\n\
                    wait_seconds_bucket{a=\"b\",le=\"+Inf\"} 3\nwait_seconds_sum{a=\"b\"} 12.5\nwait_seconds_count{a=\"b\"} 3\n";
    assert_eq!(text.into_text(), expected);
}

use super::*;

#[test]
fn a_distribution_counts_up_to_each_bound_and_sums() {
    let latencies = Latencies::default();
    assert_eq!(latencies.distribution(&[1]), None);
    for micros in [1_000, 1_000, 4_000, 5_000, 90_000] {
        latencies.record(micros);
    }
    let found = latencies.distribution(&[1_000, 4_500, 5_000, 50_000]).unwrap();
    assert_eq!((found.count, found.not_above), (5, vec![2, 3, 4, 4]));
    assert!((found.sum as f64 / 101_000.0 - 1.0_f64).abs() < 0.02, "{}", found.sum);
}

#[test]
fn quantiles_are_right_to_two_digits() {
    let latencies = Latencies::default();
    assert_eq!(latencies.at(0.5), None);
    (1..=1000).for_each(|millis| latencies.record(millis * 1000));
    for (quantile, expected) in [(0.5, 500_000.0), (0.99, 990_000.0)] {
        let got = latencies.at(quantile).unwrap() as f64;
        assert!((got / expected - 1.0_f64).abs() < 0.02, "{quantile}: {got}");
    }
    latencies.record(u64::MAX);
    assert!(latencies.at(1.0).unwrap() >= LONGEST);
}

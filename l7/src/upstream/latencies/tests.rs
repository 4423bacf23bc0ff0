use super::*;

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

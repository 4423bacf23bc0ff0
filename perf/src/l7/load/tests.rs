use super::*;

const OUTPUT: &str = "Running 2s test @ http://127.0.0.1:1/\n  Latency Distribution\n     50%  1.01ms\n     99%    2.50ms\n  \
    4321 requests in 2.01s, 1.00MB read\nRequests/sec: 2150\n";

#[test]
fn requests_and_latency_are_read() {
    assert_eq!(parse(OUTPUT).unwrap().0, 4321);
    for (shown, expected) in [("2.50ms", 2500.0), ("870.00us", 870.0), ("1.20s", 1.2e6)] {
        let (_, p99) = parse(&OUTPUT.replace("2.50ms", shown)).unwrap();
        assert!((p99 - expected).abs() < 0.01, "{shown}: {p99}");
    }
}

#[test]
fn a_run_with_errors_does_not_count() {
    assert!(parse(&format!("{OUTPUT}  Socket errors: connect 0, read 1, write 0, timeout 0\n")).is_err());
    assert!(parse(&format!("{OUTPUT}  Non-2xx or 3xx responses: 3\n")).is_err());
    assert!(parse("nothing").is_err());
}

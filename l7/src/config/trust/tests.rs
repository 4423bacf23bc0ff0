use super::*;

#[test]
fn networks_hold_what_begins_as_they_do() {
    let network = |text: &str, length| (text.parse().unwrap(), length);
    let networks = Networks::new(vec![network("10.0.0.0", 8), network("192.0.2.7", 32), network("2001:db8::", 32)]);
    for (address, expected) in [
        ("10.255.0.1", true),
        ("11.0.0.1", false),
        ("192.0.2.7", true),
        ("192.0.2.8", false),
        ("::ffff:10.1.2.3", true),
        ("2001:db8:ffff::1", true),
        ("2001:db9::1", false),
    ] {
        assert_eq!(networks.contains(address.parse().unwrap()), expected, "{address}");
    }
    assert!(Networks::new(vec![network("0.0.0.0", 0)]).contains("192.0.2.1".parse().unwrap()));
    assert!(!Networks::new(vec![network("0.0.0.0", 0)]).contains("::1".parse().unwrap()));
    assert!(!Networks::default().contains("127.0.0.1".parse().unwrap()));
}

use std::time::Duration;

use proptest::prelude::*;

use super::*;

#[test]
fn durations() {
    let ms = Duration::from_millis;
    for (text, expected) in [
        ("100ms", ms(100)),
        ("1s", ms(1000)),
        ("15m", ms(900_000)),
        ("1h30m", ms(5_400_000)),
        ("2d", ms(172_800_000)),
        ("0s", ms(0)),
    ] {
        assert_eq!(duration(text), Ok(expected), "{text}");
    }
    for text in ["", "5", "s", "1 s", "-1s", "1.5s", "1sec", "99999999999999999999s", "1s5", "18446744073709551615d"] {
        assert!(duration(text).is_err(), "{text}");
    }
}

#[test]
fn service_addresses() {
    for text in ["192.0.2.1:80", "192.0.2.1:0", "192.0.2.1:8000-8099", "[2001:db8::1]:80", "[2001:db8::1]:1-65535"] {
        assert_eq!(service_address(text).map(|a| a.to_string()), Ok(text.to_owned()));
    }
    assert_eq!(service_address("192.0.2.1:7-7").map(|a| a.to_string()), Ok("192.0.2.1:7".to_owned()));
    for text in [
        "",
        ":80",
        "192.0.2.1",
        "192.0.2.1:",
        "192.0.2.1:+80",
        "192.0.2.1:65536",
        "192.0.2.1:0-5",
        "192.0.2.1:9-5",
        "2001:db8::1:80:",
        "[2001:db8::1]",
        "[2001:db8::1]80",
        "[2001:db8::1:80",
        "[192.0.2.1]:80",
        "host:80",
        "[::ffff:192.0.2.1]:80",
        "192.0.2.1:1-2-3",
        "[fe80::1%eth0]:80",
        "192.0.2.01:80",
    ] {
        assert!(service_address(text).is_err(), "{text}");
    }
}

#[test]
fn servers_of_upstreams_may_have_names() {
    let read = |text| {
        upstream_address(text).map(|(host, port)| {
            let host = match host {
                Server::Ip(ip) => ip.to_string(),
                Server::Name(name) => format!("name {name}"),
            };
            (host, port.map_or(0, NonZeroU16::get))
        })
    };
    for (text, host, port) in [
        ("10.0.0.1:80", "10.0.0.1", 80),
        ("[2001:db8::1]:80", "2001:db8::1", 80),
        ("app", "name app", 0),
        ("App_1.internal.:8080", "name App_1.internal.", 8080),
        ("3com.example:0", "name 3com.example", 0),
    ] {
        assert_eq!(read(text), Ok((host.to_owned(), port)), "{text}");
    }
    for text in [
        "",
        ":80",
        "10.0.0.300",
        "10.0.0",
        "a..b",
        ".a",
        "-a",
        "a-:80",
        "a b",
        "a/b",
        "ü.example",
        "a:70000",
        "a:80:80",
        "::1:x",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    let too_long = ["a".repeat(64), "a.".repeat(126) + "aa"];
    assert!(too_long.iter().all(|text| upstream_address(text).is_err()));
}

#[test]
fn server_addresses() {
    let read = |text| server_address(text).map(|(ip, port)| (ip.to_string(), port.map_or(0, NonZeroU16::get)));
    assert_eq!(read("10.0.0.1:80"), Ok(("10.0.0.1".into(), 80)));
    assert_eq!(read("10.0.0.1:0"), Ok(("10.0.0.1".into(), 0)));
    assert_eq!(read("10.0.0.1"), Ok(("10.0.0.1".into(), 0)));
    assert_eq!(read("2001:db8::1"), Ok(("2001:db8::1".into(), 0)));
    assert_eq!(read("[2001:db8::1]"), Ok(("2001:db8::1".into(), 0)));
    assert_eq!(read("[2001:db8::1]:80"), Ok(("2001:db8::1".into(), 80)));
    assert!(read("10.0.0.1:80-81").is_err());
}

#[test]
fn prefixes() {
    assert_eq!(prefix("10.0.0.1/24").map(|p| p.to_string()), Ok("10.0.0.1/24".into()));
    assert_eq!(prefix("2001:db8::1/128").map(|p| p.to_string()), Ok("2001:db8::1/128".into()));
    for text in ["10.0.0.1", "10.0.0.1/0", "10.0.0.1/33", "2001:db8::1/129", "10.0.0.1/+8", "/8", "10.0.0.1/"] {
        assert!(prefix(text).is_err(), "{text}");
    }
}

#[test]
fn interfaces_follow_the_kernels_rules() {
    assert!(interface("eth0.100@x").is_ok());
    assert!(interface("fifteen-bytes-x").is_ok());
    for text in ["", ".", "..", "sixteen-bytes-xx", "a b", "a/b", "a:b", "a\n"] {
        assert!(interface(text).is_err(), "{text:?}");
    }
}

#[test]
fn long_and_odd_text_is_made_fit_for_a_message() {
    assert_eq!(shorten("a\nb"), "a\u{fffd}b");
    assert_eq!(shorten(&"x".repeat(100)).chars().count(), 61);
}

proptest! {
    #[test]
    fn shown_durations_read_back(ms in 0..10_000_000_000u64) {
        let value = Duration::from_millis(ms);
        prop_assert_eq!(duration(&show_duration(value)), Ok(value));
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in "[\\[\\]:.0-9a-f/% é-]{0,24}") {
        let _ = (duration(&text), service_address(&text).is_ok(), server_address(&text).is_ok(), prefix(&text).is_ok());
        let _ = (interface(&text), name(&text));
    }
}

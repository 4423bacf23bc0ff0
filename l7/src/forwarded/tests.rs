use super::*;
use crate::config::{Limits, Networks};
use crate::http1::request::parse;

fn with<T>(head: &str, take: impl FnOnce(&Request<'_>) -> T) -> T {
    let text = format!("GET / HTTP/1.1\r\nHost: a.test:8080\r\n{head}\r\n");
    parse(text.as_bytes(), &Limits::default(), false, take).unwrap().unwrap().0
}

fn forwarding(style: Style) -> Forwarding {
    let trusted = Networks::new(vec![("10.0.0.0".parse().unwrap(), 8), ("2001:db8::".parse().unwrap(), 32)]);
    Forwarding { trusted, style }
}

fn written(head: &str, peer: &str, style: Style) -> String {
    with(head, |request| {
        let said = Said { peer: peer.parse().unwrap(), address: peer, scheme: "http" };
        let mut out = Vec::new();
        write(request, said, &forwarding(style), &Edits::default(), &mut out);
        String::from_utf8(out).unwrap()
    })
}

#[test]
fn nobody_is_believed_who_is_not_trusted() {
    let lies = "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nForwarded: for=1.1.1.1\r\n";
    assert_eq!(
        written(lies, "192.0.2.7", Style::Both),
        "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a.test:8080\r\n\
         Forwarded: for=192.0.2.7;host=\"a.test:8080\";proto=http\r\n"
    );
    let from =
        |peer: &str| with(lies, |request| client(request, peer.parse().unwrap(), &forwarding(Style::XForwarded)));
    assert_eq!((from("192.0.2.7"), from("10.0.0.1")), (None, Some("1.1.1.1".parse().unwrap())));
}

#[test]
fn what_trusted_peers_say_goes_on() {
    let said = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 10.0.0.8\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b.test\r\n";
    assert_eq!(
        written(said, "10.0.0.1", Style::XForwarded),
        "X-Forwarded-For: 203.0.113.9, 10.0.0.8, 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b.test\r\n"
    );
    let scheme = with(said, |request| scheme(request, "10.0.0.1".parse().unwrap(), &forwarding(Style::XForwarded)));
    assert_eq!(scheme, Some("https"));
    assert_eq!(
        written("Forwarded: for=\"[2001:db8:1::2]:4711\";proto=https\r\n", "2001:db8::1", Style::Forwarded),
        "Forwarded: for=\"[2001:db8:1::2]:4711\";proto=https, for=\"[2001:db8::1]\";host=\"a.test:8080\";proto=http\r\n"
    );
}

#[test]
fn the_client_is_the_last_of_the_chain_that_is_not_ours() {
    let peer = "10.0.0.1".parse().unwrap();
    for (style, head, expected) in [
        (Style::XForwarded, "X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.0.0.8\r\n", Some("203.0.113.9")),
        (Style::XForwarded, "X-Forwarded-For: 203.0.113.9:4711\r\n", Some("203.0.113.9")),
        (Style::XForwarded, "X-Forwarded-For: 10.0.0.9, 10.0.0.8\r\n", Some("10.0.0.9")),
        (Style::XForwarded, "X-Forwarded-For: 6.6.6.6, unknown, 10.0.0.8\r\n", Some("10.0.0.8")),
        (Style::XForwarded, "X-Forwarded-For: [2001:db9::1]\r\n", Some("2001:db9::1")),
        (Style::XForwarded, "", None),
        (Style::Forwarded, "Forwarded: for=6.6.6.6, FOR=\"203.0.113.9\" ; proto=http\r\n", Some("203.0.113.9")),
        (Style::Forwarded, "Forwarded: for=6.6.6.6, for=_hidden\r\n", None),
    ] {
        let found = with(head, |request| client(request, peer, &forwarding(style)));
        assert_eq!(found, expected.map(|text| text.parse().unwrap()), "{head}");
    }
}

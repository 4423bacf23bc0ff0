use super::*;
use crate::config::Limits;
use crate::http1::request;
use crate::log::Variable;

fn format() -> Format {
    let names = ["request", "request_method", "request_uri", "server_protocol", "host", "remote_user", "http_x_list"];
    Format::json(&names.map(|name| Variable::parse(name).unwrap()))
}

fn values(seen: &Seen) -> Vec<Option<&str>> {
    (0..7).map(|index| seen.value(index).map(|value| std::str::from_utf8(value).unwrap())).collect()
}

fn understood(text: &str) -> Seen {
    let mut seen = Seen::default();
    let take =
        |request: &Request<'_>| seen.take(&format(), &Head::understood(request, text.as_bytes(), Version::Http1));
    request::parse(text.as_bytes(), &Limits::default(), false, take).unwrap().unwrap();
    seen
}

fn refused(text: &str) -> Seen {
    let mut seen = Seen::default();
    seen.take(&format(), &Head::refused(text.as_bytes(), Version::Http1));
    seen
}

#[test]
fn a_request_is_kept_as_it_came() {
    let seen = understood(
        "\r\nGET http://WWW.Example.org:8080/a?b HTTP/1.1\r\nHost: other\r\nX-List: 1\r\nx-list: 2\r\n\
         Authorization: Basic dXNlcjpzZWNyZXQ=\r\n\r\n",
    );
    let expected = ["GET http://WWW.Example.org:8080/a?b HTTP/1.1", "GET", "/a?b", "HTTP/1.1", "www.example.org"];
    assert_eq!(values(&seen), [&expected.map(Some)[..], &[Some("user"), Some("1, 2")]].concat());
    let seen = understood("GET / HTTP/1.0\r\n\r\n");
    let expected = [Some("GET / HTTP/1.0"), Some("GET"), Some("/"), Some("HTTP/1.0"), None, None, None];
    assert_eq!(values(&seen), expected);
}

#[test]
fn what_is_no_request_is_kept_as_far_as_it_goes() {
    let expected = [Some("GET /a HTTP/1.1"), Some("GET"), Some("/a"), Some("HTTP/1.1"), Some("h"), None, Some("x")];
    assert_eq!(values(&refused("GET /a HTTP/1.1\r\nHost: h\r\nbad line\r\nX-List: x\r\n")), expected);
    assert_eq!(values(&refused("GET /a HTTP/1.1\r\nHost: h\r\n\r\nX-List: x\r\n"))[6], None, "that is the body");
    assert_eq!(values(&refused("GET /a b HTTP/1.1\r\n"))[..2], [Some("GET /a b HTTP/1.1"), None]);
    assert_eq!(values(&refused("\x16\x03\x01"))[..2], [Some("\x16\x03\x01"), None]);
    assert_eq!(values(&refused("")), [None; 7]);
}

#[test]
fn memory_is_used_again() {
    let mut seen = understood("GET /secret HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(seen.is_taken());
    seen.clear();
    assert!(!seen.is_taken());
    assert_eq!(values(&seen), [None; 7]);
}

#[test]
fn names_of_users_need_a_colon() {
    let name = |credentials: &[u8]| {
        let mut out = b"before".to_vec();
        user(credentials, &mut out).then(|| String::from_utf8_lossy(&out[6..]).into_owned())
    };
    assert_eq!(name(b"basic YTpi"), Some("a".to_owned()));
    assert_eq!(name(b"Basic  w6k6eA=="), Some("é".to_owned()));
    assert_eq!(name(b"Basic Og=="), Some(String::new()));
    for wrong in [&b"Basic YWI="[..], b"Basic ", b"Basic", b"Bearer YTpi", b"Basic !!!!", b""] {
        assert_eq!(name(wrong), None, "{wrong:?}");
    }
}

#[test]
fn tries_are_kept_only_if_they_are_named() {
    let server = Some("127.0.0.1:1".parse().unwrap());
    let mut seen = Seen::default();
    seen.take(&format(), &Head::refused(b"", Version::Http1));
    seen.tried(server, None, 0, 0);
    assert!(seen.tries.is_empty());
    seen.clear();
    seen.take(&Format::template("$upstream_addr").unwrap(), &Head::refused(b"", Version::Http1));
    seen.tried(server, None, 0, 0);
    seen.tried(server, Some(200), 0, 0);
    seen.forget_try();
    assert_eq!(seen.tries, [Try { server, status: None, begun: 0, took: 0 }]);
}

#[test]
fn a_request_of_http2_is_shown_as_one() {
    let text = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut seen = Seen::default();
    let take =
        |request: &Request<'_>| seen.take(&format(), &Head::understood(request, text.as_bytes(), Version::Http2));
    request::parse(text.as_bytes(), &Limits::default(), true, take).unwrap().unwrap();
    assert_eq!(values(&seen)[0], Some("GET /a HTTP/2.0"));
}

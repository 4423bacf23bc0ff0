use super::*;
use crate::config::Limits;
use crate::http1::{request as requests, response as responses};

const CLIENT: &str = "192.0.2.7";

fn passed_on(input: &str) -> String {
    let mut out = Vec::new();
    requests::parse(input.as_bytes(), &Limits::default(), false, |parsed| {
        let forwarding = Forwarding {
            said: Said { peer: CLIENT.parse().unwrap(), address: CLIENT, scheme: "http" },
            style: &config::Forwarding::default(),
            underscores: Underscores::Drop,
            http2: false,
            pseudonym: "lb1",
            target: parsed.target,
            host: parsed.authority,
            edits: &Edits::default(),
            added: b"",
        };
        request(parsed, forwarding, &mut out);
        end_of_request(parsed.body, false, parsed.websocket, &mut out);
    })
    .unwrap()
    .unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_request_goes_on_without_what_is_of_the_other_hop() {
    let out = passed_on(
        "POST /a HTTP/1.1\r\nhost: h\r\nConnection: X-Mine, close, Via\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nX_Under: 1\r\n\
         X-Forwarded-For: 203.0.113.9\r\nForwarded: for=x\r\nX-Real-IP: 1\r\nVia: 1.0 other\r\nCookie: a=b\r\nContent-Length: 3\r\n\r\n",
    );
    assert_eq!(
        out,
        "POST /a HTTP/1.1\r\nHost: h\r\nCookie: a=b\r\nVia: 1.0 other, 1.1 lb1\r\nX-Forwarded-For: 192.0.2.7\r\n\
         X-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\nContent-Length: 3\r\n\r\n"
    );
}

#[test]
fn an_old_request_gets_a_host_and_an_upgrade_its_fields() {
    let out = passed_on("GET / HTTP/1.0\r\n\r\n");
    assert!(out.starts_with("GET / HTTP/1.1\r\nHost: \r\n") && out.contains("Via: 1.0 lb1\r\n"), "{out}");
    assert!(!out.contains("X-Forwarded-Host"), "{out}");
    let out = passed_on(
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n",
    );
    assert!(out.ends_with("Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n") && out.contains("Sec-WebSocket-Key: x"));
}

fn answered(input: &str, body: Body, minor: u8, keep_alive: bool) -> String {
    let mut out = Vec::new();
    responses::parse(input.as_bytes(), false, |parsed| {
        response(
            parsed,
            Reply { body, minor, keep_alive, date: b"now", edits: &Edits::default(), added: b"", set_cookie: b"" },
            &mut out,
        );
    })
    .unwrap()
    .unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_response_goes_on_with_our_framing_and_version() {
    let input = "HTTP/1.0 200 Fine\r\nServer: s\r\nKeep-Alive: 5\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 3\r\n\r\n";
    assert_eq!(
        answered(input, Body::Length(3), 1, true),
        "HTTP/1.1 200 Fine\r\nServer: s\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nDate: now\r\nContent-Length: 3\r\n\r\n"
    );
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDate: then\r\n\r\n";
    assert_eq!(
        answered(chunked, Body::Chunked, 1, false),
        "HTTP/1.1 200 OK\r\nDate: then\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    );
    assert!(answered(chunked, Body::UntilClose, 0, false).ends_with("Date: then\r\nConnection: close\r\n\r\n"));
    assert!(answered(input, Body::Length(3), 0, true).contains("Connection: keep-alive\r\n"));
    let empty = "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nDate: then\r\n\r\n";
    assert_eq!(answered(empty, Body::None, 1, true), "HTTP/1.1 204 No Content\r\nDate: then\r\n\r\n");
}

#[test]
fn our_own_heads_are_whole() {
    let page = |status| {
        let mut out = Vec::new();
        let edits = &Edits::default();
        let reply = Reply {
            body: Body::Length(3),
            minor: 1,
            keep_alive: false,
            date: b"now",
            edits,
            added: b"",
            set_cookie: b"",
        };
        own(status, &[("Allow", "GET")], 3, reply, &mut out);
        String::from_utf8(out).unwrap()
    };
    let head = "HTTP/1.1 405 Method Not Allowed\r\nServer: headgate\r\nDate: now\r\nAllow: GET\r\nContent-Length: 3\r\nConnection: close\r\n\r\n";
    assert_eq!(page(405), head);
    assert!(!page(204).contains("Content-Length") && page(204).ends_with("\r\n\r\n"));
}

use super::*;
use crate::config::Limits;
use crate::http1;

fn parts(method: &str, uri: &str, fields: &[(&str, &str)]) -> http::request::Parts {
    let mut request = http::Request::builder().method(method).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn written(parts: &http::request::Parts, ended: bool) -> Result<String, Malformed> {
    let mut out = Vec::new();
    write_request(parts, ended, &mut out).map(|()| String::from_utf8(out).unwrap())
}

#[test]
fn a_request_becomes_one_of_http1() {
    let get = parts("GET", "https://a.example/x?y=1", &[("cookie", "a=1"), ("accept", "*/*"), ("cookie", "b=2")]);
    assert_eq!(
        written(&get, true).unwrap(),
        "GET /x?y=1 HTTP/1.1\r\nHost: a.example\r\naccept: */*\r\ncookie: a=1; b=2\r\n\r\n"
    );
    let post = parts("POST", "https://a.example/", &[]);
    assert!(written(&post, false).unwrap().ends_with("\r\nTransfer-Encoding: chunked\r\n\r\n"));
    let known = parts("POST", "https://a.example/", &[("content-length", "5")]);
    assert!(written(&known, false).unwrap().ends_with("\r\ncontent-length: 5\r\n\r\n"));
    let all = parts("OPTIONS", "*", &[("host", "a.example")]);
    assert_eq!(written(&all, true).unwrap(), "OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let connect = parts("CONNECT", "a.example:443", &[]);
    assert!(written(&connect, false).unwrap().starts_with("CONNECT a.example:443 HTTP/1.1\r\n"));
}

#[test]
fn contradictions_and_blanks_are_malformed() {
    let hosts = parts("GET", "https://a.example/", &[("host", "b.example")]);
    assert_eq!(written(&hosts, true), Err(Malformed));
    let same = parts("GET", "https://a.example/", &[("host", "A.example")]);
    assert!(written(&same, true).unwrap().contains("Host: a.example\r\n"));
    let two = parts("GET", "/", &[("host", "a.example"), ("host", "a.example")]);
    assert_eq!(written(&two, true), Err(Malformed));
    for padded in [" x", "x\t"] {
        assert_eq!(written(&parts("GET", "https://a.example/", &[("x", padded)]), true), Err(Malformed));
    }
}

#[test]
fn websocket_becomes_an_upgrade() {
    let mut connect = parts("CONNECT", "https://a.example/chat", &[("sec-websocket-version", "13")]);
    connect.extensions.insert(h2::ext::Protocol::from_static("websocket"));
    let head = written(&connect, false).unwrap();
    assert!(head.starts_with("GET /chat HTTP/1.1\r\nHost: a.example\r\nsec-websocket-version: 13\r\n"));
    assert!(!head.contains("Transfer-Encoding"));
    let key = head.split_once("Sec-WebSocket-Key: ").unwrap().1.split_once("\r\n").unwrap().0;
    assert!(key.len() == 24 && key.ends_with("==") && "AQgw".contains(&key[21..22]), "{key}");
    let parsed = http1::request::parse(head.as_bytes(), &Limits::default(), true, |request| request.websocket);
    assert_eq!(parsed.unwrap().map(|(websocket, _)| websocket), Some(true));
    let text = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: chat\r\n\r\n";
    let (answer, _) = http1::response::parse(text, false, response).unwrap().unwrap();
    let answer = answer.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().len()), (200, 1));
    assert_eq!(answer.headers()["sec-websocket-protocol"], "chat");
}

#[test]
fn fields_of_the_connection_stay_with_http1() {
    let text = b"HTTP/1.1 200 OK\r\nConnection: close\r\nKeep-Alive: x\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\nX-A: 2\r\n\r\n";
    let (answer, _) = http1::response::parse(text, false, response).unwrap().unwrap();
    let answer = answer.unwrap();
    assert_eq!(answer.headers().get_all("x-a").iter().count(), 2);
    assert_eq!(answer.headers().len(), 2);
    let text =
        b"GET /a HTTP/1.1\r\nHost: b.example\r\nTE: trailers\r\nConnection: X-B\r\nContent-Type: text/plain\r\n\r\n";
    let ask = |text: &[u8]| {
        http1::request::parse(text, &Limits::default(), false, |parsed| request(parsed, "http"))
            .unwrap()
            .unwrap()
            .0
            .unwrap()
    };
    let asked = ask(text);
    assert_eq!(asked.uri(), "http://b.example/a");
    assert_eq!(asked.headers().len(), 1);
    let grpc = ask(
        b"POST /s/m HTTP/1.1\r\nHost: b\r\nContent-Type: application/grpc+proto\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    assert_eq!(grpc.headers()["te"], "trailers");
}

#[test]
fn a_response_becomes_one_of_http1() {
    let answer = |status: u16, length: Option<&str>| {
        let mut response = http::Response::builder().status(status).header("x", "1");
        if let Some(length) = length {
            response = response.header("content-length", length);
        }
        response.body(()).unwrap().into_parts().0
    };
    let written = |parts, head, ended| {
        let mut out = Vec::new();
        let body = write_response(&parts, head, ended, &mut out);
        (body, String::from_utf8(out).unwrap())
    };
    let (body, text) = written(answer(200, None), false, false);
    assert_eq!(body, Body::Chunked);
    assert_eq!(text, "HTTP/1.1 200 OK\r\nx: 1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
    assert_eq!(written(answer(200, Some("7")), false, false).0, Body::Length(7));
    assert_eq!(written(answer(200, Some("7")), true, true).0, Body::None);
    let (body, text) = written(answer(200, None), false, true);
    assert!(body == Body::Length(0) && text.contains("Content-Length: 0\r\n"));
    assert_eq!(written(answer(304, Some("7")), false, true).0, Body::None);
    assert!(!written(answer(103, None), false, true).1.contains("Connection"));
}

#[test]
fn trailers_go_both_ways_without_what_may_not_trail() {
    let trailers = trailers(b"grpc-status: 0\r\nContent-Length: 3\r\ngrpc-message: ok \r\n");
    assert_eq!((trailers.len(), &trailers["grpc-message"]), (2, &HeaderValue::from_static("ok")));
    let mut lines = Vec::new();
    write_trailers(&trailers, &mut lines);
    assert_eq!(lines, b"grpc-status: 0\r\ngrpc-message: ok\r\n");
}

use super::*;
use crate::log::Head;
use crate::log::variable::Variable;

const ENDED: Ended = Ended { begun: 1_000_000, at: 3_234_567, status: 200, received: 99, sent: 1234 };

fn facts() -> Facts<'static> {
    Facts {
        ended: &ENDED,
        heads: 200,
        client: "192.0.2.1",
        listener: "http",
        route: Some("h/\"quoted\""),
        upstream: Some("app"),
        scheme: "https",
        ssl_protocol: Some("TLSv1.3"),
        ssl_server_name: None,
        connection: 7,
    }
}

fn line(format: &Format, head: &str, facts: &Facts<'_>, tries: &[Try]) -> String {
    let mut seen = Seen::default();
    seen.take(format, &Head::refused(head.as_bytes(), crate::client::Version::Http1));
    for tried in tries {
        seen.tried(tried.server, tried.status, tried.begun, tried.took);
    }
    let mut out = b"before ".to_vec();
    format.write(facts, &seen, &mut out);
    String::from_utf8(out.split_off(7)).unwrap()
}

fn tried(server: Option<&str>, status: Option<u16>, took: u64) -> Try {
    Try { server: server.map(|server| server.parse().unwrap()), status, begun: 0, took }
}

#[test]
fn a_combined_line() {
    let head = "GET /a\" HTTP/1.1\r\nReferer: http://r/\r\nUser-Agent: \\x\r\n\r\n";
    let line = line(&Format::combined(), head, &facts(), &[]);
    let (before, after) = line.split_at(line.find(" \"GET").unwrap());
    assert_eq!(after, r#" "GET /a\x22 HTTP/1.1" 200 1034 "http://r/" "\x5Cx""#);
    assert!(before.starts_with("192.0.2.1 - - [") && before.ends_with(']'), "{before}");
}

#[test]
fn what_is_missing_is_a_dash_or_null() {
    let names = "$remote_user $request $host $http_x $ssl_server_name $upstream_addr $route";
    let nothing = Facts { route: None, ..facts() };
    assert_eq!(line(&Format::template(names).unwrap(), "", &nothing, &[]), "- - - - - - -");
    let names: Vec<_> = names.split(' ').map(|name| Variable::parse(&name[1..]).unwrap()).collect();
    let read: serde_json::Value = serde_json::from_str(&line(&Format::json(&names), "", &nothing, &[])).unwrap();
    assert!(read.as_object().unwrap().values().all(serde_json::Value::is_null), "{read}");
    let empty = line(&Format::template("[$http_x]").unwrap(), "GET / HTTP/1.1\r\nX:\r\n", &facts(), &[]);
    assert_eq!(empty, "[]", "as nginx, which tells empty from missing");
}

#[test]
fn facts_have_their_units() {
    let format = "$status $bytes_sent $body_bytes_sent $request_length $request_time $connection $scheme $ssl_protocol";
    let format = Format::template(format).unwrap();
    assert_eq!(line(&format, "", &facts(), &[]), "200 1234 1034 99 2.234 7 https TLSv1.3");
    let early = Facts { ended: &Ended { sent: 0, at: 0, ..ENDED }, ..facts() };
    assert_eq!(line(&format, "", &early, &[]), "200 0 0 99 0.000 7 https TLSv1.3");
}

#[test]
fn all_tries_are_listed() {
    let format = Format::template("$upstream_addr|$upstream_status|$upstream_response_time|$upstream").unwrap();
    let tries = [
        tried(Some("127.0.0.1:9001"), Some(502), 1_999),
        tried(Some("[2001:db8::1]:80"), Some(200), 12_345_678),
        tried(None, None, 0),
    ];
    let expected = "127.0.0.1:9001, [2001:db8::1]:80, app|502, 200, -|0.001, 12.345, 0.000|app";
    assert_eq!(line(&format, "", &facts(), &tries), expected);
}

#[test]
fn json_has_numbers_and_strings() {
    let head = "POST /\u{e9} HTTP/1.1\r\nHost: h\r\n\r\n";
    let names = ["status", "request_time", "upstream_status", "request_uri", "route", "time_iso8601", "listener"];
    let format = Format::json(&names.map(|name| Variable::parse(name).unwrap()));
    let text = line(&format, head, &facts(), &[tried(Some("127.0.0.1:1"), Some(200), 1)]);
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    let time = read["time_iso8601"].as_str().unwrap();
    let expected = serde_json::json!({"status": 200, "request_time": 2.234, "upstream_status": "200", "request_uri": "/é",
        "route": "h/\"quoted\"", "time_iso8601": time, "listener": "http"});
    assert_eq!(read, expected);
}

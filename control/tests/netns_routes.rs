//! Routes by method and field, rewritten paths, changed fields.

mod common;

use common::proxy::{Bed, PRIMARY, SECOND, Server, config, good, namespace, reply};
use headgate_testbed::privileged;

fn route(keys: &str) -> String {
    format!("[[listener.route]]\n{keys}\n")
}

#[test]
fn methods_and_fields_choose_the_route() {
    if !privileged() {
        return;
    }
    let topology = namespace("conditions");
    let _server = good(&topology, PRIMARY);
    let _second = good(&topology, SECOND);
    let more = format!(
        "[[upstream]]\nname = \"beta\"\n[[upstream.server]]\naddress = \"127.0.0.1:{SECOND}\"\n{}{}{}",
        route("path = \"= /only\"\nmethods = [\"GET\", \"HEAD\"]\nrespond = { status = 200, body = \"read\" }"),
        route("path = \"= /only\"\nmethods = [\"DELETE\"]\nrespond = { status = 403 }"),
        route("headers = { X-Beta = \"~ ^(on|yes)$\", X-Old = false }\nupstream = \"beta\"")
    );
    // Tables of upstreams stand before those of the listener.
    let text = config("", &[(PRIMARY, "")], "");
    let (upstreams, routes) = more.split_at(more.find("[[listener.route]]").unwrap());
    let text = text
        .replace("[[listener]]", &format!("{upstreams}[[listener]]"))
        .replace("[[listener.route]]\nupstream = \"app\"", &format!("{routes}[[listener.route]]\nupstream = \"app\""));
    let bed = Bed::start(topology, &text);
    let ask = |method: &str, path: &str, fields: &[(&str, &str)]| {
        let response = bed.client().request(method, path, fields, b"").unwrap();
        (response.status, response.text())
    };
    assert_eq!(ask("GET", "/only", &[]), (200, "read".into()));
    assert_eq!(ask("DELETE", "/only", &[]).0, 403);
    assert_eq!(ask("PUT", "/only", &[]), (200, "9001".into()), "the next best route");
    for (fields, expected) in [
        (&[("X-Beta", "on")][..], "9002"),
        (&[("x-beta", "off")], "9001"),
        (&[("X-Beta", "yes"), ("X-Old", "1")], "9001"),
        (&[], "9001"),
    ] {
        assert_eq!(ask("GET", "/", fields), (200, expected.into()), "{fields:?}");
    }
    bed.finish();
}

#[test]
fn servers_get_the_rewritten_path_and_the_changed_fields() {
    if !privileged() {
        return;
    }
    let topology = namespace("rewrite");
    let server = Server::start(&topology, PRIMARY, |_, _| {
        reply(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: app\r\nX-Powered-By: magic\r\nCache-Control: no-store\r\n\r\nok",
        )
    });
    let more = [
        "path = \"/api/\"\nupstream = \"app\"\nrewrite = \"/\"\n\
         request_headers = { set = { Host = \"app.internal\", X-Real-IP = \"$remote_addr\" }, remove = [\"Cookie\", \"X-Forwarded-Host\"] }\n\
         response_headers = { set = { Cache-Control = \"public\" }, add = { X-Seen = \"$scheme://$host$request_uri\" }, remove = [\"X-Powered-By\"] }",
        "path = \"~ ^/u/([^/]+)$\"\nupstream = \"app\"\nrewrite = \"/users/$1\"",
        "path = \"/fixed\"\nrespond = { status = 200, body = \"x\" }\nresponse_headers = { set = { X-Frame-Options = \"DENY\" } }",
    ]
    .map(route)
    .concat();
    let text = config("", &[(PRIMARY, "")], "")
        .replace("[[listener.route]]\nupstream = \"app\"", &format!("{more}[[listener.route]]\nupstream = \"app\""));
    let bed = Bed::start(topology, &text);
    let fields = [("Cookie", "a=1"), ("X-Real-IP", "6.6.6.6"), ("X-Kept", "yes")];
    let response = bed.client().request("GET", "/api/a%2Fb?q=1", &fields, b"").unwrap();
    let seen = server.requests().pop().unwrap();
    assert_eq!(seen.line, "GET /a%2Fb?q=1 HTTP/1.1");
    for (line, there) in [
        ("Host: app.internal\r\n", true),
        ("X-Real-IP: 127.0.0.1\r\n", true),
        ("X-Kept: yes\r\n", true),
        ("6.6.6.6", false),
        ("Cookie", false),
        ("X-Forwarded-Host", false),
    ] {
        assert_eq!(seen.head.contains(line), there, "{line} in {}", seen.head);
    }
    let header = |name: &str| response.header(name).map(str::to_owned);
    assert_eq!(header("cache-control").as_deref(), Some("public"));
    assert_eq!(header("x-seen").as_deref(), Some("http://127.0.0.1/api/a%2Fb?q=1"));
    assert_eq!((header("x-powered-by"), header("server").as_deref()), (None, Some("app")));
    assert_eq!(bed.get("/u/me?x").status, 200);
    assert_eq!(server.requests().pop().unwrap().line, "GET /users/me?x HTTP/1.1");
    assert_eq!(bed.get("/fixed").header("x-frame-options"), Some("DENY"));
    bed.finish();
}

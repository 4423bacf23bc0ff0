//! The PROXY protocol: HAProxy in front, headers made by hand.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use common::PATIENCE;
use common::proxy::{Bed, PRIMARY, PROXY, Server, at, config, good, namespace, status};
use headgate_testbed::{Namespace, Process, privileged, wait_for};

fn with_header(listener: &str) -> String {
    config("", &[(PRIMARY, "")], "")
        .replace("[[listener]]\n", &format!("[[listener]]\nproxy_protocol = true\n{listener}\n"))
}

/// HAProxy passes connections on from one port to the listener.
fn haproxy(ns: &Namespace, port: u16, how: &str) -> Process {
    let file = ns.directory().join(format!("haproxy{port}.cfg"));
    let text = format!(
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n\
         listen l\n bind 127.0.0.1:{port}\n server s {PROXY} {how}\n"
    );
    fs::write(&file, text).unwrap();
    let process = ns.spawn(&["haproxy", "-db", "-f", file.to_str().unwrap()]).unwrap();
    wait_for(PATIENCE, "haproxy listens", || ns.enter(|| TcpStream::connect(at(port))).unwrap().is_ok()).unwrap();
    process
}

#[test]
fn servers_learn_the_client_from_haproxy_in_front() {
    if !privileged() {
        return;
    }
    let topology = namespace("proxyin");
    let ns = topology.director();
    let home = ns.directory().to_str().unwrap().to_owned();
    let (cert, key) = (format!("{home}/a.pem"), format!("{home}/a.key"));
    let make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=a.test"];
    ns.run(&[&make[..], &["-keyout", &key, "-out", &cert]].concat()).unwrap();
    let _haproxy = [haproxy(ns, 7001, "send-proxy"), haproxy(ns, 7002, "send-proxy-v2")];
    let server = Server::start(&topology, PRIMARY, |_, _| status(200, "ok"));
    let tls = format!("tls = {{ certificates = [{{ cert = \"{cert}\", key = \"{key}\" }}] }}");
    let bed = Bed::start(topology, &with_header(""));
    let ask = |scheme: &str, port: u16| {
        // Each client has an address of its own.
        let (from, url) = (format!("127.0.0.{}", port - 7000 + 10), format!("{scheme}://127.0.0.1:{port}/"));
        let answer = bed.ns().run(&["curl", "-sk", "--max-time", "10", "--interface", &from, &url]).unwrap();
        assert_eq!(answer, "ok", "{scheme} {port}");
        let head = server.requests().pop().unwrap().head;
        assert!(head.contains(&format!("X-Forwarded-For: {from}\r\n")), "{scheme} {port}: {head}");
    };
    ask("http", 7001);
    ask("http", 7002);
    assert!(bed.daemon.reload(&with_header(&tls)).unwrap().status.success());
    ask("https", 7001);
    ask("https", 7002);
    bed.finish();
}

#[test]
fn connections_without_a_proper_header_are_closed() {
    if !privileged() {
        return;
    }
    let topology = namespace("proxybad");
    let server = good(&topology, PRIMARY);
    let text = with_header("limits = { head_timeout = \"1s\" }");
    let bed = Bed::start(topology, &text);
    let answer = |bytes: &[u8]| {
        let mut stream = bed.raw(bytes);
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        String::from_utf8(all).unwrap()
    };
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for bad in ["", "PROXY TCP4 192.0.2.7 10.0.0.1 1 x\r\n", "PROXY"] {
        assert_eq!(answer(format!("{bad}{request}").as_bytes()), "", "{bad:?}");
    }
    assert_eq!(answer(b"PROXY TCP4 192.0."), "", "too slow");
    assert!(server.requests().is_empty());
    let line = "PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n";
    assert!(answer(format!("{line}{request}").as_bytes()).ends_with("9001"));
    // Also when it comes byte by byte.
    let mut stream = bed.raw(b"");
    stream.set_nodelay(true).unwrap();
    for byte in line.bytes().chain(request.bytes()) {
        stream.write_all(&[byte]).unwrap();
    }
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    assert!(all.ends_with("9001"), "{all}");
    for seen in server.requests() {
        assert!(seen.head.contains("X-Forwarded-For: 192.0.2.7\r\n"), "{}", seen.head);
    }
    assert_eq!(server.requests().len(), 2);
    bed.finish();
}

#[test]
fn nginx_behind_learns_the_client() {
    if !privileged() {
        return;
    }
    let topology = namespace("proxyout");
    let ns = topology.director();
    let home = ns.directory().to_str().unwrap().to_owned();
    let address = at(PRIMARY);
    let text = format!(
        "daemon off; master_process off; user root; pid {home}/nginx.pid; error_log {home}/nginx.log;\nevents {{}} http {{ \
         access_log off; client_body_temp_path {home}/b; proxy_temp_path {home}/p; fastcgi_temp_path {home}/f; \
         uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;\n\
         server {{ listen {address} proxy_protocol; location / {{ \
         return 200 \"$proxy_protocol_addr $proxy_protocol_server_port $http_x_forwarded_for\"; }} }} }}"
    );
    fs::write(format!("{home}/nginx.conf"), text).unwrap();
    let _nginx = ns.spawn(&["nginx", "-e", "/dev/null", "-c", &format!("{home}/nginx.conf")]).unwrap();
    wait_for(PATIENCE, "nginx listens", || ns.enter(|| TcpStream::connect(address)).unwrap().is_ok()).unwrap();
    let text = |version: &str| {
        config(&format!("send_proxy = \"{version}\""), &[(PRIMARY, "")], "")
            .replace("[[listener]]\n", "[[listener]]\ntrusted_proxies = [\"127.0.0.9\"]\nhttp2 = true\n")
    };
    let bed = Bed::start(topology, &text("v1"));
    for version in ["v1", "v2"] {
        assert!(bed.daemon.reload(&text(version)).unwrap().status.success());
        let curl = |from: &str, more: &[&str]| {
            let (interface, url) = (["--interface", from], format!("http://{PROXY}/"));
            bed.ns().run(&[&["curl", "-s", "--max-time", "10"][..], &interface, more, &[&url]].concat()).unwrap()
        };
        assert_eq!(curl("127.0.0.8", &[]), "127.0.0.8 8080 127.0.0.8", "{version}");
        assert_eq!(curl("127.0.0.7", &["--http2-prior-knowledge"]), "127.0.0.7 8080 127.0.0.7", "{version}");
        let named = ["-H", "X-Forwarded-For: 203.0.113.5"];
        assert_eq!(curl("127.0.0.8", &named), "127.0.0.8 8080 127.0.0.8", "{version}: not believed");
        assert_eq!(curl("127.0.0.9", &named), "203.0.113.5 8080 203.0.113.5, 127.0.0.9", "{version}: believed");
    }
    bed.finish();
}

#[test]
fn circles_and_underscores_are_noticed() {
    if !privileged() {
        return;
    }
    let topology = namespace("viacircle");
    let server = good(&topology, PRIMARY);
    let text = |underscores: &str| {
        format!("[node]\nname = \"lb1\"\n{}", config("", &[(PRIMARY, "")], "")).replace(
            "[[listener]]\n",
            &format!("[[listener]]\nunderscores = \"{underscores}\"\nforwarded = \"rfc7239\"\n"),
        )
    };
    let bed = Bed::start(topology, &text("drop"));
    let ask = |fields: &[(&str, &str)]| bed.client().request("GET", "/", fields, b"").unwrap().status;
    assert_eq!(ask(&[("Via", "1.1 lb1, 1.1 other, 1.1 lb1")]), 200);
    assert_eq!(ask(&[("Via", "1.1 lb1, 1.1 lb1"), ("Via", "1.1 lb1, 1.1 lb1")]), 508);
    let last = || server.requests().pop().unwrap().head;
    assert!(last().contains("Forwarded: for=127.0.0.1;host=\"127.0.0.1:8080\";proto=http\r\n"), "{}", last());
    assert!(!last().contains("X-Forwarded"), "{}", last());
    assert_eq!(ask(&[("X_User", "me")]), 200);
    assert!(!last().contains("X_User"), "{}", last());
    assert!(bed.daemon.reload(&text("pass")).unwrap().status.success());
    assert_eq!(ask(&[("X_User", "me")]), 200);
    assert!(last().contains("X_User: me\r\n"), "{}", last());
    assert!(bed.daemon.reload(&text("refuse")).unwrap().status.success());
    assert_eq!(ask(&[("X_User", "me")]), 400);
    bed.finish();
}

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

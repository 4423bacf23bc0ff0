//! Listeners that pass connections on as they are.

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use common::nginx::nginx;
use common::proxy::{BACKUP, BACKUP_KEY, Bed, PRIMARY, PROXY, SECOND, at, config, good, namespace};
use common::tls::{certificates, curl, pair};
use common::{LARGE, PATIENCE};
use headgate_testbed::{Namespace, Process, Topology, privileged, wait_for};

/// The usual configuration without HTTP.
fn tcp(upstream: &str, servers: &[(u16, &str)], route: &str) -> String {
    config(upstream, servers, route).replace("[[listener]]\n", "[[listener]]\nprotocol = \"tcp\"\n")
}

/// A server that says its port, then, once its client has ended, sends back what came.
fn parrot(topology: &Topology, port: u16) {
    let listener = topology.director().enter(|| TcpListener::bind(at(port))).unwrap().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let _ = writeln!(stream, "{port}");
                let mut all = Vec::new();
                let _ = stream.read_to_end(&mut all);
                let _ = stream.write_all(&all);
            });
        }
    });
}

/// What the server of the proxy says first.
fn greeting(stream: &mut TcpStream) -> String {
    let mut line = [0; 5];
    stream.read_exact(&mut line).unwrap();
    String::from_utf8_lossy(&line).trim().to_owned()
}

#[test]
fn bytes_go_both_ways_until_both_sides_have_ended() {
    if !privileged() {
        return;
    }
    let topology = namespace("tcpboth");
    parrot(&topology, PRIMARY);
    let text = tcp("", &[(PRIMARY, "")], "");
    let bed = Bed::start(topology, &text);
    let mut stream = bed.raw(b"");
    assert_eq!(greeting(&mut stream), "9001", "the server speaks first");
    // A connection lives through a reload.
    assert!(bed.daemon.reload(&text.replace("read = \"1s\"", "read = \"2s\"")).unwrap().status.success());
    let sent: Vec<u8> = (0..LARGE).map(|n| (n % 251) as u8).collect();
    stream.write_all(&sent).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut back = Vec::new();
    stream.read_to_end(&mut back).unwrap();
    assert!(back == sent, "{} bytes of {}", back.len(), sent.len());
    wait_for(PATIENCE, "the server is free again", || bed.count(PRIMARY, "in_flight") == 0).unwrap();
    // Silent for longer than `read`: it is over.
    let mut silent = bed.raw(b"");
    greeting(&mut silent);
    assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0);
    bed.finish();
}

#[test]
fn a_server_that_takes_no_connection_is_passed_over() {
    if !privileged() {
        return;
    }
    let topology = namespace("tcpfailover");
    parrot(&topology, BACKUP);
    let text = tcp("", &[(PRIMARY, ""), (BACKUP, BACKUP_KEY)], "");
    let bed = Bed::start(topology, &text);
    for _ in 0..3 {
        assert_eq!(greeting(&mut bed.raw(b"")), "9003");
    }
    assert_eq!((bed.count(PRIMARY, "failures"), bed.state(PRIMARY).as_str()), (1, "down"));
    // With nobody left the client is told at once.
    assert!(bed.daemon.reload(&tcp("", &[(PRIMARY, "")], "")).unwrap().status.success());
    let error = bed.raw(b"").read(&mut [0; 1]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    bed.finish();
}

#[test]
fn servers_are_told_who_the_client_is() {
    if !privileged() {
        return;
    }
    let topology = namespace("tcpsendproxy");
    let listener = topology.director().enter(|| TcpListener::bind(at(PRIMARY))).unwrap().unwrap();
    let bed = Bed::start(topology, &tcp("send_proxy = \"v1\"", &[(PRIMARY, "")], ""));
    let mut client = bed.raw(b"after\n");
    let port = client.local_addr().unwrap().port();
    let mut server = listener.accept().unwrap().0;
    let expected = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {port} {}\r\nafter\n", PROXY.port());
    let mut got = vec![0; expected.len()];
    server.read_exact(&mut got).unwrap();
    assert_eq!(String::from_utf8_lossy(&got), expected);
    drop(server);
    assert_eq!(client.read(&mut [0; 1]).unwrap_or(0), 0);
    bed.finish();
}

/// nginx with TLS, which answers with its own name, for each of these.
fn with_tls(ns: &Namespace, home: &str, servers: &[(u16, &str)]) -> Process {
    let server = |(port, name): &(u16, &str)| {
        format!(
            "server {{ listen {} ssl; ssl_certificate {home}/{name}.pem; ssl_certificate_key {home}/{name}.key; \
             location / {{ return 200 \"{name} $ssl_server_name\"; }} }}\n",
            at(*port)
        )
    };
    let addresses: Vec<_> = servers.iter().map(|(port, _)| at(*port)).collect();
    nginx(ns, &addresses, &servers.iter().map(server).collect::<String>())
}

#[test]
fn tls_goes_through_to_the_server_of_its_name() {
    if !privileged() {
        return;
    }
    let topology = namespace("tcpsni");
    let names = [("a", "DNS:a.test"), ("b", "DNS:*.b.test"), ("rest", "DNS:other.test")];
    let home = certificates(topology.director(), &names);
    let servers = [(PRIMARY, "a"), (SECOND, "b"), (BACKUP, "rest")];
    let _nginx = with_tls(topology.director(), &home, &servers);
    let upstream = |(port, name): &(u16, &str)| {
        format!("[[upstream]]\nname = \"{name}\"\n[[upstream.server]]\naddress = \"127.0.0.1:{port}\"\n")
    };
    let route = |host: &str, upstream: &str| format!("[[listener.route]]\n{host}\nupstream = \"{upstream}\"\n");
    let text = servers.iter().map(upstream).collect::<String>()
        + &format!("[[listener]]\nname = \"tls\"\nprotocol = \"tcp\"\naddress = [\"{PROXY}\"]\n")
        + "limits = { head_timeout = \"1s\" }\n"
        + &route("host = \"a.test\"", "a")
        + &route("host = \"*.b.test\"", "b");
    let bed = Bed::start(topology, &(text.clone() + &route("", "rest")));
    for (name, answer) in [("a.test", "a a.test"), ("www.b.test", "b www.b.test"), ("other.test", "rest other.test")] {
        assert_eq!(curl(bed.ns(), &home, name, &[]), answer);
    }
    // Who asks for no name, or speaks no TLS at all, gets the route for all, and nobody without such a route.
    let plain = format!("http://{PROXY}/");
    assert!(bed.ns().run(&["curl", "-sS", "--max-time", "10", &plain]).unwrap().contains("400 The plain HTTP request"));
    assert!(bed.daemon.reload(&text).unwrap().status.success());
    assert!(bed.ns().run(&["curl", "-sS", "--max-time", "10", &plain]).is_err());
    let refused = curl(bed.ns(), &home, "other.test", &[]);
    assert!(refused.contains("curl: (35)"), "{refused}");
    assert_eq!(curl(bed.ns(), &home, "a.test", &[]), "a a.test");
    // Who says nothing is not waited for.
    assert_eq!(bed.raw(b"\x16\x03\x01").read(&mut [0; 1]).unwrap_or(0), 0);
    bed.finish();
}

#[test]
fn tls_can_end_at_the_proxy() {
    if !privileged() {
        return;
    }
    let topology = namespace("tcptls");
    let home = certificates(topology.director(), &[("a", "DNS:a.test,DNS:b.test")]);
    let (_primary, _second) = (good(&topology, PRIMARY), good(&topology, SECOND));
    let second = format!(
        "[[upstream]]\nname = \"b\"\n[[upstream.server]]\naddress = \"127.0.0.1:{SECOND}\"\n{}",
        tcp("", &[(PRIMARY, "")], "[[listener.route]]\nhost = \"b.test\"\nupstream = \"b\"\n")
    );
    let tls = format!("[[listener]]\ntls = {{ certificates = [{}] }}\n", pair(&home, "a"));
    let bed = Bed::start(topology, &second.replace("[[listener]]\n", &tls));
    assert_eq!(curl(bed.ns(), &home, "a.test", &[]), "9001");
    assert_eq!(curl(bed.ns(), &home, "b.test", &["--tls-max", "1.2"]), "9002");
    let version = curl(bed.ns(), &home, "a.test", &["-o", "/dev/null", "-w", "%{http_version}"]);
    assert_eq!(version, "1.1", "no ALPN, no HTTP/2");
    bed.finish();
}

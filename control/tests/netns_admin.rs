//! The admin endpoint as scrapers, probes and ill-behaved clients meet it.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use common::exposition::Exposition;
use common::proxy::{Bed, PRIMARY, SECOND, Server, at as local, config, good, namespace, status};
use common::{BINARY, Config, PATIENCE, at, finish};
use headgate_testbed::traffic::{HttpBackend, HttpClient, http_get};
use headgate_testbed::{Daemon, Namespace, Topology, privileged, wait_for};
use serde_json::Value;

const ADMIN: u16 = 9180;

/// A configuration with the endpoint at an address.
fn with_admin(config: &str, admin: impl ToString) -> String {
    let admin = admin.to_string();
    format!("{config}\n[control]\nsocket = \"@DIR@/headgate.sock\"\nadmin = \"{admin}\"\n")
}

fn curl(ns: &Namespace, arguments: &[&str]) -> String {
    let words = [&["curl", "--silent", "--show-error", "--max-time", "10"], arguments].concat();
    let output = ns.output(&words).unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn page(ns: &Namespace, path: &str) -> String {
    curl(ns, &[&format!("http://127.0.0.1:{ADMIN}{path}")])
}

/// The status of an answer.
fn code(ns: &Namespace, path: &str, arguments: &[&str]) -> String {
    let url = format!("http://127.0.0.1:{ADMIN}{path}");
    curl(ns, &[&["--output", "/dev/null", "--write-out", "%{http_code}", &url], arguments].concat())
}

fn metrics(ns: &Namespace) -> Exposition {
    let text = page(ns, "/metrics");
    Exposition::read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn json(ns: &Namespace, path: &str) -> Value {
    let text = page(ns, path);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn metrics_of_the_proxy_count_what_was_sent() {
    if !privileged() {
        return;
    }
    let topology = namespace("admin-proxy");
    let _failing = Server::start(&topology, PRIMARY, |_, _| status(503, "no"));
    let _good = good(&topology, SECOND);
    let keys = "retry = { on = [\"http_503\"] }";
    let bed =
        Bed::start(topology, &with_admin(&config(keys, &[(PRIMARY, ""), (SECOND, "backup = true")], ""), local(ADMIN)));
    for _ in 0..5 {
        assert_eq!(bed.get("/").text(), "9002");
    }
    let read = metrics(bed.ns());
    let (primary, second) = (local(PRIMARY).to_string(), local(SECOND).to_string());
    let value = |name: &str, server: &str| read.value(name, &[("upstream", "app"), ("server", server)]);
    for (name, of_primary, of_second) in [
        ("headgate_upstream_server_backup", 0.0, 1.0),
        ("headgate_upstream_server_requests_total", 1.0, 5.0),
        ("headgate_upstream_server_failures_total", 1.0, 0.0),
        ("headgate_upstream_server_retries_total", 1.0, 0.0),
        ("headgate_upstream_server_up", 0.0, 1.0),
        ("headgate_upstream_server_requests_in_flight", 0.0, 0.0),
    ] {
        assert_eq!((value(name, &primary), value(name, &second)), (Some(of_primary), Some(of_second)), "{name}");
    }
    assert_eq!(value("headgate_upstream_server_response_seconds_count", &second), Some(5.0));
    // The endpoint, the control socket and the page say the same.
    let shown = bed.daemon.json(&["upstreams"]).unwrap();
    assert_eq!(json(bed.ns(), "/api/upstreams"), shown);
    assert_eq!(json(bed.ns(), "/api/upstreams?name=app"), shown);
    let page = page(bed.ns(), "/");
    assert!(page.contains(&second) && page.contains(">backup<") && page.contains(">down<"), "{page}");
    bed.finish();
}

#[test]
fn metrics_of_a_service_count_what_was_sent() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("admin-l4").servers(1).build().unwrap();
    let _backend = HttpBackend::start(topology.server(0), "s1", 80).unwrap();
    let server = SocketAddr::new(topology.server(0).v4().into(), 80);
    let config =
        Config::new(&topology).service("web", "tcp", at(false, 80), "forward = \"nat\"").server(server, "weight = 3");
    let daemon = Daemon::start(topology.director(), BINARY, &with_admin(config.text(), local(ADMIN))).unwrap();
    let mut open = HttpClient::connect(topology.client(), at(false, 80)).unwrap();
    open.get("/").unwrap();
    for _ in 0..4 {
        http_get(topology.client(), at(false, 80), "/").unwrap();
    }
    let read = metrics(topology.director());
    let shown = server.to_string();
    let labels = [("service", "web"), ("server", &*shown)];
    assert_eq!(read.value("headgate_server_connections_total", &labels), Some(5.0));
    assert_eq!(read.value("headgate_service_connections_total", &labels[..1]), Some(5.0));
    assert_eq!(read.value("headgate_server_weight", &labels), Some(3.0));
    assert_eq!(read.value("headgate_server_active_connections", &labels), Some(1.0));
    assert_eq!(read.value("headgate_dataplane_connections", &[]), Some(5.0));
    assert_eq!(read.value("headgate_dataplane_connections_capacity", &[]), Some(65_536.0));
    for direction in ["in", "out"] {
        let with = [labels[0], labels[1], ("direction", direction)];
        let [packets, bytes] =
            ["packets", "bytes"].map(|of| read.value(&format!("headgate_server_{of}_total"), &with).unwrap());
        // A handshake, a request or response and an end at least, each of 40 bytes at least.
        assert!(packets >= 5.0 * 3.0 && bytes > packets * 40.0, "{direction}: {packets} packets, {bytes} bytes");
    }
    let listed = json(topology.director(), "/api/connections?limit=2&service=web");
    assert_eq!((&listed["total"], listed["connections"].as_array().unwrap().len()), (&5.into(), 2), "{listed}");
    assert_eq!(json(topology.director(), "/api/services"), daemon.json(&["services"]).unwrap());
    assert!(page(topology.director(), "/").contains(&shown));
    drop(open);
    finish(daemon);
}

#[test]
fn health_turns_when_the_node_drains() {
    if !privileged() {
        return;
    }
    let topology = namespace("admin-health");
    // Its requests are still open when the order to stop comes.
    let _server = Server::start(&topology, PRIMARY, |_, _| common::proxy::Do::Hang);
    let text = with_admin(&config("", &[(PRIMARY, "")], "").replace("read = \"1s\"", "read = \"1m\""), local(ADMIN));
    let mut daemon = Daemon::start_with(topology.director(), BINARY, &text, &["--drain", "600"], &[]).unwrap();
    let ns = topology.director();
    assert_eq!((page(ns, "/healthz"), code(ns, "/healthz", &[])), ("ok\n".to_owned(), "200".to_owned()));
    let mut open = ns.enter(|| TcpStream::connect(common::proxy::PROXY)).unwrap().unwrap();
    open.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let in_flight = || daemon.json(&["status"]).unwrap()["proxy"]["upstreams"][0]["in_flight"] == 1;
    wait_for(PATIENCE, "the request at the server", in_flight).unwrap();
    daemon.signal(nix::sys::signal::Signal::SIGTERM).unwrap();
    wait_for(PATIENCE, "draining", || page(ns, "/healthz") == "draining\n").unwrap();
    assert_eq!(code(ns, "/healthz", &[]), "503");
    assert_eq!(metrics(ns).value("headgate_node_state", &[("state", "draining")]), Some(1.0));
    // The second order ends it whatever is open.
    assert!(daemon.stop().unwrap().success());
    assert!(page(ns, "/healthz").contains("curl: "), "nobody listens any more");
}

#[test]
fn a_reload_moves_the_endpoint_or_says_why_not() {
    if !privileged() {
        return;
    }
    let topology = namespace("admin-move");
    let _server = good(&topology, PRIMARY);
    let text = config("", &[(PRIMARY, "")], "");
    let daemon = Daemon::start(topology.director(), BINARY, &text).unwrap();
    let ns = topology.director();
    let answers = |address: &str| curl(ns, &[&format!("http://{address}/healthz")]) == "ok\n";
    let move_to = |admin: &str| {
        let output = daemon.reload(&if admin.is_empty() { text.clone() } else { with_admin(&text, admin) }).unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(),
        )
    };
    assert!(!answers("127.0.0.1:9180"));
    for (admin, answering, silent) in [
        ("127.0.0.1:9180", "127.0.0.1:9180", "127.0.0.1:9181"),
        ("127.0.0.1:9181", "127.0.0.1:9181", "127.0.0.1:9180"),
        // The same port, once for one address and once for all.
        ("0.0.0.0:9181", "127.0.0.2:9181", "[::1]:9181"),
        ("[::]:9181", "[::1]:9181", "127.0.0.1:9181"),
        ("127.0.0.1:9181", "127.0.0.1:9181", "127.0.0.2:9181"),
    ] {
        let (ok, said) = move_to(admin);
        assert!(ok && said.contains("control.admin: ") && said.contains(admin), "{said}");
        assert!(answers(answering) && !answers(silent), "{admin}");
    }
    // Taken, by a port that is ours and by one that is not; an address nobody holds.
    let _taken = ns.enter(|| std::net::TcpListener::bind("127.0.0.2:9181")).unwrap().unwrap();
    for (admin, why) in [("0.0.0.0:9181", "in use"), ("127.0.0.1:9001", "in use"), ("10.9.9.9:9180", "Cannot assign")] {
        let (ok, said) = move_to(admin);
        assert!(
            !ok && said.contains(&format!("admin endpoint: cannot listen on {admin}: ")) && said.contains(why),
            "{said}"
        );
        assert!(answers("127.0.0.1:9181"), "as before, after {admin}");
    }
    let (ok, said) = move_to("");
    assert!(ok && said.contains("control.admin: 127.0.0.1:9181 -> off") && !answers("127.0.0.1:9181"), "{said}");
    assert_eq!(http_get(ns, common::proxy::PROXY, "/").unwrap().text(), "9001");
    drop(daemon);
    let error = Daemon::start(ns, BINARY, &with_admin(&text, local(PRIMARY))).err().unwrap();
    let expected = format!("admin endpoint: cannot listen on {}: Address already in use", local(PRIMARY));
    assert!(format!("{error:#}").contains(&expected), "{error:#}");
}

#[test]
fn ill_behaved_clients_do_not_keep_others_out() {
    if !privileged() {
        return;
    }
    let topology = namespace("admin-slow");
    let _server = good(&topology, PRIMARY);
    let bed = Bed::start(topology, &with_admin(&config("", &[(PRIMARY, "")], ""), local(ADMIN)));
    let ns = bed.ns();
    let connect = |bytes: &[u8]| {
        let mut stream = ns.enter(|| TcpStream::connect(local(ADMIN))).unwrap().unwrap();
        stream.set_read_timeout(Some(2 * PATIENCE)).unwrap();
        // A server that has had enough may be gone before all is written.
        let _ = stream.write_all(bytes);
        stream
    };
    // More than there are places, each with half a request.
    let mut slow: Vec<TcpStream> = (0..200).map(|_| connect(b"GET /metrics HTTP/1.1\r\nHost:")).collect();
    assert_eq!(page(ns, "/healthz"), "ok\n");
    assert_eq!(bed.get("/").text(), "9001");
    // The first had to go, the last after some seconds.
    for index in [0, 199] {
        let ended = slow[index].read(&mut [0; 1024]);
        assert!(!matches!(&ended, Err(e) if e.kind() == ErrorKind::WouldBlock), "{index}: {ended:?}");
    }
    let mut large = connect(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(100_000)).as_bytes());
    let mut answer = Vec::new();
    let _ = large.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&answer));
    for (path, arguments, expected) in [
        ("/", &["--request", "POST", "--data", "x"][..], "405"),
        ("/api/reload", &[], "404"),
        ("/api/connections?limit=0", &[], "400"),
        ("/metrics", &["--head"], "200"),
    ] {
        assert_eq!(code(ns, path, arguments), expected, "{path}");
    }
    bed.finish();
}

//! The proxy in the daemon: the HTTP corpus over its sockets, reloads, stops, and servers that are killed under load.

mod common;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::proxy::{
    BACKUP, Bed, Do, PRIMARY, PROXY, SECOND, Server, at, config, echo, good, namespace, reply, status,
};
use common::{BINARY, PATIENCE};
use headgate_replay::http::corpus::{Cases, Needs};
use headgate_replay::http::{Lane, bed::listener, play};
use headgate_testbed::traffic::{HttpClient, Load, http_get};
use headgate_testbed::{Daemon, Namespace, Process, privileged, wait_for};

/// A lane of the corpus: its own upstream and listeners of the one daemon.
struct DaemonLane<'a> {
    daemon: &'a Mutex<Daemon>,
    number: u16,
}

const LANES: u16 = 4;

impl Lane for DaemonLane<'_> {
    fn proxy(&self, needs: &Needs) -> SocketAddr {
        at(8000 + 10 * self.number + listener(needs) as u16)
    }

    fn server(&self) -> SocketAddr {
        at(9000 + self.number)
    }

    fn failures(&self) -> anyhow::Result<u64> {
        let answer = self.daemon.lock().unwrap().json(&["upstreams", &format!("lane-{}", self.number)])?;
        Ok(answer["upstreams"][0]["servers"][0]["failures"].as_u64().unwrap())
    }
}

fn corpus(name: &str, file: &str) {
    let topology = namespace(name);
    // Idle connections to servers are kept per worker: with one worker the next request finds them wherever it comes in.
    let mut text = "[proxy]\nworkers = [0]\n".to_owned();
    for lane in 0..LANES {
        let server = at(9000 + lane);
        write!(text, "[[upstream]]\nname = \"lane-{lane}\"\n[[upstream.server]]\naddress = \"{server}\"\n").unwrap();
        let extra = [
            "websocket = false\n",
            "websocket = false\n[[listener.route]]\npath = \"/admin/\"\nrespond = { status = 403 }\n",
            "",
            "websocket = false\nrequest_buffering = false\n",
        ];
        for (number, extra) in (0..).zip(extra) {
            let address = at(8000 + 10 * lane + number);
            write!(text, "[[listener]]\nname = \"{lane}-{number}\"\naddress = [\"{address}\"]\n").unwrap();
            write!(text, "[[listener.route]]\nupstream = \"lane-{lane}\"\n{extra}").unwrap();
        }
    }
    let daemon = Mutex::new(Daemon::start(topology.director(), BINARY, &text).unwrap());
    let cases =
        Cases::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/replay/http-corpus").join(file)).unwrap();
    let (mut count, mut failed) = (0, Vec::new());
    let lanes = (0..LANES).map(|number| DaemonLane { daemon: &daemon, number }).collect();
    let played = topology.director().enter(|| {
        play(&cases, lanes, |verdict| {
            count += 1;
            if !verdict.differences.is_empty() {
                failed.push(format!("{}: {}", verdict.id, verdict.differences.join("; ")));
            }
        })
    });
    played.unwrap().unwrap();
    assert_eq!(count, cases.len());
    assert!(failed.is_empty(), "{} of {count} failed:\n{}", failed.len(), failed.join("\n"));
    assert!(daemon.into_inner().unwrap().stop().unwrap().success());
}

#[test]
fn the_corpus_of_requests_passes() {
    if privileged() {
        corpus("corpus-req", "requests.json");
    }
}

#[test]
fn the_corpus_of_responses_passes() {
    if privileged() {
        corpus("corpus-resp", "responses.json");
    }
}

#[test]
fn a_listener_waits_for_a_virtual_address_that_is_elsewhere() {
    if !privileged() {
        return;
    }
    let topology = namespace("freebind");
    let _primary = good(&topology, PRIMARY);
    let vip = "10.9.9.9:8080";
    let text = config("", &[(PRIMARY, "")], "").replace(&PROXY.to_string(), vip);
    let bed = Bed::start(topology, &text);
    assert!(bed.daemon.log().contains("nobody holds 10.9.9.9"), "{}", bed.daemon.log());
    bed.ns().ip("address add 10.9.9.9/32 dev lo\n").unwrap();
    assert_eq!(http_get(bed.ns(), vip.parse().unwrap(), "/").unwrap().text(), "9001");
    bed.finish();
}

#[test]
fn an_address_in_use_is_said_and_a_reload_to_it_changes_nothing() {
    if !privileged() {
        return;
    }
    let topology = namespace("in-use");
    let _primary = good(&topology, PRIMARY);
    let _taken = good(&topology, SECOND);
    let text = config("", &[(PRIMARY, "")], "");
    let taken = text.replace(&PROXY.to_string(), &at(SECOND).to_string());
    let refused = Daemon::start(topology.director(), BINARY, &taken).unwrap_err().to_string();
    assert!(refused.contains("cannot listen on 127.0.0.1:9002: Address already in use"), "{refused}");
    let bed = Bed::start(topology, &text);
    let output = bed.daemon.reload(&taken).unwrap();
    assert!(!output.status.success());
    assert_eq!(bed.get("/").text(), "9001");
    bed.finish();
}

/// A WebSocket through the proxy, ready for use.
fn websocket(bed: &Bed) -> std::net::TcpStream {
    let mut stream = bed.raw(
        b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
    );
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    stream
}

fn exchange(stream: &mut std::net::TcpStream, text: &[u8]) {
    stream.write_all(text).unwrap();
    let mut back = vec![0; text.len()];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(back, text);
}

#[test]
fn websockets_outlive_reloads() {
    if !privileged() {
        return;
    }
    let topology = namespace("reload");
    echo(&topology, PRIMARY);
    let _second = good(&topology, SECOND);
    let text = config("", &[(PRIMARY, "")], "");
    let bed = Bed::start(topology, &text);
    let mut socket = websocket(&bed);
    exchange(&mut socket, b"before");
    // The upstream of the WebSocket goes, then the listener itself.
    let other = config("", &[(SECOND, "")], "");
    assert!(bed.daemon.reload(&other).unwrap().status.success());
    exchange(&mut socket, b"after");
    let mut client = bed.client();
    assert_eq!(client.get("/").unwrap().text(), "9002");
    let moved = other.replace(&PROXY.to_string(), &at(8081).to_string()).replace("\"http\"", "\"other\"");
    assert!(bed.daemon.reload(&moved).unwrap().status.success());
    exchange(&mut socket, b"and after that");
    assert_eq!(http_get(bed.ns(), at(8081), "/").unwrap().text(), "9002");
    assert!(HttpClient::connect(bed.ns(), PROXY).is_err(), "the old listener is closed");
    bed.finish();
}

#[test]
fn a_stop_waits_for_requests_and_closes_idle_connections() {
    if !privileged() {
        return;
    }
    let topology = namespace("drain-l7");
    let go = Arc::new(AtomicBool::new(false));
    let released = Arc::clone(&go);
    let primary = Server::start(&topology, PRIMARY, move |_, request| {
        if request.line.contains("/slow") {
            wait_for(PATIENCE, "the test goes on", || released.load(Ordering::Relaxed)).unwrap();
        }
        reply(common::proxy::OK)
    });
    let text = config("", &[(PRIMARY, "")], "").replace("read = \"1s\"", "read = \"1m\"");
    let mut daemon = Daemon::start_with(topology.director(), BINARY, &text, &["--drain", "600"], &[]).unwrap();
    let ns = topology.director();
    let mut idle = HttpClient::connect(ns, PROXY).unwrap();
    assert_eq!(idle.get("/").unwrap().status, 200);
    let mut slow = HttpClient::connect(ns, PROXY).unwrap();
    std::thread::scope(|scope| {
        let asking = scope.spawn(move || slow.get("/slow").unwrap());
        wait_for(PATIENCE, "the request is there", || primary.requests().len() == 2).unwrap();
        daemon.signal(nix::sys::signal::Signal::SIGTERM).unwrap();
        wait_for(PATIENCE, "the idle connection is closed", || idle.get("/").is_err()).unwrap();
        assert!(HttpClient::connect(ns, PROXY).is_err(), "nobody new comes in");
        go.store(true, Ordering::Relaxed);
        let response = asking.join().unwrap();
        assert_eq!((response.status, response.header("Connection")), (200, Some("close")));
    });
    assert!(daemon.wait(PATIENCE).unwrap().success(), "{}", daemon.log());
}

#[test]
fn operators_drain_and_weigh_servers_until_the_next_reload() {
    if !privileged() {
        return;
    }
    let topology = namespace("operate-l7");
    let _servers = [good(&topology, PRIMARY), good(&topology, SECOND)];
    let text = config("", &[(PRIMARY, ""), (SECOND, "")], "");
    let bed = Bed::start(topology, &text);
    let spread = || (0..8).filter(|_| bed.get("/").text() == "9001").count();
    assert_eq!(spread(), 4);
    let said = bed.daemon.run(&["server", "app", "127.0.0.1:9001", "drain"]).unwrap();
    assert!(said.contains("upstream app: server 127.0.0.1:9001: drain, weight 0 until"), "{said}");
    assert_eq!((spread(), bed.state(PRIMARY).as_str()), (0, "drain"));
    bed.daemon.run(&["server", "app", "127.0.0.1:9001", "weight", "3"]).unwrap();
    assert_eq!((spread(), bed.count(PRIMARY, "weight")), (6, 3));
    bed.daemon.run(&["server", "app", "127.0.0.1:9001", "enable"]).unwrap();
    assert_eq!(spread(), 4);
    bed.daemon.run(&["server", "app", "127.0.0.1:9002", "drain"]).unwrap();
    assert!(bed.daemon.reload(&text).unwrap().status.success());
    assert_eq!(spread(), 4, "a reload ends it");
    let unknown = bed.daemon.client(&["server", "nobody", "127.0.0.1:9002", "drain"]).unwrap();
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no service or upstream is called \"nobody\""));
    bed.finish();
}

/// nginx with a fixed answer on a port; killed when dropped.
fn nginx(ns: &Namespace, directory: &Path, port: u16) -> Process {
    let file = directory.join(format!("nginx-{port}.conf"));
    let home = directory.display();
    let mut temporary = String::new();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        writeln!(temporary, "{kind}_temp_path {home}/{kind}-{port};").unwrap();
    }
    let text = format!(
        "daemon off; master_process off; pid {home}/nginx-{port}.pid; error_log {home}/nginx-{port}.log;\n\
         events {{ worker_connections 1000; }}\nhttp {{ access_log off;\n{temporary}\
         server {{ listen 127.0.0.1:{port} reuseport; location / {{ return 200 \"{port}\"; }} }} }}\n"
    );
    std::fs::write(&file, text).unwrap();
    let process = ns.spawn(&["nginx", "-e", "/dev/null", "-c", file.to_str().unwrap()]).unwrap();
    wait_for(PATIENCE, "nginx listens", || ns.enter(|| std::net::TcpStream::connect(at(port))).unwrap().is_ok())
        .unwrap();
    process
}

#[test]
fn no_request_fails_while_primaries_are_killed_and_the_file_is_reloaded() {
    if !privileged() {
        return;
    }
    let topology = namespace("kill");
    let (ns, directory) = (topology.director().clone(), topology.director().directory().to_owned());
    let mut primaries = [PRIMARY, SECOND].map(|port| Some(nginx(&ns, &directory, port)));
    let _backup = nginx(&ns, &directory, BACKUP);
    let servers =
        [(PRIMARY, "fail_timeout = \"100ms\""), (SECOND, "fail_timeout = \"100ms\""), (BACKUP, "backup = true")];
    let texts = ["", "websocket = false"].map(|route| config("", &servers, route));
    let bed = Bed::start(topology, &texts[0]);
    let load = Load { clients: 200, duration: Duration::from_mins(1), timeout: PATIENCE, ..Load::new(PROXY) };
    let load = load.start(&ns).unwrap();
    for round in 0..20 {
        let begun = load.requests();
        primaries[round % 2] = None;
        assert!(bed.daemon.reload(&texts[round % 2]).unwrap().status.success());
        wait_for(PATIENCE, "requests go on without it", || load.requests() > begun + 500).unwrap();
        primaries[round % 2] = Some(nginx(&ns, &directory, [PRIMARY, SECOND][round % 2]));
        assert!(bed.daemon.reload(&texts[(round + 1) % 2]).unwrap().status.success());
        let begun = load.requests();
        wait_for(PATIENCE, "requests go on with it", || load.requests() > begun + 500).unwrap();
    }
    let report = load.stop().unwrap();
    assert_eq!(report.errors, 0, "of {} requests: {:?}", report.requests, report.first_error);
    bed.finish();
}

#[test]
fn no_post_is_done_twice_while_servers_die() {
    if !privileged() {
        return;
    }
    let topology = namespace("post");
    // Each server breaks every tenth connection after it has read the request: it may have acted on it.
    let servers = [PRIMARY, SECOND, BACKUP].map(|port| {
        Server::start(
            &topology,
            port,
            move |number, _| if number % 10 == 9 { Do::Reset(vec![]) } else { status(200, "done") },
        )
    });
    let text = config("", &[(PRIMARY, "max_fails = 0"), (SECOND, "max_fails = 0"), (BACKUP, "backup = true")], "");
    let bed = Bed::start(topology, &text);
    let failed: usize = std::thread::scope(|scope| {
        let post = |client: usize| {
            let bed = &bed;
            scope.spawn(move || {
                let mut connection = bed.client();
                let mut failed = 0;
                for number in 0..50 {
                    let id = format!("{client}-{number}");
                    failed += usize::from(connection.request("POST", "/", &[], id.as_bytes()).unwrap().status != 200);
                }
                failed
            })
        };
        let threads: Vec<_> = (0..20).map(post).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let mut seen: HashMap<Vec<u8>, usize> = HashMap::new();
    for request in servers.iter().flat_map(Server::requests) {
        *seen.entry(request.body).or_default() += 1;
    }
    let twice: Vec<_> = seen.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert_eq!(seen.len(), 1000, "each reached a server");
    assert!(failed > 0, "the servers did break some");
    bed.finish();
}

#[test]
fn a_body_that_only_trickles_in_is_refused() {
    if !privileged() {
        return;
    }
    let topology = namespace("trickle");
    let server = good(&topology, PRIMARY);
    let limits = "[[listener]]\nlimits = { body_timeout = \"400ms\", body_rate = \"1MB\" }\n";
    let bed = Bed::start(topology, &config("", &[(PRIMARY, "")], "").replace("[[listener]]\n", limits));
    let mut stream = bed.raw(b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n");
    // The pace of the client: it is never silent for long.
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut answer = [0; 12];
    wait_for(PATIENCE, "it is told off", || stream.write_all(b"x").is_ok() && stream.read_exact(&mut answer).is_ok())
        .unwrap();
    assert_eq!((&answer[..], server.requests().len()), (&b"HTTP/1.1 408"[..], 0));
    bed.finish();
}

//! Upstreams: the queue, active checks, when backups join.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use common::PATIENCE;
use common::proxy::{BACKUP, Bed, PRIMARY, SECOND, Server, at, config, good, namespace, status};
use headgate_testbed::traffic::Response;
use headgate_testbed::{Topology, privileged, wait_for};

/// A server that answers once the gate is open.
fn gated(topology: &Topology) -> (Server, Arc<AtomicBool>) {
    let gate = Arc::new(AtomicBool::new(false));
    let opened = Arc::clone(&gate);
    let server = Server::start(topology, PRIMARY, move |_, _| {
        wait_for(PATIENCE, "the gate opens", || opened.load(Relaxed)).unwrap();
        status(200, "ok")
    });
    (server, gate)
}

fn with_queue(queue: &str) -> String {
    config(queue, &[(PRIMARY, "max_connections = 1")], "").replace("read = \"1s\"", "read = \"1m\"")
}

fn queue(bed: &Bed, key: &str) -> u64 {
    let answer = bed.daemon.json(&["upstreams", "app"]).unwrap();
    answer["upstreams"][0]["queue"][key].as_u64().unwrap()
}

#[test]
fn requests_wait_until_a_server_has_room() {
    if !privileged() {
        return;
    }
    let topology = namespace("queue");
    let (server, gate) = gated(&topology);
    let bed = Bed::start(topology, &with_queue("queue = { size = 4, timeout = \"1m\" }"));
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..5).map(|_| scope.spawn(|| bed.ask("GET", b""))).collect();
        wait_for(PATIENCE, "four wait", || queue(&bed, "waiting") == 4).unwrap();
        assert_eq!(bed.ask("GET", b"").0, 503, "the queue is full");
        assert_eq!(server.requests().len(), 1);
        gate.store(true, Relaxed);
        for asked in asked {
            assert_eq!(asked.join().unwrap(), (200, "ok".into()));
        }
    });
    assert_eq!((queue(&bed, "queued"), queue(&bed, "refused"), queue(&bed, "waiting")), (4, 1, 0));
    let text = bed.daemon.run(&["upstreams"]).unwrap();
    assert!(text.contains("queue: 0 waiting, 4 queued, 0 timed out, 1 refused"), "{text}");
    bed.finish();
}

#[test]
fn who_waits_too_long_or_goes_away_leaves_the_queue() {
    if !privileged() {
        return;
    }
    let topology = namespace("queueout");
    let (_server, gate) = gated(&topology);
    let bed = Bed::start(topology, &with_queue("queue = { size = 4, timeout = \"300ms\" }"));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| bed.ask("GET", b""));
        wait_for(PATIENCE, "the server works", || bed.count(PRIMARY, "in_flight") == 1).unwrap();
        assert_eq!(bed.ask("GET", b"").0, 503);
        assert_eq!(queue(&bed, "timed_out"), 1);
        assert!(bed.daemon.reload(&with_queue("queue = { size = 4, timeout = \"1m\" }")).unwrap().status.success());
        let impatient = bed.raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        wait_for(PATIENCE, "it waits", || queue(&bed, "waiting") == 1).unwrap();
        socket2::SockRef::from(&impatient).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(impatient);
        wait_for(PATIENCE, "it is gone", || queue(&bed, "waiting") == 0).unwrap();
        gate.store(true, Relaxed);
        assert_eq!(first.join().unwrap().0, 200);
    });
    bed.finish();
}

/// A server that is well while it should be, with its port as the answer; a check asks for `/healthz`.
fn checked(topology: &Topology, port: u16) -> (Server, Arc<AtomicBool>) {
    let well = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&well);
    let server = Server::start(topology, port, move |_, request| {
        let is_check = request.line.starts_with("GET /healthz ");
        status(if is_check && !asked.load(Relaxed) { 503 } else { 200 }, &port.to_string())
    });
    (server, well)
}

#[test]
fn a_server_that_fails_its_check_is_out_before_a_request_finds_out() {
    if !privileged() {
        return;
    }
    let topology = namespace("checks");
    let (first, well) = checked(&topology, PRIMARY);
    let (_second, _) = checked(&topology, SECOND);
    let check = "check = { type = \"http\", path = \"/healthz\", interval = \"100ms\", timeout = \"1s\", fall = 2 }";
    let text = config(check, &[(PRIMARY, ""), (SECOND, "check = { type = \"tcp\" }")], "");
    let bed = Bed::start(topology, &text);
    let says = |port: u16| bed.server(port)["check"]["state"].as_str().unwrap().to_owned();
    wait_for(PATIENCE, "both pass", || says(PRIMARY) == "up" && says(SECOND) == "up").unwrap();
    well.store(false, Relaxed);
    wait_for(PATIENCE, "one fails", || bed.state(PRIMARY) == "down").unwrap();
    assert!((0..10).all(|_| bed.ask("GET", b"") == (200, "9002".into())));
    let check = &bed.server(PRIMARY)["check"];
    assert_eq!((check["state"].as_str(), check["reason"].as_str()), (Some("down"), Some("status 503")));
    let text_shown = bed.daemon.run(&["upstreams"]).unwrap();
    assert!(text_shown.contains("127.0.0.1:9001: fails http GET /healthz since"), "{text_shown}");
    // A reload keeps what is known.
    assert!(bed.daemon.reload(&text.replace("fall = 2", "fall = 2 ")).unwrap().status.success());
    assert_eq!(bed.state(PRIMARY), "down");
    well.store(true, Relaxed);
    wait_for(PATIENCE, "it is back", || bed.state(PRIMARY) == "up").unwrap();
    assert_eq!(bed.count(PRIMARY, "failures"), 0);
    let heads = first.requests();
    let checks: Vec<_> = heads.iter().filter(|seen| seen.line == "GET /healthz HTTP/1.1").collect();
    assert!(checks.len() >= 4 && checks.iter().all(|seen| seen.head.contains("Host: 127.0.0.1:9001\r\n")));
    // Without the check it is taken for well.
    well.store(false, Relaxed);
    wait_for(PATIENCE, "it fails again", || bed.state(PRIMARY) == "down").unwrap();
    let report = bed.daemon.reload(&config("", &[(PRIMARY, ""), (SECOND, "")], "")).unwrap();
    assert!(String::from_utf8_lossy(&report.stdout).contains("check: http GET /healthz"), "{report:?}");
    assert_eq!(bed.state(PRIMARY), "up");
    bed.finish();
}

#[test]
fn a_check_looks_at_the_body_and_notices_a_server_that_is_gone() {
    if !privileged() {
        return;
    }
    let topology = namespace("checkbody");
    let _server = good(&topology, PRIMARY);
    let check = |body: &str| {
        format!(
            "check = {{ type = \"http\", interval = \"100ms\", fall = 1, status = \"200,204-299\", body = \"{body}\" }}"
        )
    };
    let text = |body: &str| config(&check(body), &[(PRIMARY, ""), (SECOND, "")], "");
    let bed = Bed::start(topology, &text("^90+1$"));
    let check = |port: u16| {
        let check = bed.server(port)["check"].clone();
        (check["state"].as_str().unwrap().to_owned(), check["reason"].as_str().unwrap_or_default().to_owned())
    };
    wait_for(PATIENCE, "nobody listens", || check(SECOND) == ("down".into(), "connection refused".into())).unwrap();
    wait_for(PATIENCE, "the body is right", || check(PRIMARY).0 == "up").unwrap();
    assert!(bed.daemon.reload(&text("other")).unwrap().status.success());
    wait_for(PATIENCE, "it is not", || check(PRIMARY) == ("down".into(), "the body does not match".into())).unwrap();
    // None passes: requests are answered with 502, as both are known not to work.
    assert_eq!(bed.ask("GET", b"").0, 502);
    bed.finish();
}

#[test]
fn backups_join_when_primaries_become_too_few() {
    if !privileged() {
        return;
    }
    let topology = namespace("backup-below");
    let backup = good(&topology, BACKUP);
    let _servers = [good(&topology, PRIMARY), good(&topology, SECOND)];
    let servers = [(PRIMARY, ""), (SECOND, ""), (BACKUP, "backup = true")];
    let bed = Bed::start(topology, &config("backup_below = 2", &servers, ""));
    assert!((0..6).all(|_| bed.get("/").text() != "9003") && backup.requests().is_empty());
    bed.daemon.run(&["server", "app", &at(PRIMARY).to_string(), "drain"]).unwrap();
    let mut answers: Vec<_> = (0..6).map(|_| bed.get("/").text()).collect();
    answers.sort();
    assert_eq!(answers, ["9002", "9002", "9002", "9003", "9003", "9003"]);
    let table = bed.daemon.run(&["upstreams"]).unwrap();
    assert!(table.contains("app: round_robin; backups join below 2 primaries"), "{table}");
    bed.finish();
}

#[test]
fn a_server_that_is_enabled_again_starts_slowly() {
    if !privileged() {
        return;
    }
    let topology = namespace("slow-start");
    let servers = [good(&topology, PRIMARY), good(&topology, SECOND)];
    let bed = Bed::start(topology, &config("", &[(PRIMARY, "slow_start = \"1h\""), (SECOND, "")], ""));
    assert_eq!(bed.count(PRIMARY, "weight_percent"), 100);
    let address = at(PRIMARY).to_string();
    for change in ["drain", "enable"] {
        bed.daemon.run(&["server", "app", &address, change]).unwrap();
    }
    assert_eq!(bed.count(PRIMARY, "weight_percent"), 1);
    let table = bed.daemon.run(&["upstreams"]).unwrap();
    assert!(table.contains("1 (1%)"), "{table}");
    assert!((0..50).all(|_| bed.get("/").status == 200));
    let [slow, other] = servers.map(|server| server.requests().len());
    assert!(slow <= 10 && other >= 40, "{slow} and {other} requests");
    bed.finish();
}

/// The cookie that a response sets.
fn cookie(response: &Response) -> Option<String> {
    Some(response.header("set-cookie")?.split(';').next()?.to_owned())
}

#[test]
fn clients_keep_their_server_by_a_cookie() {
    if !privileged() {
        return;
    }
    let topology = namespace("sticky");
    let (_one, _two) = (good(&topology, PRIMARY), good(&topology, SECOND));
    let text = config("sticky = { cookie = \"srv\" }", &[(PRIMARY, ""), (SECOND, "")], "");
    let bed = Bed::start(topology, &text);
    let ask = |cookie: &str| bed.client().request("GET", "/", &[("Cookie", cookie)], b"").unwrap();
    let (first, second) = (bed.get("/"), bed.get("/"));
    assert_eq!((first.text().as_str(), second.text().as_str()), ("9001", "9002"), "in turn for those without one");
    let kept = cookie(&second).unwrap();
    for _ in 0..3 {
        let response = ask(&format!("other=1; {kept}"));
        assert_eq!((response.text().as_str(), cookie(&response)), ("9002", None));
    }
    let set = |state: &str| {
        bed.daemon.run(&["server", "app", &at(SECOND).to_string(), state]).unwrap();
    };
    set("drain");
    assert_eq!((ask(&kept).text().as_str(), bed.get("/").text().as_str()), ("9002", "9001"), "until they are gone");
    let down = config("sticky = { cookie = \"srv\" }", &[(PRIMARY, ""), (SECOND, "down = true")], "");
    assert!(bed.daemon.reload(&down).unwrap().status.success());
    let moved = ask(&kept);
    assert_eq!(moved.text(), "9001");
    let moved = cookie(&moved).unwrap();
    assert!(bed.daemon.reload(&text).unwrap().status.success());
    set("enable");
    assert_eq!(ask(&moved).text(), "9001", "the new one is kept");
    bed.finish();
}

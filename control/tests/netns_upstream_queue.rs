//! The queue of an upstream: whose turn it is, and who leaves.

mod common;

use std::net::Shutdown;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

use common::PATIENCE;
use common::proxy::{BACKUP, Bed, PRIMARY, PROXY, Server, config, namespace, status};
use headgate_testbed::traffic::Response;
use headgate_testbed::{Topology, privileged, wait_for};

const ROOM_FOR_ONE: &str = "max_connections = 1";

/// A server that answers a request only when told to.
fn held(topology: &Topology, port: u16) -> (Server, Sender<()>) {
    let (go, wait): (_, Receiver<()>) = channel();
    let wait = Mutex::new(wait);
    let server = Server::start(topology, port, move |number, _| {
        let _ = wait.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(PATIENCE);
        status(200, &number.to_string())
    });
    (server, go)
}

fn queue(bed: &Bed, key: &str) -> u64 {
    let answer = bed.daemon.json(&["upstreams", "app"]).unwrap();
    answer["upstreams"][0]["queue"][key].as_u64().unwrap()
}

fn wait_for_queue(bed: &Bed, key: &str, value: u64) {
    wait_for(PATIENCE, &format!("{key} of the queue is {value}"), || queue(bed, key) == value).unwrap();
}

/// A request that runs on a thread of its own.
fn ask<'scope>(
    bed: &Bed,
    scope: &'scope std::thread::Scope<'scope, '_>,
) -> std::thread::ScopedJoinHandle<'scope, Response> {
    let mut client = bed.client();
    scope.spawn(move || client.get("/").unwrap())
}

#[test]
fn a_request_waits_for_room_in_order_and_is_served() {
    if !privileged() {
        return;
    }
    let topology = namespace("queue-order");
    let (server, go) = held(&topology, PRIMARY);
    let text = config("queue = { size = 10, timeout = \"20s\" }", &[(PRIMARY, ROOM_FOR_ONE)], "");
    let bed = Bed::start(topology, &text.replace("read = \"1s\"", "read = \"20s\""));
    std::thread::scope(|scope| {
        let mut asked = vec![ask(&bed, scope)];
        wait_for(PATIENCE, "the first is there", || server.requests().len() == 1).unwrap();
        for waiting in 1..=3 {
            asked.push(ask(&bed, scope));
            wait_for_queue(&bed, "waiting", waiting);
        }
        assert_eq!((server.requests().len(), bed.count(PRIMARY, "in_flight")), (1, 1));
        (0..4).for_each(|_| go.send(()).unwrap());
        for (number, asked) in asked.into_iter().enumerate() {
            let response = asked.join().unwrap();
            assert_eq!((response.status, response.text()), (200, number.to_string()));
        }
    });
    assert_eq!((queue(&bed, "queued"), queue(&bed, "waiting"), queue(&bed, "timed_out")), (3, 0, 0));
    bed.finish();
}

#[test]
fn who_waits_in_vain_or_finds_the_queue_full_gets_503() {
    if !privileged() {
        return;
    }
    let topology = namespace("queue-503");
    let (server, go) = held(&topology, PRIMARY);
    let text = config("queue = { size = 1, timeout = \"700ms\" }", &[(PRIMARY, ROOM_FOR_ONE)], "");
    let bed = Bed::start(topology, &text.replace("read = \"1s\"", "read = \"20s\""));
    std::thread::scope(|scope| {
        let running = ask(&bed, scope);
        wait_for(PATIENCE, "the first is there", || server.requests().len() == 1).unwrap();
        let begun = std::time::Instant::now();
        let waiting = ask(&bed, scope);
        wait_for_queue(&bed, "waiting", 1);
        assert_eq!(bed.get("/").status, 503, "the queue is full");
        assert_eq!(waiting.join().unwrap().status, 503, "nothing came in time");
        let waited = begun.elapsed().as_millis();
        assert!(waited >= 600, "{waited} ms");
        assert_eq!((queue(&bed, "refused"), queue(&bed, "timed_out"), queue(&bed, "waiting")), (1, 1, 0));
        go.send(()).unwrap();
        assert_eq!(running.join().unwrap().status, 200);
    });
    assert_eq!(server.requests().len(), 1);
    bed.finish();
}

#[test]
fn a_client_that_goes_away_leaves_the_queue() {
    if !privileged() {
        return;
    }
    let topology = namespace("queue-leave");
    let (server, go) = held(&topology, PRIMARY);
    let text = config("queue = { timeout = \"20s\" }", &[(PRIMARY, ROOM_FOR_ONE)], "");
    let bed = Bed::start(topology, &text.replace("read = \"1s\"", "read = \"20s\""));
    std::thread::scope(|scope| {
        let running = ask(&bed, scope);
        wait_for(PATIENCE, "the first is there", || server.requests().len() == 1).unwrap();
        let gone = bed.raw(b"GET /gone HTTP/1.1\r\nHost: localhost\r\n\r\n");
        wait_for_queue(&bed, "waiting", 1);
        gone.shutdown(Shutdown::Both).unwrap();
        wait_for_queue(&bed, "waiting", 0);
        (0..2).for_each(|_| go.send(()).unwrap());
        assert_eq!(running.join().unwrap().status, 200);
        assert_eq!(bed.get("/").text(), "1", "the second request that the server saw");
    });
    assert_eq!((queue(&bed, "queued"), queue(&bed, "timed_out")), (1, 0));
    bed.finish();
}

#[test]
fn a_request_that_a_server_has_failed_waits_for_the_next_one() {
    if !privileged() {
        return;
    }
    let topology = namespace("queue-retry");
    let (server, go) = held(&topology, BACKUP);
    // Nobody listens there.
    let servers = [(PRIMARY, "max_fails = 0"), (BACKUP, "backup = true\nmax_connections = 1")];
    let text = config("queue = { timeout = \"20s\" }", &servers, "");
    let bed = Bed::start(topology, &text.replace("read = \"1s\"", "read = \"20s\""));
    std::thread::scope(|scope| {
        let running = ask(&bed, scope);
        wait_for(PATIENCE, "the first is there", || server.requests().len() == 1).unwrap();
        let waiting = ask(&bed, scope);
        wait_for_queue(&bed, "waiting", 1);
        assert_eq!((bed.count(PRIMARY, "failures"), bed.count(PRIMARY, "in_flight")), (2, 0));
        (0..2).for_each(|_| go.send(()).unwrap());
        assert_eq!((running.join().unwrap().text(), waiting.join().unwrap().text()), ("0".into(), "1".into()));
    });
    assert_eq!(bed.count(PRIMARY, "retries"), 2);
    bed.finish();
}

#[test]
fn a_request_of_http2_waits_too_and_leaves_with_its_client() {
    if !privileged() {
        return;
    }
    let topology = namespace("queue-http2");
    let (server, go) = held(&topology, PRIMARY);
    let text = config("queue = { timeout = \"20s\" }", &[(PRIMARY, ROOM_FOR_ONE)], "")
        .replace("[[listener]]\n", "[[listener]]\nhttp2 = true\n");
    let bed = Bed::start(topology, &text.replace("read = \"1s\"", "read = \"20s\""));
    let curl = |most: &str| {
        let url = format!("http://{PROXY}/");
        let command = ["curl", "-s", "--http2-prior-knowledge", "--max-time", most, "-w", " %{http_version}", &url];
        String::from_utf8(bed.ns().output(&command).unwrap().stdout).unwrap()
    };
    std::thread::scope(|scope| {
        let running = ask(&bed, scope);
        wait_for(PATIENCE, "the first is there", || server.requests().len() == 1).unwrap();
        assert_eq!(curl("0.3"), " 0", "it gives up");
        wait_for_queue(&bed, "waiting", 0);
        assert_eq!(queue(&bed, "queued"), 1);
        let waiting = scope.spawn(|| curl("20"));
        wait_for_queue(&bed, "waiting", 1);
        (0..2).for_each(|_| go.send(()).unwrap());
        assert_eq!((running.join().unwrap().text(), waiting.join().unwrap()), ("0".into(), "1 2".into()));
    });
    assert_eq!(server.requests().len(), 2);
    bed.finish();
}

#[test]
fn a_reload_does_not_lose_who_waits() {
    if !privileged() {
        return;
    }
    let topology = namespace("queue-reload");
    let (server, go) = held(&topology, PRIMARY);
    let text = config("queue = { timeout = \"20s\" }", &[(PRIMARY, ROOM_FOR_ONE)], "");
    let text = text.replace("read = \"1s\"", "read = \"20s\"");
    let bed = Bed::start(topology, &text);
    std::thread::scope(|scope| {
        let running = ask(&bed, scope);
        wait_for(PATIENCE, "the first is there", || server.requests().len() == 1).unwrap();
        let waiting = ask(&bed, scope);
        wait_for_queue(&bed, "waiting", 1);
        let output = bed.daemon.reload(&text.replace("timeout = \"20s\"", "timeout = \"15s\"")).unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("upstream app: queue: 1000 for 20s -> 1000 for 15s"), "{said}");
        assert_eq!(queue(&bed, "waiting"), 1);
        (0..2).for_each(|_| go.send(()).unwrap());
        assert_eq!((running.join().unwrap().text(), waiting.join().unwrap().text()), ("0".into(), "1".into()));
    });
    bed.finish();
}

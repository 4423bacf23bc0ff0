//! Upstreams under load: the queue.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use common::PATIENCE;
use common::proxy::{Bed, PRIMARY, Server, config, namespace, status};
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

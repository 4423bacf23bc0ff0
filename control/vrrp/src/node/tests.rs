use std::net::IpAddr;
use std::sync::Arc;

use super::{Actions, Node};
use crate::message::Advert;
use crate::outcome::{Action, State};
use crate::receive::Received;
use crate::router::{Router, SECOND};

fn router(name: &str, id: u8, priority: u8) -> Arc<Router> {
    let addresses = vec![IpAddr::from([10, 0, 0, 100])];
    Arc::new(Router { priority, ..Router::new(name, "eth0", id, addresses) })
}

fn received(id: u8, priority: u8) -> Received {
    Received {
        advert: Advert { id, priority, interval: SECOND, addresses: Vec::new() },
        source: "10.0.0.9".parse().expect("an address"),
        warnings: Vec::new(),
        message_only: false,
    }
}

fn pair() -> Node {
    let routers = [router("A", 1, 100), router("B", 2, 150)];
    let mut node = Node::new(&routers, &[("G".into(), vec![0, 1])]);
    node.start(0, &mut Vec::new());
    node
}

fn states(node: &Node) -> Vec<State> {
    node.machines().map(crate::Machine::state).collect()
}

const PRIMARY: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)));

/// Until nothing is due before `end`.
fn run(node: &mut Node, end: u64) -> Actions {
    let mut out = Vec::new();
    while let Some(at) = node.next_deadline().filter(|at| *at < end) {
        node.on_timer(at, &mut out);
    }
    out
}

#[test]
fn a_group_becomes_master_when_its_last_member_may() {
    let mut node = pair();
    // B's timer runs out first, at 3414 ms.
    run(&mut node, 3_500_000);
    assert_eq!(states(&node), [State::Backup, State::Backup]);
    let out = run(&mut node, 3_700_000);
    assert_eq!(states(&node), [State::Master, State::Master]);
    assert!(matches!(out[1].1, Action::SendAdvert { priority: 100 }), "an advert before anything else: {out:?}");
}

#[test]
fn a_member_that_hears_a_master_keeps_the_group_backup() {
    let mut node = pair();
    for second in 1..10 {
        run(&mut node, second * SECOND);
        node.on_advert(0, second * SECOND, &received(1, 200), PRIMARY, &mut Vec::new());
    }
    assert_eq!(states(&node), [State::Backup, State::Backup]);
}

#[test]
fn one_that_yields_takes_the_others_along() {
    let mut node = pair();
    run(&mut node, 4 * SECOND);
    let mut out = Vec::new();
    node.on_advert(0, 4 * SECOND, &received(1, 200), PRIMARY, &mut out);
    assert_eq!(states(&node), [State::Backup, State::Backup]);
    assert!(out.contains(&(1, Action::SendAdvert { priority: 0 })), "{out:?}");
    assert!(out.contains(&(1, Action::Hold(false))), "{out:?}");
}

#[test]
fn one_that_fails_keeps_all_out() {
    let mut node = pair();
    run(&mut node, 4 * SECOND);
    node.set_fault(1, 5 * SECOND, Some("eth1 is down".into()), &mut Vec::new());
    assert_eq!(states(&node), [State::Fault, State::Fault]);
    node.set_fault(1, 6 * SECOND, None, &mut Vec::new());
    assert_eq!(states(&node), [State::Backup, State::Backup]);
    run(&mut node, 10 * SECOND);
    assert_eq!(states(&node), [State::Master, State::Master]);
}

#[test]
fn a_reload_goes_on_with_the_state() {
    let mut node = pair();
    run(&mut node, 4 * SECOND);
    let mut next = Node::new(&[router("A", 1, 90), router("C", 3, 100)], &[]);
    let mut out = Vec::new();
    next.inherit(node, 5 * SECOND, &mut out);
    assert_eq!(states(&next), [State::Master, State::Init]);
    assert_eq!(out, [(0, Action::SendAdvert { priority: 90 })]);
}

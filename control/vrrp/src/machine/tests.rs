use std::net::IpAddr;
use std::sync::Arc;

use super::Machine;
use crate::message::Advert;
use crate::outcome::{Action, Cause, Effect, State};
use crate::receive::Received;
use crate::router::{Micros, Router, SECOND, Version};

fn machine(priority: u8, change: impl FnOnce(&mut Router)) -> Machine {
    let router = Router::new("VI_1", "eth0", 51, vec![address(100)]);
    let mut router = Router { priority, interval: SECOND / 10, ..router };
    change(&mut router);
    Machine::new(Arc::new(router), false)
}

fn started(priority: u8, change: impl FnOnce(&mut Router)) -> Machine {
    let mut machine = machine(priority, change);
    machine.start(0, &mut Vec::new());
    machine
}

fn received(priority: u8, interval: Micros) -> Received {
    Received {
        advert: Advert { id: 51, priority, interval, addresses: Vec::new() },
        source: address(9),
        warnings: Vec::new(),
        message_only: false,
    }
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn hear(machine: &mut Machine, now: Micros, priority: u8) -> (Effect, Vec<Action>) {
    let mut out = Vec::new();
    let effect = machine.on_advert(now, &received(priority, SECOND / 10), Some(address(2)), &mut out);
    (effect, out)
}

#[test]
fn a_backup_waits_for_the_whole_interval_and_then_speaks_first() {
    let mut machine = started(100, |_| {});
    assert_eq!(machine.next_deadline(), Some(360_937));
    let mut out = Vec::new();
    machine.on_timer(360_936, &mut out);
    assert!(out.is_empty());
    machine.on_timer(360_937, &mut out);
    let became = Action::Became { from: State::Backup, to: State::Master, cause: Cause::Silence(360_937) };
    assert_eq!(out, [Action::SendAdvert { priority: 100 }, Action::Hold(true), Action::Announce, became]);
}

#[test]
fn an_owner_is_master_at_once() {
    assert_eq!(started(255, |_| {}).state(), State::Master);
}

#[test]
fn the_skew_of_short_intervals_is_exact() {
    let machine = started(100, |router| router.interval = 10_000);
    assert_eq!(machine.next_deadline(), Some(36_093));
    let second = started(254, |router| router.version = Version::V2);
    assert_eq!(second.router().skew(254, 100_000), 7_812, "version 2 counts in seconds");
}

#[test]
fn adverts_come_at_a_steady_pace_and_late_ones_do_not_add_up() {
    let mut machine = started(255, |_| {});
    for (now, next) in [(100_000, 200_000), (200_900, 300_000), (650_000, 750_000)] {
        machine.on_timer(now, &mut Vec::new());
        assert_eq!(machine.next_deadline(), Some(next));
    }
}

#[test]
fn a_master_that_leaves_is_followed_after_the_skew_time() {
    let mut machine = started(100, |_| {});
    hear(&mut machine, 1000, 150);
    assert_eq!(hear(&mut machine, 50_000, 0).0, Effect::SkewTimer);
    let mut out = Vec::new();
    machine.on_timer(50_000 + 60_937, &mut out);
    let cause = Cause::MasterLeft(Some(address(9)));
    assert_eq!(out.last(), Some(&Action::Became { from: State::Backup, to: State::Master, cause }));
}

#[test]
fn the_interval_of_the_master_counts() {
    let mut machine = started(100, |_| {});
    machine.on_advert(0, &received(150, 2 * SECOND), None, &mut Vec::new());
    assert_eq!(machine.next_deadline(), Some(6 * SECOND + 156 * 2 * SECOND / 256));
}

#[test]
fn without_preemption_a_lower_master_stays() {
    let mut machine = started(100, |router| router.preempt = false);
    assert_eq!(hear(&mut machine, 1000, 50).0, Effect::RestartMasterDown);
}

#[test]
fn a_lower_master_is_let_be_for_the_delay_only() {
    let mut machine = started(100, |router| router.preempt_delay = SECOND);
    assert_eq!(hear(&mut machine, SECOND / 10, 50).0, Effect::RestartMasterDown);
    assert_eq!(hear(&mut machine, SECOND, 50).0, Effect::RestartMasterDown);
    assert_eq!(hear(&mut machine, SECOND + SECOND / 10, 50).0, Effect::KeepTimer);
}

#[test]
fn what_comes_does_not_move_the_adverts_of_a_master() {
    let mut machine = started(255, |_| {});
    let due = machine.next_deadline();
    machine.set_priority(40);
    assert_eq!(machine.priority(), 255, "tracking leaves an owner alone");
    assert_eq!(machine.next_deadline(), due);
}

#[test]
fn a_fault_ends_the_rule_with_one_advert_of_priority_0() {
    let mut machine = started(255, |_| {});
    let mut out = Vec::new();
    machine.set_fault(1000, Some("eth0 is down".into()), &mut out);
    assert_eq!(out[..2], [Action::SendAdvert { priority: 0 }, Action::Hold(false)]);
    assert_eq!((machine.state(), machine.next_deadline()), (State::Fault, None));
    out.clear();
    machine.set_fault(2000, Some("eth0 is gone".into()), &mut out);
    assert!(out.is_empty(), "no second one: {out:?}");
}

#[test]
fn a_fault_from_the_beginning_lets_nothing_out() {
    let mut machine = machine(255, |_| {});
    let mut out = Vec::new();
    machine.set_fault(0, Some("eth0 is down".into()), &mut out);
    machine.start(0, &mut out);
    assert!(matches!(out[..], [Action::Became { to: State::Fault, .. }]), "{out:?}");
}

#[test]
fn stopping_twice_says_it_once() {
    let mut machine = started(255, |_| {});
    let mut out = Vec::new();
    machine.stop(&mut out);
    machine.stop(&mut out);
    assert_eq!(out.iter().filter(|action| matches!(action, Action::SendAdvert { .. })).count(), 1);
}

#[test]
fn new_settings_keep_what_tracking_takes() {
    let mut machine = started(200, |_| {});
    machine.on_timer(SECOND, &mut Vec::new());
    machine.set_priority(180);
    let (mut out, same) = (Vec::new(), Arc::clone(machine.router()));
    machine.reconfigure(2 * SECOND, same, false, &mut out);
    assert!(out.is_empty(), "nothing has changed: {out:?}");
    let other = Arc::new(Router { priority: 100, ..(**machine.router()).clone() });
    machine.reconfigure(2 * SECOND, other, false, &mut out);
    assert_eq!(out, [Action::SendAdvert { priority: 80 }]);
}

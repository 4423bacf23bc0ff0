use std::time::Duration;

use crate::config::{self, Balance};
use crate::upstream::tests::{configured, key, server};
use crate::upstream::{Admin, Attempts, Pick, Upstream};

/// Slow start takes a thousand seconds.
const RISE: u64 = 1_000_000;
/// When the second server comes back.
const BACK: u64 = 50_000;

/// Two servers of the same weight, of which the second starts slowly.
fn upstream(balance: Balance) -> Upstream {
    let slow = config::Server { weight: 3, slow_start: Duration::from_millis(RISE), ..server(2) };
    Upstream::new(configured(balance, vec![config::Server { weight: 3, ..server(1) }, slow]), None)
}

fn pick(upstream: &Upstream, now: u64) -> Pick<'_> {
    upstream.pick(&mut Attempts::default(), &key(b""), now).unwrap()
}

/// How many of a thousand requests the second server gets. `running`: how many run at a time.
fn share(upstream: &Upstream, now: u64, running: usize) -> usize {
    let mut picks = std::collections::VecDeque::new();
    let mut count = 0;
    for _ in 0..1000 {
        picks.push_back(pick(upstream, now));
        count += usize::from(picks.back().is_some_and(|pick| pick.server().address().port() == 2));
        if picks.len() >= running {
            picks.pop_front();
        }
    }
    count
}

fn come_back(upstream: &Upstream) {
    upstream.servers()[1].set_checked(false, 1);
    upstream.servers()[1].set_checked(true, BACK);
}

#[test]
fn the_ramp_is_a_straight_line_from_one_percent() {
    let upstream = upstream(Balance::RoundRobin);
    let server = &upstream.servers()[1];
    assert_eq!(server.ramp(0), 100, "not at the first start");
    come_back(&upstream);
    let ramps = [0, RISE / 4, RISE / 2, RISE - 1, RISE, 9 * RISE].map(|after| server.ramp(BACK + after));
    assert_eq!(ramps, [1, 25, 50, 99, 100, 100]);
    assert_eq!(upstream.servers()[0].ramp(BACK), 100, "it has none");
}

#[test]
fn round_robin_gives_a_newcomer_its_share() {
    let upstream = upstream(Balance::RoundRobin);
    assert_eq!(share(&upstream, BACK, 1), 500);
    come_back(&upstream);
    // Of weights 1 and 100, 50 and 100, 100 and 100.
    for (after, expected) in [(0, 10), (RISE / 2, 333), (RISE, 500)] {
        let share = share(&upstream, BACK + after, 1);
        assert!(share.abs_diff(expected) <= 2, "{share} instead of {expected}");
    }
}

#[test]
fn least_conn_gives_a_newcomer_its_share_of_the_load() {
    let upstream = upstream(Balance::LeastConn);
    come_back(&upstream);
    for (after, expected) in [(RISE / 10, 91), (RISE / 2, 333), (RISE, 500)] {
        let share = share(&upstream, BACK + after, 110);
        assert!(share.abs_diff(expected) <= 40, "{share} instead of {expected}");
    }
}

#[test]
fn random_two_and_ewma_spare_a_newcomer() {
    for balance in [Balance::RandomTwo, Balance::Ewma] {
        let upstream = upstream(balance);
        upstream.servers().iter().for_each(|server| server.succeeded(false, 1000, 0));
        come_back(&upstream);
        let shares = [0, RISE / 2, RISE].map(|after| share(&upstream, BACK + after, 8));
        assert!(shares[0] <= 30, "{balance:?}: {shares:?}");
        assert!((300..=560).contains(&shares[1]), "{balance:?}: {shares:?}");
        assert!((400..=600).contains(&shares[2]), "{balance:?}: {shares:?}");
    }
}

#[test]
fn a_newcomer_without_company_gets_all() {
    for balance in [Balance::RoundRobin, Balance::LeastConn, Balance::RandomTwo, Balance::Ewma] {
        let upstream = upstream(balance);
        come_back(&upstream);
        upstream.servers()[0].set_admin(Admin::Drain, BACK);
        assert_eq!(share(&upstream, BACK, 1), 1000, "{balance:?}");
    }
}

#[test]
fn a_server_starts_slowly_after_a_probe_and_when_it_is_enabled() {
    let upstream = upstream(Balance::RoundRobin);
    let server = &upstream.servers()[1];
    server.failed(1);
    let probe = loop {
        let pick = pick(&upstream, BACK);
        if pick.server().address().port() == 2 {
            break pick;
        }
    };
    probe.succeeded(1, BACK);
    assert_eq!(server.ramp(BACK), 1);
    server.set_admin(Admin::Enabled, BACK + RISE);
    assert_eq!(server.ramp(BACK + RISE), 100, "it was enabled before");
    server.set_admin(Admin::Drain, BACK + RISE);
    server.set_admin(Admin::Enabled, BACK + RISE + 1);
    assert_eq!(server.ramp(BACK + RISE + 1), 1);
}

#[test]
fn what_the_checks_say_outweighs_failures_before() {
    let upstream = upstream(Balance::RoundRobin);
    let server = &upstream.servers()[1];
    server.failed(BACK);
    server.set_checked(true, BACK);
    assert!(server.is_out(BACK), "they said so before");
    server.set_checked(false, BACK);
    server.set_checked(true, BACK + 1);
    assert!(!server.is_out(BACK + 1));
}

use std::time::Duration;

use super::*;
use crate::config::{Balance, HashKey, Retry};

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

pub fn server(port: u16) -> config::Server {
    config::Server {
        name: format!("127.0.0.1:{port}"),
        host: None,
        address: ([127, 0, 0, 1], port).into(),
        weight: 1,
        max_fails: 1,
        fail_timeout: Duration::from_secs(10),
        backup: false,
        down: false,
        max_connections: 0,
        slow_start: Duration::ZERO,
    }
}

fn backup(port: u16) -> config::Server {
    config::Server { backup: true, ..server(port) }
}

fn upstream(balance: Balance, servers: Vec<config::Server>) -> Upstream {
    Upstream::new(configured(balance, servers), None)
}

pub fn configured(balance: Balance, servers: Vec<config::Server>) -> config::Upstream {
    config::Upstream {
        name: "app".to_owned(),
        balance,
        keepalive: 4,
        retry: Retry::default(),
        servers,
        tls: None,
        http2: false,
        send_proxy: None,
        sticky: None,
        queue: None,
        backup_below: 0,
    }
}

pub fn key(hashed: &[u8]) -> Key<'_> {
    Key { client: CLIENT, hashed, bound: None }
}

/// The port of the server that a new request gets.
fn first(upstream: &Upstream, now: u64) -> Option<u16> {
    let pick = upstream.pick(&mut Attempts::default(), &key(b""), now).ok()?;
    Some(pick.server().address().port())
}

fn fail(upstream: &Upstream, port: u16, now: u64) {
    upstream.servers().iter().find(|server| server.address().port() == port).unwrap().failed(now);
}

/// `upstream/tests/nginx.tsv`: what nginx 1.22.1 chose, by algorithm and key, of four servers with weights 1, 2, 1 and 3; in the lines
/// named `…_down` the second and the fourth are `down`.
#[test]
fn a_client_keeps_its_server_while_it_can_be_asked() {
    let sticky = Some(config::Sticky::new("srv".to_owned()));
    let config = config::Upstream { sticky, ..configured(Balance::RoundRobin, vec![server(1), server(2), backup(3)]) };
    let upstream = Upstream::new(config, None);
    let line = upstream.servers()[1].set_cookie().to_owned();
    let cookie = line.strip_prefix("Set-Cookie: ").unwrap().split(';').next().unwrap();
    let fields = [httparse::Header { name: "cookie", value: cookie.as_bytes() }];
    assert_eq!(upstream.bound(&[httparse::Header { name: "cookie", value: b"srv=unknown" }]), None);
    let key = Key { bound: upstream.bound(&fields), ..key(b"") };
    let pick = |attempts: &mut Attempts, now| {
        let pick = upstream.pick(attempts, &key, now).unwrap();
        (pick.server().address().port(), pick.bound)
    };
    let kept = |now| pick(&mut Attempts::default(), now);
    assert_eq!([kept(0), kept(0), kept(0)], [(2, true); 3]);
    upstream.servers()[1].set_admin(Admin::Drain, 0);
    assert_eq!(kept(0), (2, true), "a server that drains goes on with those it has");
    upstream.servers()[1].set_admin(Admin::Down, 0);
    assert_eq!(kept(0), (1, false));
    upstream.servers()[1].set_admin(Admin::Enabled, 0);
    upstream.servers()[1].set_checked(false, 0);
    assert_eq!(kept(0), (1, false));
    upstream.servers()[1].set_checked(true, 0);
    fail(&upstream, 2, 0);
    assert_eq!(kept(1), (1, false));
    assert_eq!(kept(20_000), (2, true), "to find out whether it works again");
    let mut attempts = Attempts::default();
    assert_eq!([pick(&mut attempts, 90_000), pick(&mut attempts, 90_000)], [(2, true), (1, false)], "not twice");
}

#[test]
fn choices_are_those_of_nginx() {
    let servers = |down: bool| {
        let weights = [(19001, 1), (19002, 2), (19003, 1), (19004, 3)];
        let server = |(port, weight)| config::Server { weight, down: down && port % 2 == 0, ..server(port) };
        weights.map(server).to_vec()
    };
    let balance = |name: &str| match name {
        "consistent" => Balance::HashConsistent(HashKey::Uri),
        "plain" => Balance::Hash(HashKey::Uri),
        "iphash" => Balance::IpHash,
        "rr" => Balance::RoundRobin,
        other => panic!("{other}"),
    };
    let mut upstreams = std::collections::HashMap::new();
    let mut count = 0;
    for line in include_str!("tests/nginx.tsv").lines() {
        let [name, hashed, port] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let upstream = upstreams
            .entry(name)
            .or_insert_with(|| upstream(balance(name.trim_end_matches("_down")), servers(name.ends_with("_down"))));
        let client = hashed.parse().unwrap_or(CLIENT);
        let pick = upstream
            .pick(&mut Attempts::default(), &Key { client, hashed: hashed.as_bytes(), bound: None }, 0)
            .unwrap();
        assert_eq!(pick.server().address().port().to_string(), port, "{name} {hashed}");
        count += 1;
    }
    assert_eq!(count, 418);
}

#[test]
fn smooth_round_robin_spreads_the_heavy_server() {
    let heavy = config::Server { weight: 5, ..server(1) };
    let upstream = upstream(Balance::RoundRobin, vec![heavy, server(2), server(3)]);
    let chosen: Vec<_> = (0..7).map(|_| first(&upstream, 0).unwrap()).collect();
    assert_eq!(chosen, [1, 1, 2, 1, 3, 1, 1]);
}

#[test]
fn a_request_asks_each_server_once_and_the_backups_last() {
    let upstream = upstream(Balance::RoundRobin, vec![server(1), backup(9), server(2), backup(8)]);
    let mut attempts = Attempts::default();
    let mut ports = Vec::new();
    while let Ok(pick) = upstream.pick(&mut attempts, &key(b""), 0) {
        ports.push(pick.server().address().port());
    }
    assert_eq!(ports, [1, 2, 9, 8]);
    assert_eq!(attempts.count, 4);
}

#[test]
fn backups_work_with_every_algorithm() {
    for balance in [
        Balance::RoundRobin,
        Balance::LeastConn,
        Balance::IpHash,
        Balance::Hash(HashKey::Uri),
        Balance::HashConsistent(HashKey::Uri),
        Balance::RandomTwo,
        Balance::Ewma,
    ] {
        let upstream = upstream(balance, vec![server(1), server(2), backup(3)]);
        assert!(first(&upstream, 0).is_some_and(|port| port < 3), "{balance:?}");
        fail(&upstream, 1, 0);
        fail(&upstream, 2, 0);
        assert_eq!(first(&upstream, 1), Some(3), "{balance:?}");
    }
}

#[test]
fn backups_join_below_so_many_primaries() {
    for balance in [Balance::RoundRobin, Balance::LeastConn, Balance::HashConsistent(HashKey::Uri), Balance::Ewma] {
        let servers = vec![server(1), server(2), server(3), backup(4)];
        let upstream =
            Upstream::new(config::Upstream { backup_below: 2, ..configured(balance, servers.clone()) }, None);
        let asked = |now| {
            let pick = |key: u32| upstream.pick(&mut Attempts::default(), &self::key(&key.to_le_bytes()), now).unwrap();
            (0..60).map(|key| pick(key).server().address().port()).collect::<std::collections::BTreeSet<_>>()
        };
        fail(&upstream, 1, 0);
        assert_eq!(asked(1), [2, 3].into(), "{balance:?}: two are enough");
        upstream.servers()[1].set_checked(false, 1);
        assert_eq!(asked(2), [3, 4].into(), "{balance:?}: one is not");
        // All are out, and each was asked once.
        fail(&upstream, 3, 2);
        let mut attempts = Attempts::default();
        while upstream.pick(&mut attempts, &key(b""), 3).is_ok() {}
        assert_eq!(attempts.count, 3, "{balance:?}");
        // Back, but not yet proved: that does not count.
        upstream.servers()[1].set_checked(true, 4);
        assert_eq!(asked(20_000), [1, 2, 3, 4].into(), "{balance:?}");
    }
}

#[test]
fn a_failed_server_is_out_for_its_time_and_then_probed_by_one_request() {
    let upstream = upstream(Balance::RoundRobin, vec![server(1), server(2)]);
    fail(&upstream, 1, 1000);
    assert!((0..4).all(|_| first(&upstream, 10_999) == Some(2)));
    let mut attempts = Attempts::default();
    let probes: Vec<_> = (0..3).map(|_| upstream.pick(&mut attempts, &key(b""), 11_000).ok()).collect();
    let probe = probes.iter().flatten().find(|pick| pick.server().address().port() == 1).expect("one is let through");
    assert_eq!(probe.server().state(11_000), State::Probing);
    assert!((0..4).all(|_| first(&upstream, 11_001) == Some(2)), "the others keep away");
    probe.succeeded(100, 11_001);
    assert_eq!(probe.server().state(11_002), State::Up);
    assert!((0..4).any(|_| first(&upstream, 11_002) == Some(1)));
}

#[test]
fn failures_count_within_a_true_window_whatever_lies_between() {
    let twice = config::Server { max_fails: 2, ..server(1) };
    let upstream = upstream(Balance::RoundRobin, vec![twice, server(2)]);
    fail(&upstream, 1, 0);
    fail(&upstream, 1, 10_001);
    assert_eq!(upstream.servers()[0].state(10_001), State::Up, "the first is too old");
    fail(&upstream, 1, 20_000);
    assert_eq!(upstream.servers()[0].state(20_000), State::Down);
}

#[test]
fn a_server_that_is_alone_is_never_out() {
    let down = config::Server { down: true, ..server(2) };
    let upstream = upstream(Balance::RoundRobin, vec![server(1), down]);
    (0..5).for_each(|now| fail(&upstream, 1, now));
    assert_eq!((first(&upstream, 5), upstream.servers()[0].state(5)), (Some(1), State::Up));
}

#[test]
fn when_all_are_out_the_least_recently_failed_primary_is_asked() {
    let upstream = upstream(Balance::RoundRobin, vec![server(1), server(2), backup(3)]);
    for (port, at) in [(3, 0), (2, 10), (1, 20)] {
        fail(&upstream, port, at);
    }
    let pick = upstream.pick(&mut Attempts::default(), &key(b""), 30).unwrap();
    assert!(pick.last_resort && pick.server().address().port() == 2);
}

#[test]
fn nobody_is_asked_who_may_not_be() {
    let down = config::Server { down: true, ..server(1) };
    let upstream = upstream(Balance::RoundRobin, vec![down, server(2), server(3)]);
    upstream.servers()[1].set_admin(Admin::Drain, 0);
    upstream.servers()[2].set_checked(false, 0);
    let none = upstream.pick(&mut Attempts::default(), &key(b""), 0);
    assert_eq!(none.err(), Some(NoServer::Left));
    upstream.servers()[2].set_checked(true, 0);
    assert_eq!(first(&upstream, 0), Some(3));
}

#[test]
fn full_servers_are_left_out_until_a_request_ends() {
    let full = config::Server { max_connections: 1, ..server(1) };
    let upstream = upstream(Balance::RoundRobin, vec![full]);
    let pick = upstream.pick(&mut Attempts::default(), &key(b""), 0).unwrap();
    let busy = upstream.pick(&mut Attempts::default(), &key(b""), 0);
    assert_eq!(busy.err(), Some(NoServer::Busy));
    drop(pick);
    assert_eq!(first(&upstream, 0), Some(1));
}

#[test]
fn least_conn_weighs_and_takes_turns_among_equals() {
    let heavy = config::Server { weight: 2, ..server(1) };
    let upstream = upstream(Balance::LeastConn, vec![heavy, server(2)]);
    let mut attempts: Vec<Attempts> = (0..6).map(|_| Attempts::default()).collect();
    let picks: Vec<_> = attempts.iter_mut().map(|attempts| upstream.pick(attempts, &key(b""), 0).unwrap()).collect();
    let of_first = picks.iter().filter(|pick| pick.server().address().port() == 1).count();
    assert_eq!(of_first, 4, "two thirds");
}

#[test]
fn ewma_prefers_the_fast_one() {
    let upstream = upstream(Balance::Ewma, vec![server(1), server(2)]);
    for (port, latency) in [(0, 50_000), (1, 1000)] {
        let server = &upstream.servers()[port];
        server.succeeded(false, latency, 0);
        assert_eq!(server.latency(), latency);
    }
    assert!((0..20).all(|_| first(&upstream, 0) == Some(2)));
    // A peak counts at once, what is better only bit by bit.
    let server = &upstream.servers()[1];
    server.succeeded(false, 9000, 0);
    server.succeeded(false, 1000, 0);
    assert_eq!(server.latency(), 8000);
}

#[test]
fn failures_take_weight_that_comes_back() {
    let heavy = config::Server { weight: 4, max_fails: 4, ..server(1) };
    let upstream = upstream(Balance::RoundRobin, vec![heavy, config::Server { weight: 4, ..server(2) }]);
    (0..3).for_each(|_| fail(&upstream, 1, 0));
    let chosen: Vec<_> = (0..3).map(|_| first(&upstream, 1).unwrap()).collect();
    assert_eq!(chosen, [2, 1, 2]);
    let later = (0..40).filter(|_| first(&upstream, 1) == Some(1)).count();
    assert!((18..=21).contains(&later), "{later} of 40");
}

#[test]
fn the_budget_bounds_repeats() {
    let upstream = upstream(Balance::RoundRobin, vec![server(1)]);
    let mut running: Vec<_> = (0..50).map(|_| upstream.enter()).collect();
    let allowed = running.iter_mut().filter_map(|running| running.may_repeat().then_some(())).count();
    assert_eq!(allowed, 10, "a fifth of those that run");
    drop(running);
    let mut few: Vec<_> = (0..3).map(|_| upstream.enter()).collect();
    assert!(few.iter_mut().all(Running::may_repeat), "three always");
}

#[test]
fn a_reload_keeps_what_is_known_and_where_round_robin_is() {
    let before = upstream(Balance::RoundRobin, vec![server(1), server(2), server(3)]);
    assert_eq!(first(&before, 0), Some(1));
    fail(&before, 3, 5);
    let after =
        Upstream::new(configured(Balance::RoundRobin, vec![server(1), server(2), server(3), server(4)]), Some(&before));
    assert_eq!(after.servers()[2].state(6), State::Down);
    assert_eq!(first(&after, 6), Some(2), "it goes on with the second");
    assert_eq!(after.servers()[0].requests(), 1);
}

#[test]
fn a_server_that_is_back_gets_its_share_little_by_little() {
    for balance in [Balance::RoundRobin, Balance::LeastConn, Balance::RandomTwo] {
        let slow = config::Server { slow_start: Duration::from_secs(10), ..server(1) };
        let upstream = upstream(balance, vec![slow, server(2)]);
        let share = |now: u64| (0..2000).filter(|_| first(&upstream, now) == Some(1)).count();
        assert!((800..1200).contains(&share(5)), "not at the start");
        upstream.servers()[0].set_checked(false, 1000);
        upstream.servers()[0].set_checked(true, 2000);
        let shares = [2000, 7000, 12_000].map(share);
        assert!(shares[0] < 100 && (300..750).contains(&shares[1]) && shares[2] > 800, "{balance:?} {shares:?}");
    }
    let slow = config::Server { slow_start: Duration::from_secs(10), ..server(1) };
    let alone = upstream(Balance::RoundRobin, vec![slow]);
    alone.servers()[0].set_admin(Admin::Drain, 0);
    alone.servers()[0].set_admin(Admin::Enabled, 1);
    assert!((0..50).all(|_| first(&alone, 2) == Some(1)), "nobody else can");
}

#[test]
fn last_resorts_are_counted_over_reloads() {
    let before = upstream(Balance::RoundRobin, vec![server(1), server(2)]);
    fail(&before, 1, 0);
    fail(&before, 2, 1);
    assert_eq!(first(&before, 2), Some(1));
    let after = Upstream::new(configured(Balance::LeastConn, vec![server(1), server(2)]), Some(&before));
    assert_eq!((first(&after, 3), after.last_resorts()), (Some(1), 2));
}

use std::time::Duration;

use headgate_dataplane::servers::Servers;
use headgate_xsk::SharedWords;

use super::*;
use crate::config::{self, Environment};

const A: &str = "10.0.0.1:80";
const B: &str = "10.0.0.2:80";
const C: &str = "10.0.0.3:80";
const SORRY: &str = "10.0.0.9:80";

/// Three servers of weight 1, 2 and 3; `keys` of the service, and `each` of the servers.
fn registry(keys: &str, each: &str) -> Registry {
    let words = SharedWords::new(c"headgate-test", Servers::words_needed(64), false).unwrap();
    let mut registry = Registry::new(Arc::new(Servers::new(words).unwrap()));
    load(&mut registry, keys, each);
    registry
}

fn load(registry: &mut Registry, keys: &str, each: &str) {
    let server =
        |(address, weight)| format!("[[service.server]]\naddress = \"{address}\"\nweight = {weight}\n{each}\n");
    let servers: Vec<_> = [(A, 1), (B, 2), (C, 3)].map(server).to_vec();
    let text = format!(
        "[dataplane]\ninterfaces = [\"eth0\"]\n[[service]]\nname = \"web\"\nprotocol = \"tcp\"\n\
         address = \"10.0.0.100:80\"\nforward = \"nat\"\n{keys}\n{}",
        servers.concat()
    );
    let loaded = config::parse("test.toml", &text, &Environment { hostname: "test".into(), cores: None }).unwrap();
    registry.apply(&loaded.model).unwrap();
}

/// Servers in the pool, with their weights.
fn pool(registry: &Registry) -> Vec<(String, u32)> {
    let scheduled = registry.services()[0].scheduled_servers();
    let pool = scheduled.map(|server| (server.shown.to_string(), server.effective_weight())).collect::<Vec<_>>();
    let members = registry.services()[0].pool.members();
    let mut seen: Vec<_> = members.iter().map(|member| (member.address.to_string() + ":80", member.weight)).collect();
    seen.sort();
    assert_eq!(seen, pool, "what is shown is what is scheduled");
    pool
}

fn pooled(list: &[(&str, u32)]) -> Vec<(String, u32)> {
    list.iter().map(|(address, weight)| ((*address).to_owned(), *weight)).collect()
}

fn tell(registry: &mut Registry, server: &str, up: bool) -> Vec<Change> {
    registry.tell("web", server.parse().unwrap(), up, Instant::now())
}

fn server(server: &str, up: bool) -> Change {
    Change::Server { service: "web".into(), server: server.parse().unwrap(), up }
}

fn quorum(up: bool, alive: u64) -> Change {
    Change::Quorum { service: "web".into(), up, alive }
}

#[test]
fn who_fails_leaves_and_comes_back() {
    let mut registry = registry("", "");
    assert_eq!(pool(&registry), pooled(&[(A, 1), (B, 2), (C, 3)]));
    assert_eq!(tell(&mut registry, B, false), [server(B, false)]);
    assert_eq!(pool(&registry), pooled(&[(A, 1), (C, 3)]));
    assert_eq!(tell(&mut registry, B, false), [], "it is known");
    assert_eq!(tell(&mut registry, B, true), [server(B, true)]);
    assert_eq!(pool(&registry), pooled(&[(A, 1), (B, 2), (C, 3)]));
}

#[test]
fn an_inhibited_server_stays_without_weight() {
    let mut registry = registry("inhibit_on_failure = true", "");
    tell(&mut registry, B, false);
    assert_eq!(pool(&registry), pooled(&[(A, 1), (B, 0), (C, 3)]));
    tell(&mut registry, B, true);
    assert_eq!(pool(&registry), pooled(&[(A, 1), (B, 2), (C, 3)]));
}

#[test]
fn without_a_quorum_the_sorry_server_takes_the_place_of_all() {
    let mut registry = registry("quorum = 4\nhysteresis = 1\nsorry_server = \"10.0.0.9:80\"", "");
    assert_eq!(pool(&registry), pooled(&[(A, 1), (B, 2), (C, 3)]));
    // 3 of 6 is what the hysteresis lets pass.
    assert_eq!(tell(&mut registry, C, false), [server(C, false)]);
    assert_eq!(pool(&registry), pooled(&[(A, 1), (B, 2)]));
    assert_eq!(tell(&mut registry, A, false), [server(A, false), quorum(false, 2)]);
    assert_eq!(pool(&registry), pooled(&[(SORRY, 1)]));
    // 5 is needed to come back.
    assert_eq!(tell(&mut registry, A, true), [server(A, true)]);
    assert_eq!(tell(&mut registry, B, false), [server(B, false)]);
    assert_eq!(tell(&mut registry, C, true), [server(C, true)]);
    assert_eq!(pool(&registry), pooled(&[(SORRY, 1)]));
    assert_eq!(tell(&mut registry, B, true), [server(B, true), quorum(true, 6)]);
    assert_eq!(pool(&registry), pooled(&[(A, 1), (B, 2), (C, 3)]));
}

#[test]
fn without_a_sorry_server_those_that_live_go_on() {
    let mut registry = registry("quorum = 6", "");
    assert_eq!(tell(&mut registry, B, false), [server(B, false), quorum(false, 4)]);
    assert_eq!(pool(&registry), pooled(&[(A, 1), (C, 3)]));
}

#[test]
fn what_an_operator_drains_keeps_its_connections_beside_a_sorry_server() {
    let mut registry = registry("sorry_server = \"10.0.0.9:80\"", "");
    for address in [A, B, C] {
        registry.change("web", address.parse().unwrap(), Some(Override::Drain)).unwrap();
    }
    assert_eq!(pool(&registry), pooled(&[(A, 0), (B, 0), (C, 0), (SORRY, 1)]));
    registry.change("web", A.parse().unwrap(), None).unwrap();
    assert_eq!(pool(&registry), pooled(&[(A, 1), (B, 0), (C, 0)]));
}

#[test]
fn a_check_says_the_weight_until_it_says_nothing() {
    let mut registry = registry("", "");
    let address = A.parse().unwrap();
    registry.weigh("web", address, Some(40), Instant::now());
    assert_eq!(pool(&registry)[0].1, 40);
    registry.change("web", address, Some(Override::Weight(7))).unwrap();
    assert_eq!(pool(&registry)[0].1, 7, "an operator knows better");
    registry.change("web", address, None).unwrap();
    registry.weigh("web", address, None, Instant::now());
    assert_eq!(pool(&registry)[0].1, 1);
}

#[test]
fn the_weight_of_who_comes_back_grows() {
    let mut registry = registry("", "slow_start = \"10s\"");
    registry.change("web", C.parse().unwrap(), Some(Override::Weight(100))).unwrap();
    tell(&mut registry, C, false);
    let begun = Instant::now();
    registry.tell("web", C.parse().unwrap(), true, begun);
    let mut at = |seconds| {
        registry.grow(begun + Duration::from_secs(seconds));
        pool(&registry)[2].1
    };
    assert_eq!([at(0), at(1), at(5), at(9), at(10), at(11)], [1, 10, 50, 90, 100, 100]);
    assert!(!registry.grow(begun + Duration::from_secs(12)));
}

#[test]
fn what_is_known_outlives_a_reload() {
    let mut registry = registry("sorry_server = \"10.0.0.9:80\"", "");
    for address in [A, B, C] {
        tell(&mut registry, address, false);
    }
    assert_eq!(pool(&registry), pooled(&[(SORRY, 1)]));
    load(&mut registry, "scheduler = \"rr\"\nsorry_server = \"10.0.0.9:80\"", "");
    assert_eq!(pool(&registry), pooled(&[(SORRY, 1)]));
    assert!(!registry.services()[0].quorum.up);
    load(&mut registry, "scheduler = \"rr\"", "");
    assert_eq!(pool(&registry), []);
    assert_eq!(tell(&mut registry, A, true), [server(A, true), quorum(true, 1)]);
}

#[test]
fn an_orderly_stop_keeps_all_connections() {
    let mut registry = registry("sorry_server = \"10.0.0.9:80\"", "");
    tell(&mut registry, B, false);
    registry.drain_all();
    assert_eq!(pool(&registry), pooled(&[(A, 0), (C, 0)]));
}

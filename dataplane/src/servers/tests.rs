use std::net::IpAddr;

use super::*;

fn slab(capacity: u32) -> Servers {
    Servers::new(SharedWords::new(c"servers", Servers::words_needed(capacity), false).unwrap()).unwrap()
}

fn server(last: u8) -> Identity {
    Identity {
        protocol: 6,
        service: ServiceKey::Address("10.0.0.100".parse().unwrap(), 80),
        address: IpAddr::from([10, 1, 0, last]),
        port: 8080,
    }
}

fn bound(servers: &Servers, id: ServerId, connections: u32) {
    while servers.load(id).total() < u64::from(connections) {
        servers.bind(id, true);
    }
    while servers.load(id).total() > u64::from(connections) {
        servers.unbind(id, true);
    }
}

#[test]
fn identities_of_all_kinds_survive_the_words() {
    let v6: IpAddr = "2001:db8::1".parse().unwrap();
    let v4: IpAddr = "198.51.100.255".parse().unwrap();
    let services = [
        ServiceKey::Address(v4, 0),
        ServiceKey::Address(v6, 65535),
        ServiceKey::Mark { mark: u32::MAX, ipv6: false },
        ServiceKey::Mark { mark: 7, ipv6: true },
    ];
    let servers = slab(64);
    for service in services {
        for address in [v4, v6, "::".parse().unwrap(), "0.0.0.0".parse().unwrap()] {
            let identity = Identity { protocol: 132, service, address, port: 53 };
            let id = servers.assign(&identity).unwrap();
            assert_eq!(servers.identity(id), Some(identity));
        }
    }
    assert_eq!(servers.configured().count(), 16, "no two of them share a slot");
}

#[test]
fn a_server_that_comes_back_takes_over_its_counts() {
    let servers = slab(8);
    let id = servers.assign(&server(11)).unwrap();
    servers.bind(id, true);
    servers.template_bound(id);
    servers.retire(id);
    assert_eq!(servers.configured().count(), 0);
    assert_eq!(servers.assign(&server(11)), Ok(id));
    assert_eq!((servers.active(id), servers.persistent(id)), (1, 1));
    assert_eq!(servers.configured().collect::<Vec<_>>(), [id]);
}

#[test]
fn a_slot_is_reused_only_when_retired_and_without_connections_and_templates() {
    let servers = slab(1);
    let id = servers.assign(&server(11)).unwrap();
    servers.set_thresholds(id, 1, 0);
    servers.bind(id, false);
    servers.template_bound(id);
    assert_eq!(servers.assign(&server(12)), Err(Full { capacity: 1 }), "configured");
    servers.retire(id);
    assert_eq!(servers.assign(&server(12)), Err(Full { capacity: 1 }), "a connection");
    servers.unbind(id, false);
    assert_eq!(servers.assign(&server(12)), Err(Full { capacity: 1 }), "a template");
    servers.template_unbound(id);
    servers.bind(id, true);
    servers.unbind(id, true);
    assert_eq!(servers.assign(&server(12)), Ok(id));
    assert_eq!(servers.identity(id), Some(server(12)));
    assert_eq!((servers.load(id), servers.thresholds(id)), (Load::default(), (0, 0)), "starts afresh");
}

#[test]
fn never_used_slots_are_preferred_so_that_removed_servers_keep_theirs() {
    let servers = slab(16);
    let first = servers.assign(&server(0)).unwrap();
    servers.retire(first);
    for other in 1..16 {
        assert_ne!(servers.assign(&server(other)), Ok(first));
    }
    assert_eq!(servers.assign(&server(0)), Ok(first));
}

#[test]
fn another_process_finds_servers_and_counts() {
    use std::os::fd::AsFd;
    let servers = slab(8);
    let id = servers.assign(&server(11)).unwrap();
    servers.bind(id, true);
    servers.bind(id, false);
    let fd = servers.words().as_fd().try_clone_to_owned().unwrap();
    let again = Servers::attach(SharedWords::attach(fd).unwrap()).unwrap();
    assert_eq!(again.capacity(), 8);
    assert_eq!(again.assign(&server(11)), Ok(id));
    assert_eq!(again.load(id), Load { active: 1, inactive: 1, overloaded: false });
    assert_eq!(again.id(7), Some(ServerId(7)));
    assert_eq!(again.id(8), None);
}

#[test]
fn foreign_memory_is_refused() {
    let words = |len| SharedWords::new(c"servers", len, false).unwrap();
    assert_eq!(Servers::new(words(15)).unwrap_err(), LayoutError::TooSmall { words: 15 });
    assert_eq!(Servers::attach(words(15)).unwrap_err(), LayoutError::TooSmall { words: 15 });
    assert_eq!(Servers::attach(words(16)).unwrap_err(), LayoutError::Format { found: 0, expected: FORMAT });
    for capacity in [0, 2, u64::MAX] {
        let lying = words(16);
        lying[0].store(FORMAT, Ordering::Relaxed);
        lying[1].store(capacity, Ordering::Relaxed);
        assert_eq!(Servers::attach(lying).unwrap_err(), LayoutError::Capacity { capacity, words: 16 });
    }
}

#[test]
fn counts_move_between_active_and_inactive() {
    let servers = slab(1);
    let id = servers.assign(&server(11)).unwrap();
    servers.bind(id, false);
    servers.transition(id, true);
    assert_eq!(servers.load(id), Load { active: 1, inactive: 0, overloaded: false });
    servers.transition(id, false);
    assert_eq!(servers.load(id), Load { active: 0, inactive: 1, overloaded: false });
    servers.unbind(id, false);
    assert_eq!(servers.load(id), Load::default());
}

/// Whatever order workers come in, the sum is right in the end, and meanwhile nobody sees a count below zero.
#[test]
fn a_late_count_is_made_good() {
    type Count = fn(&Servers, ServerId);
    // A connection is made active, becomes inactive and ends; a template is made and ends.
    let counts: [Count; 5] = [
        |servers, id| servers.bind(id, true),
        |servers, id| servers.transition(id, false),
        |servers, id| servers.unbind(id, false),
        Servers::template_bound,
        Servers::template_unbound,
    ];
    for first in 0..counts.len() {
        for step in 1..counts.len() {
            let servers = slab(1);
            let id = servers.assign(&server(11)).unwrap();
            for n in 0..counts.len() {
                counts[(first + n * step) % counts.len()](&servers, id);
                let load = servers.load(id);
                assert!(load.active <= 1 && load.inactive <= 1 && servers.persistent(id) <= 1, "{load:?}");
            }
            assert_eq!((servers.load(id), servers.persistent(id)), (Load::default(), 0));
            servers.retire(id);
            assert!(servers.assign(&server(12)).is_ok(), "the slot is free again");
        }
    }
}

#[test]
fn a_count_below_zero_leaves_the_other_and_the_flag_alone() {
    let servers = slab(1);
    let id = servers.assign(&server(11)).unwrap();
    servers.set_thresholds(id, 2, 1);
    (0..3).for_each(|_| servers.bind(id, false));
    (0..3).for_each(|_| servers.transition(id, false));
    assert_eq!(servers.load(id), Load { active: 0, inactive: 6, overloaded: true });
    (0..3).for_each(|_| servers.bind(id, true));
    assert_eq!(servers.load(id), Load { active: 0, inactive: 6, overloaded: true });
    (0..6).for_each(|_| servers.transition(id, true));
    assert_eq!(servers.load(id), Load { active: 6, inactive: 0, overloaded: true });
    (0..7).for_each(|_| servers.unbind(id, true));
    assert_eq!(servers.load(id), Load::default());
    servers.bind(id, true);
    assert_eq!(servers.load(id), Load::default());
}

#[test]
fn overhead_is_257_a_plus_i() {
    assert_eq!(Load { active: 3, inactive: 5, overloaded: false }.overhead(), 3 * 256 + 8);
}

/// u, l, connections that set the flag, the largest count at which it is clear again.
#[test]
fn overload_is_set_at_the_upper_and_cleared_below_the_lower_limit() {
    let table = [(4, 2, 4, 1), (4, 0, 4, 2), (1, 0, 1, 0), (2, 0, 2, 1), (8, 0, 8, 5), (5, 5, 5, 4), (100, 1, 100, 0)];
    for (upper, lower, set_at, clear_at) in table {
        let servers = slab(1);
        let id = servers.assign(&server(11)).unwrap();
        servers.set_thresholds(id, upper, lower);
        bound(&servers, id, set_at - 1);
        assert!(!servers.overloaded(id), "u={upper} l={lower}");
        bound(&servers, id, set_at);
        assert!(servers.overloaded(id), "u={upper} l={lower}");
        bound(&servers, id, clear_at + 1);
        assert!(servers.overloaded(id), "u={upper} l={lower} between the limits the flag stays");
        bound(&servers, id, clear_at);
        assert!(!servers.overloaded(id), "u={upper} l={lower}");
        bound(&servers, id, set_at - 1);
        assert!(!servers.overloaded(id), "u={upper} l={lower} between the limits the flag stays");
    }
}

#[test]
fn threshold_edits_apply_at_once() {
    let servers = slab(1);
    let id = servers.assign(&server(11)).unwrap();
    bound(&servers, id, 10);
    servers.set_thresholds(id, 10, 0);
    assert!(servers.overloaded(id), "a lowered upper limit blocks at once");
    servers.set_thresholds(id, 13, 0);
    assert!(servers.overloaded(id), "T = 10 is not below 13 - 3");
    servers.set_thresholds(id, 14, 0);
    assert!(!servers.overloaded(id), "T = 10 is below 14 - 3");
    servers.set_thresholds(id, 10, 0);
    servers.set_thresholds(id, 0, 0);
    assert!(!servers.overloaded(id), "no upper limit, no flag");
}

#[test]
fn a_transition_does_not_look_at_the_thresholds() {
    let servers = slab(1);
    let id = servers.assign(&server(11)).unwrap();
    servers.set_thresholds(id, 1, 0);
    servers.bind(id, true);
    servers.transition(id, false);
    assert_eq!(servers.load(id), Load { active: 0, inactive: 1, overloaded: true });
}

#[test]
fn counts_and_flag_stay_exact_under_contention() {
    let servers = slab(1);
    let id = servers.assign(&server(11)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let servers = &servers;
            scope.spawn(move || {
                for round in 0..20_000 {
                    servers.bind(id, thread == 0);
                    servers.transition(id, thread != 0);
                    if round >= 10 {
                        servers.unbind(id, thread != 0);
                    }
                }
            });
        }
        for upper in 1..2000 {
            servers.set_thresholds(id, upper % 50, 0);
        }
        servers.set_thresholds(id, 30, 0);
    });
    assert_eq!(servers.load(id), Load { active: 20, inactive: 10, overloaded: true });
}

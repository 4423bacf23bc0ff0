//! Changing, sharing and reading the maps of the loaded program.

use super::packets::{TCP, ip, ports};
use super::*;

#[test]
fn packets_are_counted_by_what_became_of_them() {
    let Some(program) = Program::loaded() else { return };
    let before = program.0.counters().unwrap();
    assert!(program.takes_ip(&ip(CLIENT, VIP, TCP, &ports(4000, 80))));
    assert!(!program.takes_ip(&ip(CLIENT, VIP, TCP, &ports(4000, 81))));
    assert!(!program.takes_ip(&ip(CLIENT, HOST, TCP, &ports(4000, 81))));
    let after = program.0.counters().unwrap();
    assert_eq!(
        (after.passed - before.passed, after.taken - before.taken, after.dropped_unserved - before.dropped_unserved),
        (2, 0, 1)
    );
}

#[test]
fn a_new_plan_changes_only_what_differs() {
    let Some(mut program) = Program::loaded() else { return };
    assert_eq!(program.0.apply(&plan()).unwrap(), Changes::default());
    let mut next = plan();
    next.services.retain(|service| service.ports != PortMatch::One(80));
    next.services.insert(ServiceKey { addr: VIP.parse().unwrap(), protocol: TCP, ports: PortMatch::One(443) });
    next.services.insert(ServiceKey { addr: VIP.parse().unwrap(), protocol: TCP, ports: PortMatch::Range(70, 79) });
    assert_eq!(program.0.apply(&next).unwrap(), Changes { added: 1, updated: 1, removed: 2 });
    for (port, taken) in [(80, false), (443, true), (75, true), (1500, true)] {
        assert_eq!(program.takes_ip(&ip(CLIENT, VIP, TCP, &ports(4000, port))), taken, "{port}");
    }
    let changes = program.0.apply(&SteeringMaps::default()).unwrap();
    assert_eq!((changes.added, changes.updated), (0, 0));
    assert!(!program.takes_ip(&ip(CLIENT, VIP, TCP, &ports(4000, 443))));
}

#[test]
fn a_full_map_is_refused_before_anything_changes_and_replaced_in_full() {
    if !is_root() {
        return;
    }
    let (fd, maps) = load::load(&[("services", 2)]).unwrap();
    let mut steering = Steering { links: BTreeMap::new(), program: fd, maps };
    let of = |ports: &[u16]| SteeringMaps {
        services: ports
            .iter()
            .map(|port| ServiceKey { addr: VIP.parse().unwrap(), protocol: TCP, ports: PortMatch::One(*port) })
            .collect(),
        ..SteeringMaps::default()
    };
    assert_eq!(steering.apply(&of(&[1, 2])).unwrap().added, 3);
    let error = steering.apply(&of(&[1, 2, 3])).unwrap_err();
    assert_eq!(error.to_string(), "the steering map services is full: 3 entries are wanted, 2 is the limit");
    assert_eq!(steering.apply(&of(&[1, 2])).unwrap(), Changes::default());
    assert_eq!(steering.apply(&of(&[3, 4])).unwrap(), Changes { added: 2, updated: 0, removed: 2 });
}

#[test]
fn another_process_may_go_on_with_the_descriptors() {
    let Some(program) = Program::loaded() else { return };
    let fds = program.0.share().unwrap();
    let id = program.0.program_id().unwrap();
    drop(program);
    let mut adopted = Program(Steering::adopt(fds).unwrap());
    assert_eq!(adopted.0.program_id().unwrap(), id);
    assert!(adopted.takes_ip(&ip(CLIENT, VIP, TCP, &ports(4000, 80))));
    assert_eq!(adopted.0.apply(&plan()).unwrap(), Changes::default());
}

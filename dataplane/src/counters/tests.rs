use super::*;
use crate::testing::world::{VIP, VirtualService, World, v4};

fn ids() -> [ServerId; 2] {
    let mut world = World::new();
    let nat = crate::snapshot::Forward::Nat;
    world.services = vec![VirtualService::new(crate::proto::TCP, VIP, 80).with(v4(11), nat).with(v4(12), nat)];
    [v4(11), v4(12)].map(|address| world.id(0, address))
}

#[test]
fn the_sum_is_over_workers_and_of_one_server() {
    let [id, other] = ids();
    let workers = [Counters::new(64), Counters::new(64)];
    for (factor, counters) in (1..).zip(&workers) {
        let traffic = counters.server(id).unwrap();
        traffic.connections.add(factor);
        traffic.packets_in.add(2 * factor);
        traffic.packets_out.add(3 * factor);
        traffic.bytes_in.add(5 * factor);
        traffic.bytes_out.add(7 * factor);
    }
    let sum = TrafficTotals::of(&workers, id);
    let expected = TrafficTotals { connections: 3, packets_in: 6, packets_out: 9, bytes_in: 15, bytes_out: 21 };
    assert_eq!(sum, expected);
    assert_eq!(TrafficTotals::of(&workers, other), TrafficTotals::default());
    assert_eq!(sum.since(sum), TrafficTotals::default());
    let base = TrafficTotals { connections: u64::MAX, packets_in: 1, packets_out: 2, bytes_in: 3, bytes_out: 4 };
    let since = TrafficTotals { connections: 4, packets_in: 5, packets_out: 7, bytes_in: 12, bytes_out: 17 };
    assert_eq!(sum.since(base), since, "a counter that went round counts on");
}

#[test]
fn an_id_out_of_range_has_no_counters() {
    let [id, _] = ids();
    assert!(Counters::new(0).server(id).is_none());
}

#[test]
fn each_reason_has_a_counter_and_a_name_of_its_own() {
    let counters = Counters::new(0);
    for (n, reason) in (1..).zip(DropReason::ALL) {
        (0..n).for_each(|_| counters.count_drop(*reason));
    }
    for (n, reason) in (1..).zip(DropReason::ALL) {
        assert_eq!(counters.dropped(*reason), n, "{reason:?}");
    }
    let names: std::collections::BTreeSet<_> = DropReason::ALL.iter().map(|reason| reason.name()).collect();
    assert_eq!(names.len(), DropReason::COUNT);
}

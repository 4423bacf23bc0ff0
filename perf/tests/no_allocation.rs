//! After start nothing on the packet path allocates: packets of all kinds go through a worker's rounds under a counting allocator.

use headgate_dataplane::counters::TrafficTotals;
use headgate_dataplane::pipeline::Now;
use headgate_perf::packets::{set_ttl, udp4};
use headgate_perf::rig::Rig;
use headgate_perf::traffic::Kind;
use headgate_perf::world::{Size, VIP, World, client};

/// Connections that exist from the start.
const CONNECTIONS: u32 = 256;
/// Longer than the longest timeout here (UDP, 300 s), since each round takes a second: what one phase makes ends in the next.
const ROUNDS: u32 = 400;
const NEW_PER_ROUND: u32 = 8;
const EXPIRED_TTL_PER_ROUND: u32 = 2;
const KNOWN_PER_ROUND: u32 = 8;
const MISSES_PER_ROUND: u32 = 2;

/// What went through.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Seen {
    received: u32,
    sent: u32,
}

#[test]
fn packets_through_a_worker_allocate_nothing() {
    let size = Size { connections: CONNECTIONS, capacity: 16 * 1024, frames: 2048 };
    let (world, frames) = World::new(size).expect("memory for a small table");
    let mut rig = Rig::new(world, frames, 16 * 1024).expect("memory for two rings");

    phase(&mut rig, 0);
    let (made, told, lived) =
        (connections_made(&rig), rig.world.counters.icmp_sent.value(), rig.world.table.v4().len());
    let mut seen = Seen::default();
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(vec![1_u8; 64])));
    assert_eq!(counted.count_total, 1, "the counting allocator is in use");
    let allocations = allocation_counter::measure(|| seen = phase(&mut rig, 1));

    assert_eq!(allocations.count_total, 0, "{allocations:?}");
    let from_clients = NEW_PER_ROUND + EXPIRED_TTL_PER_ROUND + KNOWN_PER_ROUND + MISSES_PER_ROUND;
    assert_eq!(seen.received, ROUNDS * (from_clients + KNOWN_PER_ROUND));
    assert_eq!(seen.sent, seen.received - ROUNDS * MISSES_PER_ROUND, "all but the misses leave, some as ICMP errors");
    assert_eq!(connections_made(&rig) - made, u64::from(ROUNDS * NEW_PER_ROUND));
    assert_eq!(rig.world.counters.icmp_sent.value() - told, u64::from(ROUNDS * EXPIRED_TTL_PER_ROUND));
    assert_eq!(rig.world.table.v4().len(), lived, "as many connections ended as were made");
    assert_eq!(rig.worker.frames_accounted(), size.frames as usize);
}

/// Rounds of one second each with packets of all kinds.
fn phase(rig: &mut Rig, number: u32) -> Seen {
    let mut seen = Seen::default();
    let start = rig.world.now.millis + u64::from(number * ROUNDS) * 1000;
    for round in 0..ROUNDS {
        for n in 0..KNOWN_PER_ROUND {
            let known = (round * KNOWN_PER_ROUND + n) % CONNECTIONS;
            assert!(rig.front.deliver(&Kind::NatForward.frame(&rig.world, known)));
            assert!(rig.back.deliver(&Kind::NatReply.frame(&rig.world, known)));
        }
        let fresh = CONNECTIONS + (number * ROUNDS + round) * NEW_PER_ROUND;
        for n in fresh..fresh + NEW_PER_ROUND {
            let kind = [Kind::Dr, Kind::TcpNatSyn, Kind::Tunnel, Kind::NatForward][n as usize % 4];
            assert!(rig.front.deliver(&kind.frame(&rig.world, n)));
        }
        for n in 0..EXPIRED_TTL_PER_ROUND {
            let mut last_hop = udp4(client(n), (VIP, 80));
            set_ttl(&mut last_hop, 1);
            assert!(rig.front.deliver(&last_hop));
        }
        for n in 0..MISSES_PER_ROUND {
            assert!(rig.front.deliver(&Kind::Miss.frame(&rig.world, n)));
        }
        let now = Now::from_millis(start + u64::from(round) * 1000);
        seen.received += rig.worker.round(now) as u32;
        seen.sent += (rig.front.collect_with(|_| ()) + rig.back.collect_with(|_| ())) as u32;
    }
    seen
}

fn connections_made(rig: &Rig) -> u64 {
    let ids = rig.world.snapshot.servers().map(|server| server.id);
    ids.map(|id| TrafficTotals::of([&*rig.world.counters], id).connections).sum()
}

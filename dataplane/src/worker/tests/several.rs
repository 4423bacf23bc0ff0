//! Workers that share one table: packets of a connection may come to any of them.

use std::net::SocketAddr;

use headgate_wire::tcp::Flags;

use super::rig::Rig;
use crate::proto;
use crate::servers::Load;
use crate::snapshot::{Forward, Persistence};
use crate::testing::packets::{ACK, FIN, RST, SYN, client, open, tcp, udp};
use crate::testing::random::Rng;
use crate::testing::world::{BACK, FRONT, VIP, VirtualService, World, v4};

fn rig() -> Rig {
    let mut world = World::new();
    world.services = vec![
        VirtualService::new(proto::TCP, VIP, 80).with(v4(11), Forward::Nat).with(v4(12), Forward::Nat),
        VirtualService::new(proto::UDP, VIP, 53).with(v4(13), Forward::Nat).with(v4(14), Forward::Dr),
        VirtualService {
            persistence: Some(Persistence { timeout_s: 50, prefix_len: 32 }),
            ..VirtualService::new(proto::TCP, VIP, 443).with(v4(15), Forward::Nat).with(v4(16), Forward::Nat)
        },
    ];
    Rig::new(world, 2)
}

fn vip() -> SocketAddr {
    (VIP, 80).into()
}

#[test]
fn a_reply_to_another_worker_finds_its_connection() {
    let mut rig = rig();
    let request = open(&rig.through(0, FRONT, &tcp(client(1), vip(), SYN, b"")));
    let server = request.destination;
    let reply = open(&rig.through(1, BACK, &tcp(server, client(1), Flags::SYN | ACK, b"")));
    assert_eq!((reply.source, reply.destination), (vip(), client(1)));
    let again = open(&rig.through(1, FRONT, &tcp(client(1), vip(), ACK, b"")));
    assert_eq!(again.destination, server, "one connection, not two");

    let id = rig.world.id(0, server.ip());
    assert_eq!(rig.world.table.v4().len(), 1);
    assert_eq!(rig.world.servers.load(id), Load { active: 1, inactive: 0, overloaded: false });
    let traffic = rig.traffic(id);
    assert_eq!((traffic.connections, traffic.packets_in, traffic.packets_out), (1, 2, 1));
    assert_eq!((traffic.bytes_in, traffic.bytes_out), (80, 40));
    for (worker, (packets_in, packets_out)) in [(0, (1, 0)), (1, (1, 1))] {
        let counters = &rig.stations[worker].counters;
        let own = counters.server(id).unwrap();
        assert_eq!((own.packets_in.value(), own.packets_out.value()), (packets_in, packets_out), "worker {worker}");
    }
}

#[test]
fn a_connection_that_two_workers_saw_ends_once_at_its_time() {
    let mut rig = rig();
    let server = open(&rig.through(0, FRONT, &tcp(client(1), vip(), SYN, b""))).destination;
    let id = rig.world.id(0, server.ip());
    rig.through(1, FRONT, &tcp(client(1), vip(), ACK, b""));
    // The server closes at the one, the client at the other: 120 s of TIME_WAIT from then on, not 900.
    rig.through(1, BACK, &tcp(server, client(1), FIN, b""));
    rig.through(0, FRONT, &tcp(client(1), vip(), FIN, b""));
    assert_eq!(rig.world.servers.load(id), Load { active: 0, inactive: 1, overloaded: false });
    rig.advance(119_000, 1000);
    assert_eq!(rig.world.table.v4().len(), 1);
    rig.advance(2_000, 1000);
    assert_eq!((rig.world.table.v4().len(), rig.world.servers.load(id).total()), (0, 0));
    rig.advance(1_000_000, 10_000);
    assert_eq!(rig.world.servers.load(id), Load::default(), "nothing ends twice");
}

#[test]
fn a_packet_at_any_worker_keeps_a_connection_alive() {
    let mut rig = rig();
    let query = udp(client(1), (VIP, 53).into(), b"?");
    rig.exchange(0, FRONT, &query);
    for _ in 0..3 {
        rig.advance(299_000, 1000);
        assert_eq!(rig.world.table.v4().len(), 1);
        rig.exchange(1, FRONT, &query);
    }
    rig.advance(299_000, 1000);
    assert_eq!(rig.world.table.v4().len(), 1);
    rig.advance(2_000, 1000);
    assert_eq!(rig.world.table.v4().len(), 0);
}

/// Clients and servers talk at random to either worker, then all fall silent: every connection and template ends, every count is 0, and
/// what the workers counted adds up.
#[test]
fn after_the_last_packet_all_counts_return_to_zero() {
    let mut rng = Rng::seeded(7);
    let mut rig = rig();
    let (mut requests, mut replies) = (0, 0);
    for _ in 0..4000 {
        let (worker, n) = (rng.below(2) as usize, rng.below(60) as u16);
        let flags = [SYN, ACK, FIN, RST, ACK][rng.below(5) as usize];
        let (device, frame) = match rng.below(5) {
            0 => (FRONT, tcp(client(n), (VIP, 80).into(), flags, b"x")),
            1 => (FRONT, tcp(client(n), (VIP, 443).into(), flags, b"x")),
            2 => (FRONT, udp(client(n), (VIP, 53).into(), b"x")),
            3 => (BACK, tcp((v4(11 + (n % 2) as u8), 8080).into(), client(n), flags, b"x")),
            _ => (BACK, udp((v4(13), 8080).into(), client(n), b"x")),
        };
        let (front, back) = rig.exchange(worker, device, &frame);
        requests += back.len() as u64;
        replies += front.len() as u64;
        rig.advance(u64::from(rng.below(4000)), 4000);
    }
    rig.advance(1_100_000, 1000);

    let ids: Vec<_> = (0..3)
        .flat_map(|service| rig.world.services[service].servers.iter().map(move |server| (service, server.address)))
        .map(|(service, address)| rig.world.id(service, address))
        .collect();
    let mut sum = (0, 0, 0);
    for id in ids {
        assert_eq!((rig.world.servers.load(id), rig.world.servers.persistent(id)), (Load::default(), 0));
        let traffic = rig.traffic(id);
        sum = (sum.0 + traffic.connections, sum.1 + traffic.packets_in, sum.2 + traffic.packets_out);
    }
    assert_eq!((sum.1, sum.2), (requests, replies));
    assert!(sum.0 > 200 && replies > 100, "{sum:?}");
    assert_eq!(rig.world.table.v4().len(), 0);
    let received: u64 = rig.stations.iter().map(|station| station.counters.received.value()).sum();
    assert_eq!(received, 4000);
    let report = rig.world.table.v4().audit();
    assert_eq!((report.violations.len(), report.stale_slots, report.excess_counts), (0, 0, 0), "{report:?}");
    rig.shut_down();
}

/// Two threads get packets of the same few connections at the same time, which make, change and end them under each other's hands.
#[test]
fn counts_balance_whatever_two_threads_do_to_the_same_connections() {
    let mut rig = rig();
    let now = rig.now;
    std::thread::scope(|scope| {
        for (seed, station) in (1..).zip(&mut rig.stations) {
            scope.spawn(move || {
                let mut rng = Rng::new(seed);
                for _ in 0..30_000 {
                    for _ in 0..8 {
                        let n = rng.below(3) as u16;
                        let flags = [SYN, SYN, RST, FIN][rng.below(4) as usize];
                        let port = if rng.below(3) == 0 { 443 } else { 80 };
                        station.wire(FRONT).deliver(&tcp(client(n), (VIP, port).into(), flags, b""));
                    }
                    station.worker.round(now);
                    station.wire(BACK).collect();
                }
            });
        }
    });
    rig.advance(1_100_000, 1000);
    for (service, n) in [(0, 11), (0, 12), (2, 15), (2, 16)] {
        let id = rig.world.id(service, v4(n));
        assert_eq!((rig.world.servers.load(id), rig.world.servers.persistent(id)), (Load::default(), 0), "server {n}");
    }
    assert_eq!(rig.world.table.v4().len(), 0);
    let report = rig.world.table.v4().audit();
    assert_eq!((report.violations.len(), report.stale_slots, report.excess_counts), (0, 0, 0), "{report:?}");
    rig.shut_down();
}

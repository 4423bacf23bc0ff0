//! When connections end: at their time, whatever they went through before, also when there are no timers left.

use std::net::SocketAddr;

use headgate_wire::tcp::Flags;

use crate::proto;
use crate::servers::Load;
use crate::snapshot::{DeviceId, Forward};
use crate::state::Timeouts;
use crate::testing::bench::Bench;
use crate::testing::packets::{ACK, FIN, RST, SYN, client, client6, tcp, udp};
use crate::testing::random::Rng;
use crate::testing::world::{BACK, FRONT, VIP, VIP6, VirtualService, World, v4, v6};

fn world() -> World {
    let mut world = World::new();
    world.services = vec![
        VirtualService::new(proto::TCP, VIP, 80).with(v4(11), Forward::Nat),
        VirtualService::new(proto::TCP, VIP6, 80).with(v6(11), Forward::Nat),
        VirtualService::new(proto::UDP, VIP, 53).with(v4(11), Forward::Nat),
    ];
    world
}

fn vip() -> SocketAddr {
    (VIP, 80).into()
}

fn from_client(bench: &mut Bench, flags: Flags) {
    bench.send(FRONT, &tcp(client(1), vip(), flags, b""));
}

fn from_server(bench: &mut Bench, flags: Flags) {
    bench.send(BACK, &tcp((v4(11), 8080).into(), client(1), flags, b""));
}

/// Silence from now on: the connection must be there until `seconds` are over, and gone a second later.
#[track_caller]
fn ends_after(bench: &mut Bench, seconds: u64) {
    bench.advance(seconds * 1000 - 500);
    assert_eq!(bench.world.table.v4().len(), 1, "too early");
    bench.advance(1000);
    assert_eq!(bench.world.table.v4().len(), 0, "too late");
    assert_eq!(bench.world.servers.load(bench.world.id(0, v4(11))), Load::default());
}

#[test]
fn each_way_to_close_has_its_time_also_after_a_long_life() {
    type Step = (fn(&mut Bench, Flags), Flags);
    let cases: [(&[Step], u64); 6] = [
        (&[], 900),
        (&[(from_client, FIN)], 60),
        (&[(from_server, FIN)], 120),
        (&[(from_client, FIN), (from_server, FIN)], 120),
        (&[(from_client, RST)], 10),
        (&[(from_server, FIN), (from_client, FIN), (from_server, RST)], 120),
    ];
    for (steps, seconds) in cases {
        for life in [1, 50, 70, 500] {
            let mut bench = Bench::new(world());
            from_client(&mut bench, SYN);
            from_client(&mut bench, ACK);
            bench.advance(life * 1000);
            from_server(&mut bench, ACK);
            for (send, flags) in steps {
                send(&mut bench, *flags);
            }
            ends_after(&mut bench, seconds);
        }
    }
}

#[test]
fn a_syn_without_more_ends_after_a_minute() {
    let mut bench = Bench::new(world());
    from_client(&mut bench, SYN);
    ends_after(&mut bench, 60);
}

#[test]
fn a_half_closed_connection_with_a_long_timeout_ends_at_it() {
    let mut world = world();
    world.settings.timeouts = Timeouts::new(7200, 400, 300);
    let mut bench = Bench::new(world);
    from_client(&mut bench, SYN);
    from_client(&mut bench, ACK);
    bench.advance(100_000);
    from_server(&mut bench, FIN);
    // Kept half closed until the timer of the close has fired once.
    for _ in 0..3 {
        bench.advance(350_000);
        from_client(&mut bench, ACK);
    }
    ends_after(&mut bench, 400);
}

/// Random segments, then silence: with at most three states shorter than those before, the end comes on time.
#[test]
fn no_history_makes_a_connection_outlive_its_timeout() {
    let mut rng = Rng::seeded(19);
    for _ in 0..200 {
        let mut bench = Bench::new(world());
        from_client(&mut bench, SYN);
        from_client(&mut bench, ACK);
        bench.advance(u64::from(rng.below(200)) * 1000);
        for _ in 0..3 {
            let flags = [ACK, FIN, RST][rng.below(3) as usize];
            let device: fn(&mut Bench, Flags) = if rng.below(2) == 0 { from_client } else { from_server };
            device(&mut bench, flags);
            bench.advance(u64::from(rng.below(9)) * 1000);
        }
        from_client(&mut bench, ACK);
        let found = bench.world.table.v4().iter().next().unwrap();
        ends_after(&mut bench, u64::from(found.state.timeout_seconds()));
    }
}

#[test]
fn udp_ends_five_minutes_after_the_last_packet_of_either_side() {
    let mut bench = Bench::new(world());
    bench.send(FRONT, &udp(client(1), (VIP, 53).into(), b""));
    bench.advance(299_000);
    bench.send(BACK, &udp((v4(11), 8080).into(), client(1), b""));
    bench.advance(299_000);
    assert_eq!(bench.world.table.v4().len(), 1);
    bench.advance(2_000);
    assert_eq!(bench.world.table.v4().len(), 0);
}

#[test]
fn with_all_timers_in_use_connections_still_end() {
    let mut bench = Bench::with_timers(world(), 20);
    let send = |bench: &mut Bench, device: DeviceId, n, flags| {
        let (from, from6) = (client(n), client6(n));
        let frames = if device == FRONT {
            [tcp(from, vip(), flags, b""), tcp(from6, (VIP6, 80).into(), flags, b"")]
        } else {
            [tcp((v4(11), 8080).into(), from, flags, b""), tcp((v6(11), 8080).into(), from6, flags, b"")]
        };
        for frame in &frames {
            bench.send(device, frame);
        }
    };
    for n in 0..400 {
        send(&mut bench, FRONT, n, SYN);
        send(&mut bench, FRONT, n, ACK);
    }
    assert_eq!(bench.counters.timers_refused.value(), 780);
    bench.advance(500_000);
    // Half of them go on, the others close.
    for n in 0..400 {
        send(&mut bench, if n % 2 == 0 { FRONT } else { BACK }, n, if n % 2 == 0 { ACK } else { RST });
    }
    bench.advance(30_000);
    assert_eq!((bench.world.table.v4().len(), bench.world.table.v6().len()), (200, 200));
    bench.advance(890_000);
    assert_eq!((bench.world.table.v4().len(), bench.world.table.v6().len()), (0, 0));
    for (service, server) in [(0, v4(11)), (1, v6(11))] {
        assert_eq!(bench.world.servers.load(bench.world.id(service, server)), Load::default());
    }
}

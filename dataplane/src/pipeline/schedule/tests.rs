//! New connections: whose they are, who may not have them, and what is refused.

use std::net::SocketAddr;

use headgate_wire::tcp::Flags;

use crate::drop_reason::DropReason;
use crate::pipeline::Verdict;
use crate::proto;
use crate::servers::Load;
use crate::snapshot::{Forward, Ports};
use crate::table::Capacity;
use crate::testing::bench::{Bench, sent};
use crate::testing::packets::{ACK, FIN, RST, SYN, client, frame, ip, open, tcp, udp};
use crate::testing::world::{BACK, FRONT, VIP, VirtualService, World, v4};

fn bench(services: impl IntoIterator<Item = VirtualService>) -> Bench {
    let mut world = World::new();
    world.services.extend(services);
    Bench::new(world)
}

fn vip() -> SocketAddr {
    (VIP, 80).into()
}

fn web() -> VirtualService {
    VirtualService::new(proto::TCP, VIP, 80).with(v4(11), Forward::Nat)
}

#[test]
fn a_connection_begins_with_a_syn_and_nothing_else() {
    for bits in 0..=u8::MAX {
        let flags = Flags(bits);
        for sloppy in [false, true] {
            let mut bench = bench([web()]);
            bench.world.settings.sloppy_tcp = sloppy;
            bench.publish();
            let (_, verdict) = bench.send_one(FRONT, &tcp(client(1), vip(), flags, b""));
            let begins = !flags.contains(RST) && (flags.contains(SYN) || sloppy);
            let expected = if begins { Verdict::Tx(BACK) } else { Verdict::ToKernel };
            assert_eq!(verdict, expected, "{bits:#04x}, sloppy {sloppy}");
            assert_eq!(bench.world.table.v4().len(), u64::from(begins) as _);
        }
    }
}

#[test]
fn ftp_data_and_our_own_addresses_begin_none() {
    let mut bench = bench([web()]);
    let mut from_20 = client(1);
    from_20.set_port(20);
    assert_eq!(bench.send_one(FRONT, &tcp(from_20, vip(), SYN, b"")).1, Verdict::ToKernel);
    let martian = bench.send_one(FRONT, &tcp((VIP, 1234).into(), vip(), SYN, b""));
    assert_eq!(martian.1, Verdict::Drop(DropReason::MartianSource));
    assert_eq!(bench.world.table.v4().len(), 0);
}

#[test]
fn thresholds_block_at_the_upper_and_clear_below_the_lower() {
    // u, l, and at how many connections it takes new ones again.
    for (upper, lower, clears_at) in [(4, 2, 1), (4, 0, 2), (8, 0, 5), (1, 0, 0)] {
        let mut service = web();
        service.servers[0].thresholds = (upper, lower);
        let mut bench = bench([service]);
        let id = bench.world.id(0, v4(11));
        let told = |bench: &mut Bench, n| {
            let results = bench.send(FRONT, &tcp(client(n), vip(), SYN, b""));
            sent(&results)[0].0 == FRONT
        };
        for n in 0..upper as u16 {
            assert!(!told(&mut bench, n), "{n} of {upper}");
        }
        assert!(told(&mut bench, 1000), "the next one is not admitted");
        assert_eq!(bench.world.servers.load(id).total(), u64::from(upper));
        // One after the other closes and is gone after ten seconds.
        for n in 0..upper as u16 {
            let left = bench.world.servers.load(id).total();
            assert_eq!(told(&mut bench, 2000 + n), left > clears_at, "u {upper} l {lower} at {left}");
            if left <= clears_at {
                break;
            }
            for flags in [ACK, RST] {
                bench.send(FRONT, &tcp(client(n), vip(), flags, b""));
            }
            for other in 0..upper as u16 {
                bench.send(FRONT, &tcp(client(other), vip(), ACK, b""));
            }
            bench.advance(12_000);
        }
    }
}

#[test]
fn existing_connections_ignore_the_threshold() {
    let mut service = web();
    service.servers[0].thresholds = (1, 0);
    let mut bench = bench([service]);
    for flags in [SYN, ACK, FIN] {
        assert_eq!(bench.send_one(FRONT, &tcp(client(1), vip(), flags, b"")).1, Verdict::Tx(BACK));
    }
}

#[test]
fn active_and_inactive_follow_the_state() {
    let mut bench = bench([web()]);
    let id = bench.world.id(0, v4(11));
    let server = (v4(11), 8080).into();
    let mut step = |device, frame: &[u8], active, inactive| {
        bench.send(device, frame);
        assert_eq!(bench.world.servers.load(id), Load { active, inactive, overloaded: false });
    };
    step(FRONT, &tcp(client(1), vip(), SYN, b""), 1, 0);
    step(BACK, &tcp(server, client(1), SYN | ACK, b""), 1, 0);
    step(FRONT, &tcp(client(1), vip(), ACK, b""), 1, 0);
    step(FRONT, &tcp(client(1), vip(), FIN, b""), 0, 1);
    step(BACK, &tcp(server, client(1), FIN, b""), 0, 1);
    // A SYN in TIME_WAIT begins a new one.
    step(FRONT, &tcp(client(1), vip(), SYN, b""), 1, 0);
    assert_eq!((bench.traffic(id).connections, bench.world.table.v4().len()), (2, 1));
}

#[test]
fn udp_is_never_active() {
    let mut bench = bench([VirtualService::new(proto::UDP, VIP, 53).with(v4(11), Forward::Nat)]);
    bench.send(FRONT, &udp(client(1), (VIP, 53).into(), b""));
    bench.send(BACK, &udp((v4(11), 8080).into(), client(1), b""));
    let id = bench.world.id(0, v4(11));
    assert_eq!(bench.world.servers.load(id), Load { active: 0, inactive: 1, overloaded: false });
}

#[test]
fn one_packet_scheduling_keeps_nothing_and_translates_no_replies() {
    let service = VirtualService::new(proto::UDP, VIP, 53).with(v4(11), Forward::Nat).with(v4(12), Forward::Nat);
    let mut bench = bench([VirtualService { one_packet: true, ..service }]);
    let mut servers = Vec::new();
    for _ in 0..4 {
        servers.push(open(&bench.send_one(FRONT, &udp(client(1), (VIP, 53).into(), b"")).0).destination.ip());
    }
    assert_eq!((servers[0], servers[1]), (servers[2], servers[3]));
    assert_ne!(servers[0], servers[1], "every datagram is scheduled anew");
    assert_eq!(bench.world.table.v4().len(), 0);
    let reply = bench.send_one(BACK, &udp((v4(11), 8080).into(), client(1), b""));
    assert_eq!(reply.1, Verdict::ToKernel);
    let traffic = bench.traffic(bench.world.id(0, v4(11)));
    assert_eq!((traffic.connections, traffic.packets_in, traffic.packets_out), (2, 2, 0));
}

#[test]
fn the_exact_port_goes_before_a_range_and_a_range_before_all_ports() {
    let to = |service: VirtualService, ports, n| VirtualService { ports, ..service }.with(v4(n), Forward::Dr);
    let empty = || VirtualService::new(proto::TCP, VIP, 80);
    let mut bench =
        bench([to(empty(), Ports::Range(80, 90), 12), to(empty(), Ports::One(85), 11), to(empty(), Ports::Any, 13)]);
    for (port, server) in [(85, 11), (80, 12), (90, 12), (79, 13), (91, 13), (1, 13)] {
        let out = bench.send_one(FRONT, &tcp(client(port), (VIP, port).into(), SYN, b"")).0;
        assert_eq!(open(&out).to_mac, crate::testing::world::server_mac(server), "port {port}");
    }
    assert_eq!(bench.send_one(FRONT, &udp(client(1), (VIP, 85).into(), b"")).1, Verdict::ToKernel, "TCP only");
}

#[test]
fn a_full_table_refuses_new_connections_and_keeps_the_old() {
    let mut world = World::with_capacity(Capacity { v4: 64, v6: 64 });
    world.services = vec![web()];
    let mut bench = Bench::new(world);
    for n in 0..200 {
        bench.send(FRONT, &tcp(client(n), vip(), SYN, b""));
    }
    let id = bench.world.id(0, v4(11));
    let made = bench.world.servers.load(id).total();
    assert_eq!((made, bench.traffic(id).connections), (bench.world.table.v4().len() as u64, made));
    assert_eq!(bench.dropped(DropReason::TableFull), 200 - made);
    assert_eq!(bench.send_one(FRONT, &tcp(client(0), vip(), ACK, b"")).1, Verdict::Tx(BACK));
    bench.advance(901_000);
    assert_eq!(bench.world.servers.load(id), Load::default());
}

#[test]
fn nat_icmp_send_tells_a_server_that_talks_into_the_void() {
    let mut bench = bench([web()]);
    bench.world.settings.nat_icmp_send = true;
    bench.publish();
    let (out, verdict) = bench.send_one(BACK, &tcp((v4(11), 8080).into(), client(1), ACK, b""));
    assert_eq!((verdict, &out[26..34]), (Verdict::Tx(BACK), &[10, 1, 0, 1, 10, 1, 0, 11][..]));
    for (from, flags) in [(8080, RST), (8081, ACK)] {
        let reply = tcp((v4(11), from).into(), client(1), flags, b"");
        assert_eq!(bench.send_one(BACK, &reply).1, Verdict::ToKernel, "{from}");
    }
}

#[test]
fn a_transport_header_that_is_cut_short_begins_nothing() {
    let mut bench = bench([web(), VirtualService::new(proto::UDP, VIP, 53).with(v4(11), Forward::Nat)]);
    for (protocol, header) in [(proto::TCP, 20), (proto::UDP, 8)] {
        for length in 0..header {
            let packet = ip(client(1).ip(), VIP, protocol, &vec![0; length]);
            let (_, verdict) = bench.send_one(FRONT, &frame(&packet));
            assert_eq!(verdict, Verdict::Drop(DropReason::Truncated), "{protocol} {length}");
        }
    }
}

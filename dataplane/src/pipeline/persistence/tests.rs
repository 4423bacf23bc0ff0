//! Clients that come back (`ip_vs_sched_persist`).

use std::net::{IpAddr, SocketAddr};

use crate::drop_reason::DropReason;
use crate::proto;
use crate::snapshot::{Forward, Persistence, Ports};
use crate::table::{Capacity, KIND_TEMPLATE, Key4};
use crate::testing::bench::Bench;
use crate::testing::packets::{ACK, RST, SYN, client, client6, open, tcp, udp};
use crate::testing::world::{FRONT, VIP, VIP6, VirtualService, World, v4, v6};

fn service(protocol: u8, vip: IpAddr, ports: Ports, prefix_len: u8) -> VirtualService {
    let persistence = Some(Persistence { timeout_s: 100, prefix_len });
    let service = VirtualService { ports, persistence, ..VirtualService::new(protocol, vip, 80) };
    (11..14).fold(service, |service, n| service.with(if vip.is_ipv4() { v4(n) } else { v6(n) }, Forward::Nat))
}

fn bench(service: VirtualService) -> Bench {
    let mut world = World::new();
    world.services = vec![service];
    Bench::new(world)
}

fn tcp_bench() -> Bench {
    bench(service(proto::TCP, VIP, Ports::One(80), 32))
}

fn vip() -> SocketAddr {
    (VIP, 80).into()
}

fn from_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

/// Where a SYN from there goes.
#[track_caller]
fn server_of(bench: &mut Bench, client: SocketAddr, to: SocketAddr) -> SocketAddr {
    open(&bench.send_one(FRONT, &tcp(client, to, SYN, b"")).0).destination
}

fn template(bench: &Bench, client: SocketAddr, port: u16) -> Option<crate::table::Found<Key4>> {
    let (IpAddr::V4(client), IpAddr::V4(vip)) = (client.ip(), VIP) else { panic!("IPv4") };
    bench.world.table.v4().find(&Key4::new(client.to_bits(), vip.to_bits(), 0, port, proto::TCP, KIND_TEMPLATE))
}

#[test]
fn a_client_comes_back_to_its_server_and_the_template_counts_its_connections() {
    let mut bench = tcp_bench();
    let first = server_of(&mut bench, client(1), vip());
    let other = server_of(&mut bench, client(2), vip());
    assert_ne!(first, other, "round robin");
    for port in 1..5 {
        assert_eq!(server_of(&mut bench, from_port(client(1), port), vip()), first);
    }
    assert_eq!(template(&bench, client(1), 80).unwrap().state.joined(), 5);
    let id = bench.world.id(0, first.ip());
    assert_eq!((bench.world.servers.load(id).total(), bench.world.servers.persistent(id)), (5, 1));
    assert_eq!(bench.traffic(id).connections, 5, "templates are not counted");
}

#[test]
fn a_template_outlives_its_time_while_it_has_connections_and_no_longer() {
    let mut bench = tcp_bench();
    let id = {
        let server = server_of(&mut bench, client(1), vip());
        bench.world.id(0, server.ip())
    };
    bench.send(FRONT, &tcp(client(1), vip(), ACK, b""));
    // The connection lives for 900 s; the template is asked for every 60 s from 100 s on.
    bench.advance(899_000);
    assert_eq!(template(&bench, client(1), 80).unwrap().state.joined(), 1);
    bench.advance(2_000);
    assert_eq!(template(&bench, client(1), 80).unwrap().state.joined(), 0);
    bench.advance(60_000);
    assert!(template(&bench, client(1), 80).is_none());
    assert_eq!((bench.world.servers.load(id).total(), bench.world.servers.persistent(id)), (0, 0));
}

#[test]
fn only_a_new_connection_restarts_the_timer() {
    let mut bench = tcp_bench();
    server_of(&mut bench, client(1), vip());
    bench.send(FRONT, &tcp(client(1), vip(), RST, b""));
    bench.advance(90_000);
    server_of(&mut bench, client(1), vip());
    bench.send(FRONT, &tcp(client(1), vip(), RST, b""));
    bench.advance(99_000);
    assert!(template(&bench, client(1), 80).is_some(), "restarted at 90 s");
    bench.advance(2_000);
    assert!(template(&bench, client(1), 80).is_none());
}

#[test]
fn a_mask_groups_clients() {
    let mut bench = bench(service(proto::TCP, VIP, Ports::One(80), 24));
    // 198.51.0.x and 198.51.1.x.
    let first = server_of(&mut bench, client(1), vip());
    assert_eq!(server_of(&mut bench, client(255), vip()), first);
    assert_ne!(server_of(&mut bench, client(256), vip()), first);
    let mut bench = self::bench(service(proto::TCP, VIP6, Ports::One(80), 120));
    let vip6 = (VIP6, 80).into();
    let first = server_of(&mut bench, client6(1), vip6);
    assert_eq!(server_of(&mut bench, client6(255), vip6), first);
    assert_ne!(server_of(&mut bench, client6(256), vip6), first);
}

#[test]
fn a_service_on_all_ports_sends_every_port_to_one_server_and_keeps_it() {
    let mut bench = bench(service(proto::TCP, VIP, Ports::Any, 32));
    let first = server_of(&mut bench, client(1), (VIP, 443).into());
    assert_eq!(first.port(), 443);
    assert_eq!(server_of(&mut bench, client(1), (VIP, 25).into()), (first.ip(), 25).into());
    assert_eq!(template(&bench, client(1), 0).unwrap().state.joined(), 2);
}

#[test]
fn a_template_ignores_thresholds_and_by_default_weight_zero() {
    let mut bench = tcp_bench();
    let first = server_of(&mut bench, client(1), vip());
    let at = bench.world.services[0].servers.iter().position(|server| server.address == first.ip()).unwrap();
    bench.world.services[0].servers[at].thresholds = (1, 0);
    bench.world.services[0].servers[at].weight = 0;
    bench.publish();
    assert!(bench.world.servers.overloaded(bench.world.id(0, first.ip())));
    assert_eq!(server_of(&mut bench, from_port(client(1), 1), vip()), first);
    for n in 2..8 {
        assert_ne!(server_of(&mut bench, client(n), vip()), first);
    }

    bench.world.settings.expire_quiescent_template = true;
    bench.publish();
    let id = bench.world.id(0, first.ip());
    let second = server_of(&mut bench, from_port(client(1), 2), vip());
    assert_ne!(second, first);
    assert_eq!(bench.world.servers.persistent(id), 0, "the old template ended");
    // Its connections go on, and leave nothing behind.
    assert_eq!(open(&bench.send_one(FRONT, &tcp(client(1), vip(), ACK, b"")).0).destination, first);
    bench.advance(1_000_000);
    assert_eq!((bench.world.table.v4().len(), bench.world.servers.load(id).total()), (0, 0));
}

#[test]
fn a_client_of_a_removed_server_gets_another_for_good() {
    let mut bench = tcp_bench();
    let first = server_of(&mut bench, client(1), vip());
    let all = bench.world.services[0].servers.clone();
    bench.world.services[0].servers.retain(|server| server.address != first.ip());
    bench.publish();
    let second = server_of(&mut bench, from_port(client(1), 1), vip());
    assert_ne!(second, first);
    bench.world.services[0].servers = all;
    bench.publish();
    assert_eq!(server_of(&mut bench, from_port(client(1), 2), vip()), second, "it came back, its client does not");
}

#[test]
fn one_packet_scheduling_uses_templates_without_staying_joined() {
    let mut bench = bench(VirtualService { one_packet: true, ..service(proto::UDP, VIP, Ports::One(80), 32) });
    let server = |bench: &mut Bench| open(&bench.send_one(FRONT, &udp(client(1), vip(), b"")).0).destination;
    let first = server(&mut bench);
    for _ in 0..5 {
        assert_eq!(server(&mut bench), first);
    }
    let id = bench.world.id(0, first.ip());
    assert_eq!((bench.traffic(id).connections, bench.world.table.v4().len()), (6, 1));
    bench.advance(101_000);
    assert_eq!((bench.world.table.v4().len(), bench.world.servers.persistent(id)), (0, 0), "nothing holds it");
}

#[test]
fn a_full_table_leaves_no_template_joined() {
    let mut world = World::with_capacity(Capacity { v4: 64, v6: 64 });
    world.services = vec![service(proto::TCP, VIP, Ports::One(80), 32)];
    let mut bench = Bench::new(world);
    for port in 100..299 {
        bench.send(FRONT, &tcp(from_port(client(1), port), vip(), SYN, b""));
    }
    let connections = bench.world.table.v4().len() - 1;
    assert_eq!(bench.dropped(DropReason::TableFull), 199 - connections as u64);
    assert_eq!(template(&bench, client(1), 80).unwrap().state.joined() as usize, connections);
    bench.advance(200_000);
    assert_eq!(bench.world.table.v4().len(), 0);
}

//! The configuration changes while connections live (`ip_vs_ctl.c`, `ip_vs_core.c`: removed servers and services).

use std::net::SocketAddr;

use super::rig::Rig;
use crate::drop_reason::DropReason;
use crate::proto;
use crate::servers::ServerId;
use crate::snapshot::Forward;
use crate::testing::packets::{ACK, SYN, client, open, tcp, udp};
use crate::testing::world::{BACK, FRONT, VIP, VirtualService, World, v4};

const SERVER: u16 = 8080;

fn vip() -> SocketAddr {
    (VIP, 80).into()
}

/// Server 11 alone has the first service, so that the connection of client 1 is its.
fn rig() -> (Rig, ServerId) {
    let mut world = World::new();
    world.services = vec![
        VirtualService::new(proto::TCP, VIP, 80).with(v4(11), Forward::Nat),
        VirtualService::new(proto::UDP, VIP, 53).with(v4(12), Forward::Dr),
    ];
    let mut rig = Rig::new(world, 1);
    let id = rig.world.id(0, v4(11));
    rig.through(0, FRONT, &tcp(client(1), vip(), SYN, b""));
    rig.through(0, FRONT, &tcp(client(1), vip(), ACK, b""));
    assert_eq!(rig.world.servers.active(id), 1);
    (rig, id)
}

fn from_server() -> Vec<u8> {
    tcp((v4(11), SERVER).into(), client(1), ACK, b"data")
}

#[test]
fn packets_for_a_removed_server_are_swallowed_and_its_own_still_pass() {
    let (mut rig, id) = rig();
    rig.world.services[0].servers.clear();
    rig.publish();
    for flags in [ACK, SYN] {
        rig.swallowed(0, FRONT, &tcp(client(1), vip(), flags, b""));
    }
    assert_eq!(rig.stations[0].dropped(DropReason::ServerGone), 2);
    assert_eq!(open(&rig.through(0, BACK, &from_server())).source, vip());
    // What was not counted as in: the two that were swallowed.
    let traffic = rig.traffic(id);
    assert_eq!((traffic.connections, traffic.packets_in, traffic.packets_out), (1, 2, 1));
    assert_eq!(rig.world.servers.active(id), 1);
}

#[test]
fn a_server_that_comes_back_takes_its_connections_and_counts_over() {
    let (mut rig, id) = rig();
    let servers = std::mem::take(&mut rig.world.services[0].servers);
    rig.publish();
    rig.round(0);
    rig.world.services[0].servers = servers;
    rig.publish();
    assert_eq!(rig.world.id(0, v4(11)), id);
    assert_eq!(open(&rig.through(0, FRONT, &tcp(client(1), vip(), ACK, b""))).destination.ip(), v4(11));
    assert_eq!((rig.world.servers.active(id), rig.traffic(id).packets_in), (1, 3));
}

#[test]
fn expire_nodest_conn_ends_the_connection_with_the_next_packet() {
    // A client's segment finds no connection then.
    let (mut rig, id) = rig();
    rig.world.settings.expire_nodest_conn = true;
    rig.world.services[0].servers.clear();
    rig.publish();
    rig.swallowed(0, FRONT, &tcp(client(1), vip(), ACK, b""));
    assert_eq!(rig.stations[0].to_stack().len(), 1, "the stack answers with a reset");
    assert_eq!((rig.world.table.v4().len(), rig.world.servers.load(id).total()), (0, 0));

    // A client's SYN is scheduled anew.
    let (mut rig, id) = self::rig();
    rig.world.settings.expire_nodest_conn = true;
    rig.world.services[0] = VirtualService::new(proto::TCP, VIP, 80).with(v4(13), Forward::Nat);
    rig.publish();
    assert_eq!(open(&rig.through(0, FRONT, &tcp(client(1), vip(), SYN, b""))).destination.ip(), v4(13));
    assert_eq!(rig.world.servers.load(id).total(), 0);
    assert_eq!(rig.world.servers.active(rig.world.id(0, v4(13))), 1);

    // A server's packet is translated once more.
    let (mut rig, id) = self::rig();
    rig.world.settings.expire_nodest_conn = true;
    rig.world.services[0].servers.clear();
    rig.publish();
    assert_eq!(open(&rig.through(0, BACK, &from_server())).source, vip());
    assert_eq!((rig.world.table.v4().len(), rig.world.servers.load(id).total()), (0, 0));
    rig.swallowed(0, BACK, &from_server());
    assert_eq!(rig.stations[0].to_stack().len(), 1);
}

#[test]
fn connections_of_a_removed_service_are_swallowed_and_new_ones_are_not_its_any_more() {
    let (mut rig, _) = rig();
    rig.world.services.remove(0);
    rig.publish();
    rig.swallowed(0, FRONT, &tcp(client(1), vip(), ACK, b""));
    assert_eq!(rig.stations[0].dropped(DropReason::ServerGone), 1);
    assert_eq!(open(&rig.through(0, BACK, &from_server())).source, vip());
    assert_eq!(rig.stations[0].to_stack().len(), 0);
    rig.swallowed(0, FRONT, &tcp(client(2), vip(), SYN, b""));
    assert_eq!(rig.stations[0].to_stack().len(), 1);
}

#[test]
fn without_any_service_nothing_is_balanced() {
    let (mut rig, _) = rig();
    rig.world.services.clear();
    rig.publish();
    rig.swallowed(0, FRONT, &tcp(client(1), vip(), ACK, b""));
    rig.swallowed(0, BACK, &from_server());
    assert_eq!((rig.stations[0].to_stack().len(), rig.stations[0].dropped_in_all()), (2, 0));
}

#[test]
fn a_drained_server_keeps_its_connections_and_gets_no_new_ones() {
    let (mut rig, id) = rig();
    rig.world.services[0].servers[0].weight = 0;
    rig.world.services[0] = rig.world.services[0].clone().with(v4(13), Forward::Nat);
    rig.publish();
    assert_eq!(open(&rig.through(0, FRONT, &tcp(client(1), vip(), ACK, b""))).destination.ip(), v4(11));
    for n in 2..6 {
        assert_eq!(open(&rig.through(0, FRONT, &tcp(client(n), vip(), SYN, b""))).destination.ip(), v4(13));
    }
    assert_eq!((rig.traffic(id).connections, rig.world.servers.load(id).total()), (1, 1));
    // A SYN on the old connection stays with it, unless asked otherwise.
    assert_eq!(open(&rig.through(0, FRONT, &tcp(client(1), vip(), SYN, b""))).destination.ip(), v4(11));
    rig.world.settings.expire_nodest_conn = true;
    rig.publish();
    assert_eq!(open(&rig.through(0, FRONT, &tcp(client(1), vip(), SYN, b""))).destination.ip(), v4(13));
    assert_eq!(rig.world.servers.load(id).total(), 0);
}

#[test]
fn a_burst_sees_one_snapshot_and_the_next_round_the_new_one() {
    let (mut rig, _) = rig();
    let query = udp(client(1), (VIP, 53).into(), b"?");
    rig.through(0, FRONT, &query);
    assert!(rig.stations[0].wire(FRONT).deliver(&query));
    rig.world.services[1].servers.clear();
    rig.publish();
    rig.round(0);
    assert_eq!((rig.collect(0, BACK).len(), rig.stations[0].dropped(DropReason::ServerGone)), (0, 1));
}

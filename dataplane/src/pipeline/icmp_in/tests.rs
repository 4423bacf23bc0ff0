//! Errors about balanced packets find their connection, and only right ones do harm.

use std::net::{IpAddr, SocketAddr};

use headgate_wire::checksum::{pseudo_header_v6, sum};
use headgate_wire::{Protocol, ether, ipv4};

use crate::drop_reason::DropReason;
use crate::pipeline::Verdict;
use crate::proto;
use crate::snapshot::{DeviceId, Forward};
use crate::testing::bench::{Bench, sent};
use crate::testing::packets::{ACK, SYN, client, client6, frame, ip, open, tcp, udp, with_df, with_ttl};
use crate::testing::world::{BACK, FRONT, VIP, VIP6, VirtualService, World, v4, v6};

/// An ICMPv4 error of `kind` and `code` with the rest of its header, quoting the beginning of `quoted`.
fn icmp(from: IpAddr, to: IpAddr, head: [u8; 2], rest: u32, quoted: &[u8]) -> Vec<u8> {
    let mut message = [&head[..], &[0, 0], &rest.to_be_bytes(), quoted].concat();
    let protocol = if from.is_ipv4() { 1 } else { 58 };
    let sum = match (from, to) {
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            pseudo_header_v6(&from.octets(), &to.octets(), Protocol::ICMPV6, message.len() as u32).add_bytes(&message)
        }
        _ => sum(&message),
    };
    message[2..4].copy_from_slice(&sum.checksum().to_be_bytes());
    frame(&ip(from, to, protocol, &message))
}

fn bench(vip: IpAddr, server: IpAddr, forward: Forward) -> Bench {
    let mut world = World::new();
    world.services = vec![
        VirtualService::new(proto::TCP, vip, 80).with(server, forward),
        VirtualService::new(proto::UDP, vip, 80).with(server, forward),
    ];
    Bench::new(world)
}

fn packet(frame: &[u8]) -> &[u8] {
    &frame[ether::Header::LEN..]
}

/// The message in an ICMP packet that was sent, and its addresses; the checksums must be right.
#[track_caller]
fn message(frame: &[u8]) -> (IpAddr, IpAddr, Vec<u8>) {
    let packet = packet(frame);
    if packet[0] >> 4 == 4 {
        assert!(ipv4::verify_checksum(&packet[..20]) && sum(&packet[20..]).is_valid());
        let address = |at: usize| IpAddr::from(<[u8; 4]>::try_from(&packet[at..at + 4]).unwrap());
        return (address(12), address(16), packet[20..].to_vec());
    }
    let addresses = packet[8..40].as_chunks::<16>().0;
    let pseudo = pseudo_header_v6(&addresses[0], &addresses[1], Protocol::ICMPV6, packet.len() as u32 - 40);
    assert!(pseudo.add_bytes(&packet[40..]).is_valid());
    (addresses[0].into(), addresses[1].into(), packet[40..].to_vec())
}

/// A request through the bench, as the server gets it.
fn request(bench: &mut Bench, client: SocketAddr, vip: SocketAddr) -> Vec<u8> {
    let sent = packet(&bench.send_one(FRONT, &tcp(client, vip, SYN, b"payload")).0).to_vec();
    assert_eq!(bench.world.table.v4().len() + bench.world.table.v6().len(), 1);
    sent
}

#[test]
fn an_error_of_the_server_reaches_the_client_as_if_from_the_vip() {
    for (vip, server, client, head, l4) in
        [(VIP, v4(11), client(1), [3, 3], 20), (VIP6, v6(11), client6(1), [1, 4], 40)]
    {
        // As little as the ports may be quoted.
        for cut in [l4 + 4, l4 + 8, usize::MAX] {
            let mut bench = bench(vip, server, Forward::Nat);
            let quoted = request(&mut bench, client, (vip, 80).into());
            let error = icmp(server, client.ip(), head, 0, &quoted[..quoted.len().min(cut)]);
            let (out, verdict) = bench.send_one(BACK, &error);
            assert_eq!(verdict, Verdict::Tx(FRONT));
            let (from, to, message) = message(&out);
            assert_eq!((from, to, &message[..2]), (vip, client.ip(), &head[..]));
            // The quote shows what the client sent, but for the TTL.
            let sent = with_ttl(tcp(client, (vip, 80).into(), SYN, b"payload"), 63);
            let (quote, sent) = (&message[8..], packet(&sent));
            assert_eq!(quote[..l4 + 4], sent[..l4 + 4]);
            let traffic = bench.traffic(bench.world.id(0, server));
            assert_eq!((traffic.packets_out, traffic.bytes_out), (1, packet(&error).len() as u64));
        }
    }
}

#[test]
fn an_error_of_the_client_reaches_the_server_about_its_own_packet() {
    for (vip, server, client, head, l4) in
        [(VIP, v4(11), client(1), [3, 1], 20), (VIP6, v6(11), client6(1), [1, 3], 40)]
    {
        let mut bench = bench(vip, server, Forward::Nat);
        request(&mut bench, client, (vip, 80).into());
        let reply = tcp((server, 8080).into(), client, SYN | ACK, b"x");
        let seen = bench.send_one(BACK, &reply).0;
        let error = icmp(client.ip(), vip, head, 0, packet(&seen));
        let mut damaged = error.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(bench.send_one(FRONT, &damaged).1, Verdict::Drop(DropReason::IcmpChecksum));
        let (out, verdict) = bench.send_one(FRONT, &error);
        assert_eq!(verdict, Verdict::Tx(BACK));
        let (from, to, message) = message(&out);
        assert_eq!((from, to), (client.ip(), server));
        assert_eq!(message[8..8 + l4 + 4], packet(&with_ttl(reply, 63))[..l4 + 4]);
        assert_eq!(bench.traffic(bench.world.id(0, server)).packets_in, 2);
    }
}

#[test]
fn damaged_exhausted_and_unknown_ones_do_not() {
    let mut bench = bench(VIP, v4(11), Forward::Nat);
    let quoted = request(&mut bench, client(1), (VIP, 80).into());
    let error = icmp(v4(11), client(1).ip(), [3, 3], 0, &quoted);
    let id = bench.world.id(0, v4(11));
    let mut damaged = error.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(bench.send_one(BACK, &damaged).1, Verdict::Drop(DropReason::IcmpChecksum));
    assert_eq!(bench.send_one(BACK, &with_ttl(error, 1)).1, Verdict::Drop(DropReason::TtlExceeded));
    assert_eq!(bench.traffic(id).packets_out, 0);
    for quote in [&quoted[..23], &quoted[..19], &[], packet(&udp(client(1), (v4(11), 8080).into(), b""))] {
        let error = icmp(v4(11), client(1).ip(), [3, 3], 0, quote);
        assert_eq!(bench.send_one(BACK, &error).1, Verdict::ToKernel, "{quote:?}");
    }
    // No errors: echo, redirect, parameter problem.
    for kind in [8, 0, 5, 12] {
        let other = icmp(v4(11), client(1).ip(), [kind, 0], 0, &quoted);
        assert_eq!(bench.send_one(BACK, &other).1, Verdict::ToKernel, "{kind}");
    }
}

/// The device, addresses and message of the ICMP error that `error` about a tunnel packet became.
fn relayed(bench: &mut Bench, error: &[u8]) -> Option<(DeviceId, IpAddr, IpAddr, Vec<u8>)> {
    let results = bench.send(BACK, error);
    let frames = sent(&results);
    let (device, frame) = frames.first()?;
    let (from, to, message) = message(frame);
    Some((*device, from, to, message))
}

#[test]
fn the_client_learns_what_a_router_said_about_the_outer_packet() {
    let mut bench = bench(VIP, v4(11), Forward::Tunnel);
    let big = with_df(tcp(client(1), (VIP, 80).into(), SYN, &[7; 1400]));
    let outer = packet(&bench.send_one(FRONT, &big).0).to_vec();
    let too_big = |mtu: u32| icmp(v4(9), "10.1.0.1".parse().unwrap(), [3, 4], mtu, &outer[..600]);

    // A damaged report changes nothing.
    let mut damaged = too_big(1000);
    damaged[ether::Header::LEN + 20 + 7] ^= 1;
    assert_eq!(bench.send_one(BACK, &damaged).1, Verdict::Drop(DropReason::IcmpChecksum));
    assert_eq!(bench.send_one(FRONT, &big).1, Verdict::Tx(BACK));

    for (reported, announced) in [(1300, 1280), (0, 532)] {
        let (device, from, to, message) = relayed(&mut bench, &too_big(reported)).unwrap();
        assert_eq!((device, from, to), (FRONT, VIP, client(1).ip()));
        assert_eq!((&message[..2], &message[6..8]), (&[3, 4][..], &(announced as u16).to_be_bytes()[..]));
        assert_eq!(message[8..28], packet(&with_ttl(big.clone(), 63))[..20], "about the client's own packet");
        // From now on we say so ourselves.
        let told = bench.send(FRONT, &big);
        assert_eq!(sent(&told)[0].1[ether::Header::LEN + 26..][..2], (announced as u16).to_be_bytes());
    }
    let fits = with_df(tcp(client(1), (VIP, 80).into(), ACK, &[7; 492]));
    assert_eq!(bench.send_one(FRONT, &fits).1, Verdict::Tx(BACK));
    bench.advance(600_000);
    assert_eq!(bench.send_one(FRONT, &big).1, Verdict::Tx(BACK), "forgotten");
}

#[test]
fn other_errors_about_a_tunnel_are_passed_on_as_ours() {
    let mut bench = bench(VIP6, v6(11), Forward::Tunnel);
    let outer = request(&mut bench, client6(1), (VIP6, 80).into());
    let error = icmp(v6(11), "fd00:1::1".parse().unwrap(), [1, 3], 0, &outer);
    let (device, from, to, message) = relayed(&mut bench, &error).unwrap();
    assert_eq!((device, from, to, &message[..2]), (FRONT, VIP6, client6(1).ip(), &[1, 3][..]));
    assert_eq!(bench.traffic(bench.world.id(0, v6(11))).packets_out, 1);
    // About another server than the connection's: not ours.
    let mut forged = outer;
    forged[39] = 12;
    let error = icmp(v6(11), "fd00:1::1".parse().unwrap(), [1, 3], 0, &forged);
    assert_eq!(bench.send_one(BACK, &error).1, Verdict::ToKernel);
}

#[test]
fn schedule_icmp_makes_the_connection_an_error_should_have_had() {
    let quoted = tcp((VIP, 80).into(), client(1), ACK, b"");
    let error = icmp("192.0.2.1".parse().unwrap(), VIP, [3, 4], 1400, packet(&quoted));
    let mut bench = bench(VIP, v4(11), Forward::Nat);
    assert_eq!(bench.send_one(FRONT, &error).1, Verdict::ToKernel);
    bench.world.settings.schedule_icmp = true;
    bench.publish();
    let (out, verdict) = bench.send_one(FRONT, &error);
    assert_eq!((verdict, message(&out).1), (Verdict::Tx(BACK), v4(11)));
    // It lives for three seconds, or until the client speaks.
    let id = bench.world.id(0, v4(11));
    bench.advance(2_900);
    assert_eq!(bench.world.servers.load(id).inactive, 1);
    bench.advance(1_000);
    assert_eq!((bench.world.servers.load(id).total(), bench.world.table.v4().len()), (0, 0));
    assert_eq!(open(&bench.send_one(FRONT, &tcp(client(1), (VIP, 80).into(), SYN, b"")).0).destination.ip(), v4(11));
}

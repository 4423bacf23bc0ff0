//! How many errors, how long, and to whom.

use headgate_wire::checksum::{pseudo_header_v6, sum};
use headgate_wire::{Protocol, ether, ipv4};

use super::{IcmpOut, MAX_V4, MAX_V6};
use crate::drop_reason::DropReason;
use crate::pipeline::{Now, Verdict};
use crate::proto;
use crate::testing::bench::{Bench, sent};
use crate::testing::packets::{SYN, client, client6, tcp, udp};
use crate::testing::world::{FRONT, VIP, VIP6, VirtualService, World};

/// Services without servers: every packet is answered with port unreachable.
fn bench() -> Bench {
    let mut world = World::new();
    world.services = vec![
        VirtualService::new(proto::UDP, VIP, 53),
        VirtualService::new(proto::TCP, VIP, 80),
        VirtualService::new(proto::UDP, VIP6, 53),
    ];
    Bench::new(world)
}

#[test]
fn the_bucket_holds_a_tenth_of_a_second_and_fills_with_time() {
    let mut out = IcmpOut::new(Now::from_millis(0));
    let mut allowed =
        |millis, per_second| (0..10_000).take_while(|_| out.allows(per_second, Now::from_millis(millis))).count();
    assert_eq!(allowed(0, 1000), 100);
    assert_eq!(allowed(0, 1000), 0);
    assert_eq!(allowed(10, 1000), 10);
    assert_eq!(allowed(60_000, 1000), 100, "never more than the bucket holds");
    // One each half second: the least bucket is one message.
    assert_eq!(allowed(60_499, 2), 0);
    assert_eq!(allowed(60_500, 2), 1);
    assert_eq!(allowed(60_400, 2), 0, "a clock that goes back gives nothing");
    assert_eq!(allowed(60_500, 0), 10_000, "no limit");
}

#[test]
fn what_the_limit_holds_back_is_counted() {
    let mut bench = bench();
    bench.world.settings.icmp_per_second = 100;
    bench.publish();
    for n in 0..25 {
        bench.send(FRONT, &udp(client(n), (VIP, 53).into(), b""));
    }
    assert_eq!((bench.counters.icmp_sent.value(), bench.dropped(DropReason::IcmpRateLimit)), (10, 15));
    bench.advance(50);
    for n in 0..25 {
        bench.send(FRONT, &udp(client(n), (VIP, 53).into(), b""));
    }
    assert_eq!((bench.counters.icmp_sent.value(), bench.dropped(DropReason::IcmpRateLimit)), (15, 35));
}

#[test]
fn an_error_quotes_as_much_as_fits_and_its_checksums_are_right() {
    let mut bench = bench();
    for payload in [0, 1, 500, 512, 520, 521, 522, 1400] {
        let offender = udp(client(1), (VIP, 53).into(), &vec![0x5a; payload]);
        let (frame, verdict) = bench.send_one(FRONT, &offender);
        assert_eq!(verdict, Verdict::Tx(FRONT));
        let (packet, quoted) = (&frame[ether::Header::LEN..], &offender[ether::Header::LEN..]);
        assert_eq!(packet.len(), (28 + quoted.len()).min(MAX_V4), "{payload}");
        assert!(ipv4::verify_checksum(&packet[..20]) && sum(&packet[20..]).is_valid());
        assert_eq!((packet[8], packet[9], &packet[20..22]), (64, 1, &[3, 3][..]));
        assert_eq!((&packet[12..16], &packet[16..20]), (&[10, 0, 0, 100][..], &[198, 51, 0, 1][..]));
        assert_eq!(packet[28..], quoted[..packet.len() - 28]);
    }
}

#[test]
fn an_error_over_ipv6_keeps_to_the_least_mtu() {
    let mut bench = bench();
    for payload in [0, 3, 1183, 1184, 1185, 1400] {
        let offender = udp(client6(1), (VIP6, 53).into(), &vec![0x5a; payload]);
        let (frame, _) = bench.send_one(FRONT, &offender);
        let (packet, quoted) = (&frame[ether::Header::LEN..], &offender[ether::Header::LEN..]);
        assert_eq!(packet.len(), (48 + quoted.len()).min(MAX_V6), "{payload}");
        let addresses = packet[8..40].as_chunks::<16>().0;
        let message = &packet[40..];
        let pseudo = pseudo_header_v6(&addresses[0], &addresses[1], Protocol::ICMPV6, message.len() as u32);
        assert!(pseudo.add_bytes(message).is_valid());
        assert_eq!((packet[7], packet[6], &message[..2]), (64, 58, &[1, 4][..]));
        assert_eq!(message[8..], quoted[..message.len() - 8]);
    }
}

#[test]
fn the_type_of_service_of_the_offender_shows_through() {
    let mut bench = bench();
    for (tos, expected) in [(0, 0xc0), (0x28, 0xc8), (0xff, 0xde)] {
        let mut offender = tcp(client(1), (VIP, 80).into(), SYN, b"");
        offender[ether::Header::LEN + 1] = tos;
        ipv4::fill_checksum(&mut offender[ether::Header::LEN..][..20]);
        assert_eq!(bench.send_one(FRONT, &offender).0[ether::Header::LEN + 1], expected);
    }
}

#[test]
fn nothing_about_a_service_without_a_server_is_counted_as_its() {
    let mut bench = bench();
    let results = bench.send(FRONT, &tcp(client(1), (VIP, 80).into(), SYN, b""));
    assert_eq!(sent(&results).len(), 1);
    assert_eq!((bench.world.table.v4().len(), bench.dropped_in_all()), (0, 0));
}

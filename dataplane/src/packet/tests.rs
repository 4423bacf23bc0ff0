//! What a frame is taken for.

use headgate_xsk::{Umem, UmemConfig};

use super::*;
use crate::testing::packets::{SYN, client, client6, frame, ip, tcp, udp};
use crate::testing::world::{VIP, VIP6};

/// The class of a frame, and what is left of it.
fn class(bytes: &[u8]) -> (Packet, Vec<u8>) {
    let (_umem, mut frames) = Umem::new(UmemConfig { frame_size: 2048, frames: 1, huge_pages: false }).unwrap();
    let mut frame = frames.alloc().unwrap();
    frame.copy_from(bytes).unwrap();
    let packet = classify(&mut frame);
    let left = frame.bytes().to_vec();
    frames.free(frame);
    (packet, left)
}

fn bad(bytes: &[u8]) -> Option<DropReason> {
    match class(bytes).0 {
        Packet::Bad(reason) => Some(reason),
        _ => None,
    }
}

fn request() -> Vec<u8> {
    tcp(client(1), (VIP, 80).into(), SYN, b"data")
}

fn request6() -> Vec<u8> {
    tcp(client6(1), (VIP6, 80).into(), SYN, b"data")
}

/// A change to the IPv4 header, whose checksum is right afterwards.
fn changed(mut frame: Vec<u8>, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    change(&mut frame[14..]);
    ipv4::fill_checksum(&mut frame[14..34]);
    frame
}

#[test]
fn a_segment_is_a_flow_without_link_header_tags_and_padding() {
    let tagged = |mut frame: Vec<u8>, tags: &[u8]| {
        frame.splice(12..12, tags.iter().copied());
        frame.extend([0xee; 9]);
        frame
    };
    for tags in [&[][..], &[0x81, 0, 0, 5], &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6]] {
        let (packet, left) = class(&tagged(request(), tags));
        let Packet::V4(flow) = packet else { panic!("{packet:?}") };
        assert_eq!((left, flow.l4, flow.flags), (request()[14..].to_vec(), 20, SYN));
        assert_eq!((flow.key.sport(), flow.key.dport(), flow.key.protocol()), (40_000, 80, proto::TCP));
        let (packet, left) = class(&tagged(request6(), tags));
        let Packet::V6(flow) = packet else { panic!("{packet:?}") };
        assert_eq!((left, flow.l4, flow.flags), (request6()[14..].to_vec(), 40, SYN));
    }
    let (packet, _) = class(&udp(client(1), (VIP, 53).into(), b""));
    let Packet::V4(flow) = packet else { panic!("{packet:?}") };
    assert_eq!((flow.flags, flow.key.protocol()), (tcp::Flags::NONE, proto::UDP));
}

#[test]
fn sources_that_nobody_has_are_martian() {
    for (source, martian) in [
        ([0, 1, 2, 3], true),
        ([1, 0, 0, 1], false),
        ([126, 255, 255, 255], false),
        ([127, 0, 0, 1], true),
        ([128, 0, 0, 1], false),
        ([223, 255, 255, 255], false),
        ([224, 0, 0, 1], true),
        ([255, 255, 255, 255], true),
    ] {
        let frame = changed(request(), |header| header[12..16].copy_from_slice(&source));
        assert_eq!(bad(&frame) == Some(DropReason::MartianSource), martian, "{source:?}");
    }
    for (source, martian) in [("::", true), ("::1", true), ("::2", false), ("ff02::1", true), ("fe80::1", false)] {
        let source: std::net::Ipv6Addr = source.parse().unwrap();
        let mut frame = request6();
        frame[22..38].copy_from_slice(&source.octets());
        assert_eq!(bad(&frame) == Some(DropReason::MartianSource), martian, "{source}");
    }
}

#[test]
fn damaged_headers_have_their_reason() {
    let mut sum = request();
    sum[24] ^= 1;
    assert_eq!(bad(&sum), Some(DropReason::IpChecksum));
    let mut options = request();
    options[14] = 0x46;
    assert_eq!(bad(&options), Some(DropReason::IpChecksum), "the checksum covers options");
    assert_eq!(bad(&changed(request(), |header| header[0] = 0x44)), Some(DropReason::Malformed));
    assert_eq!(bad(&changed(request(), |header| header[3] = 19)), Some(DropReason::Malformed));
    assert_eq!(bad(&changed(request(), |header| header[2] = 1)), Some(DropReason::Truncated));
    assert_eq!(bad(&changed(request(), |header| header[0] = 0x65)), Some(DropReason::NotIp));
    let mut longer = request6();
    longer[18] = 1;
    assert_eq!(bad(&longer), Some(DropReason::Truncated));
    let mut version = request6();
    version[14] = 0x45;
    assert_eq!(bad(&version), Some(DropReason::NotIp));
    let mut arp = request();
    arp[12..14].copy_from_slice(&[8, 6]);
    assert_eq!(bad(&arp), Some(DropReason::NotIp));
    for length in 0..54 {
        assert_eq!(bad(&request()[..length]), Some(DropReason::Truncated), "{length}");
    }
}

#[test]
fn parts_of_datagrams_are_fragments_unless_nothing_is_missing() {
    for (flags, fragment) in [(0x4000_u16, false), (0x2000, true), (0x0001, true), (0x2001, true), (0x8000, false)] {
        let frame = changed(request(), |header| header[6..8].copy_from_slice(&flags.to_be_bytes()));
        assert_eq!(matches!(class(&frame).0, Packet::Fragment4), fragment, "{flags:#06x}");
    }
    for (offset, fragment) in [(0_u16, false), (1, true), (8, true), (9, true)] {
        let [high, low] = offset.to_be_bytes();
        let payload = [&[6, 0, high, low, 0, 0, 0, 1], &request6()[54..]].concat();
        let (packet, _) = class(&frame(&ip(client6(1).ip(), VIP6, 44, &payload)));
        match packet {
            Packet::Fragment6 { header } => assert!(fragment && header == 40, "{offset}"),
            Packet::V6(flow) => assert!(!fragment && flow.l4 == 48, "{offset}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn icmp_is_found_behind_extension_headers_and_the_rest_is_the_kernels() {
    let icmp = |packet: Packet| match packet {
        Packet::Icmp4 { l4 } | Packet::Icmp6 { l4 } => Some(l4),
        _ => None,
    };
    assert_eq!(icmp(class(&frame(&ip(client(1).ip(), VIP, 1, &[0; 8]))).0), Some(20));
    assert_eq!(icmp(class(&frame(&ip(client6(1).ip(), VIP6, 58, &[0; 8]))).0), Some(40));
    let behind = [58, 0, 1, 4, 0, 0, 0, 0, 128, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(icmp(class(&frame(&ip(client6(1).ip(), VIP6, 0, &behind))).0), Some(48));
    for protocol in [2, 4, 47, 50, 51, 89, 132] {
        let (packet, _) = class(&frame(&ip(client(1).ip(), VIP, protocol, &[0; 40])));
        assert!(matches!(packet, Packet::Other), "{protocol}: {packet:?}");
    }
}

use std::string::ToString;
use std::vec::Vec;

use pnet_packet::ipv4::{Ipv4Flags, Ipv4Packet};
use proptest::prelude::*;

use super::*;
use crate::{ether, samples};

fn packet(frame: &[u8]) -> Vec<u8> {
    frame[ether::HEADER_LEN..].to_vec()
}

fn syn() -> Vec<u8> {
    packet(samples::TCP_SYN)
}

#[test]
fn recorded_packet() {
    let packet = syn();
    let (header, rest) = Header::parse(&packet).unwrap();
    assert_eq!(header.to_string(), "IP 198.51.100.7 > 10.0.0.100: tos 0x0, ttl 64, id 4660, DF, proto TCP, length 60");
    assert_eq!(header.payload(rest).len(), 40);
    assert!(header.options(rest).is_empty() && !header.has_options());
    assert!(verify_checksum(&packet[..header.header_len()]));
}

#[test]
fn recorded_fragment() {
    let packet = packet(samples::FRAGMENT);
    let (header, _) = Header::parse(&packet).unwrap();
    assert!(header.is_fragment() && !header.more_fragments() && header.fragment_offset() > 0);
    assert!(verify_checksum(&packet[..20]));
}

#[test]
fn recorded_options() {
    let packet = packet(samples::TCP_RECORD_ROUTE);
    let (header, rest) = Header::parse(&packet).unwrap();
    assert_eq!((header.header_len(), header.options(rest).len()), (28, 8));
    assert_eq!(header.payload(rest).len(), 20);
    assert!(verify_checksum(&packet[..28]));
    assert!(!verify_checksum(&packet[..20]));
}

#[test]
fn short_packet_is_refused() {
    assert_eq!(Header::parse(&syn()[..19]), Err(ParseError::Ipv4Short));
}

#[test]
fn other_version_is_refused() {
    let mut packet = syn();
    packet[0] = 0x65;
    assert_eq!(Header::parse(&packet), Err(ParseError::Ipv4Version));
}

#[test]
fn header_length_below_20_is_refused() {
    let mut packet = syn();
    packet[0] = 0x44;
    assert_eq!(Header::parse(&packet), Err(ParseError::Ipv4HeaderLen));
}

#[test]
fn header_length_beyond_buffer_is_refused() {
    let mut packet = syn();
    packet[0] = 0x4f;
    assert_eq!(Header::parse(&packet[..59]), Err(ParseError::Ipv4HeaderTruncated));
    assert_eq!(Header::parse_quoted(&packet[..59]), Err(ParseError::Ipv4HeaderTruncated));
}

#[test]
fn total_length_below_header_is_refused() {
    let mut packet = syn();
    packet[2..4].copy_from_slice(&19_u16.to_be_bytes());
    assert_eq!(Header::parse(&packet), Err(ParseError::Ipv4TotalLenBelowHeader));
}

#[test]
fn total_length_beyond_buffer_is_refused_unless_quoted() {
    let packet = syn();
    assert_eq!(Header::parse(&packet[..59]), Err(ParseError::Ipv4Truncated));
    let (header, rest) = Header::parse_quoted(&packet[..28]).unwrap();
    assert_eq!(header.payload(rest).len(), 8);
}

#[test]
fn ethernet_padding_is_not_payload() {
    let mut packet = syn();
    packet.extend_from_slice(&[0; 6]);
    let (header, rest) = Header::parse(&packet).unwrap();
    assert_eq!((rest.len(), header.payload(rest).len()), (46, 40));
}

#[test]
fn ttl_of_zero_stays() {
    let mut header = Header::new();
    header.fill_own_checksum();
    assert_eq!(header.decrement_ttl(), 0);
    assert!(verify_checksum(header.as_bytes()));
}

#[test]
fn fill_checksum_gives_the_recorded_one() {
    for frame in [samples::TCP_SYN, samples::TCP_RECORD_ROUTE] {
        let mut packet = packet(frame);
        let header_len = Header::parse(&packet).unwrap().0.header_len();
        let recorded = packet[..header_len].to_vec();
        packet[CHECKSUM_OFFSET] ^= 0xa5;
        fill_checksum(&mut packet[..header_len]);
        assert_eq!(packet[..header_len], recorded);
    }
}

/// All fields of a header without options.
#[derive(Debug, Clone)]
struct Fields {
    tos: u8,
    len: u16,
    id: u16,
    dont_fragment: bool,
    more: bool,
    offset: u16,
    ttl: u8,
    protocol: u8,
    source: u32,
    destination: u32,
}

prop_compose! {
    fn fields()(
        (tos, len, id) in (any::<u8>(), 20_u16..100, any::<u16>()),
        (dont_fragment, more, offset) in (any::<bool>(), any::<bool>(), 0_u16..0x2000),
        (ttl, protocol) in any::<(u8, u8)>(),
        (source, destination) in any::<(u32, u32)>(),
    ) -> Fields {
        Fields { tos, len, id, dont_fragment, more, offset: offset * 8, ttl, protocol, source, destination }
    }
}

fn emit(fields: &Fields) -> Vec<u8> {
    let mut packet = std::vec![0xee; usize::from(fields.len)];
    let (header, _) = Header::init(&mut packet).unwrap();
    header.set_tos(fields.tos);
    header.set_total_len(fields.len);
    header.set_id(fields.id);
    header.set_fragment_offset(fields.offset);
    header.set_dont_fragment(fields.dont_fragment);
    header.set_more_fragments(fields.more);
    header.set_ttl(fields.ttl);
    header.set_protocol(Protocol(fields.protocol));
    header.set_source(fields.source.into());
    header.set_destination(fields.destination.into());
    header.fill_own_checksum();
    packet
}

proptest! {
    #[test]
    fn emitted_header_parses_back_and_equals_pnet(fields in fields()) {
        let packet = emit(&fields);
        let (header, rest) = Header::parse(&packet).unwrap();
        prop_assert_eq!(header.tos(), fields.tos);
        prop_assert_eq!(header.total_len(), fields.len);
        prop_assert_eq!(usize::from(header.payload_len()), header.payload(rest).len());
        prop_assert_eq!(header.id(), fields.id);
        prop_assert_eq!(header.dont_fragment(), fields.dont_fragment);
        prop_assert_eq!(header.more_fragments(), fields.more);
        prop_assert_eq!(header.fragment_offset(), fields.offset);
        prop_assert_eq!(header.is_fragment(), fields.more || fields.offset != 0);
        prop_assert_eq!(header.ttl(), fields.ttl);
        prop_assert_eq!(header.protocol(), Protocol(fields.protocol));
        prop_assert_eq!(header.source_bits(), fields.source);
        prop_assert_eq!(header.destination_bits(), fields.destination);
        prop_assert!(verify_checksum(&packet[..MIN_LEN]));

        let theirs = Ipv4Packet::new(&packet).unwrap();
        prop_assert_eq!(theirs.get_version(), 4);
        prop_assert_eq!(usize::from(theirs.get_header_length()) * 4, header.header_len());
        prop_assert_eq!((theirs.get_dscp() << 2) | theirs.get_ecn(), fields.tos);
        prop_assert_eq!(theirs.get_total_length(), fields.len);
        prop_assert_eq!(theirs.get_identification(), fields.id);
        prop_assert_eq!(theirs.get_flags() & Ipv4Flags::DontFragment != 0, fields.dont_fragment);
        prop_assert_eq!(theirs.get_flags() & Ipv4Flags::MoreFragments != 0, fields.more);
        prop_assert_eq!(theirs.get_fragment_offset() * 8, fields.offset);
        prop_assert_eq!(theirs.get_ttl(), fields.ttl);
        prop_assert_eq!(theirs.get_next_level_protocol().0, fields.protocol);
        prop_assert_eq!(theirs.get_source(), header.source());
        prop_assert_eq!(theirs.get_destination(), header.destination());
        prop_assert_eq!(pnet_packet::ipv4::checksum(&theirs), header.checksum());
    }

    #[test]
    fn rewrites_equal_a_recompute(fields in fields(), source in any::<u32>(), destination in any::<u32>()) {
        let mut packet = emit(&fields);
        let (header, _) = Header::parse_mut(&mut packet).unwrap();
        let source_delta = header.rewrite_source(source.into());
        let destination_delta = header.rewrite_destination(destination.into());
        prop_assert_eq!(header.decrement_ttl(), fields.ttl.saturating_sub(1));

        let fresh = Fields { source, destination, ttl: fields.ttl.saturating_sub(1), ..fields };
        prop_assert_eq!(header.checksum(), Header::parse(&emit(&fresh)).unwrap().0.checksum());
        prop_assert_eq!(packet, emit(&fresh));

        // What a transport checksum changes by: the pseudo header sum.
        let pseudo = |fields: &Fields| {
            checksum::pseudo_header_v4(fields.source.into(), fields.destination.into(), Protocol::TCP, 20)
        };
        let updated = source_delta.and(destination_delta).apply(pseudo(&fields).checksum());
        prop_assert_eq!(updated, pseudo(&fresh).checksum());
    }

    #[test]
    fn wrong_checksum_stays_wrong(fields in fields(), error in 1_u16..0xffff, source in any::<u32>()) {
        let mut packet = emit(&fields);
        let (header, _) = Header::parse_mut(&mut packet).unwrap();
        header.set_checksum(header.checksum() ^ error);
        let was_wrong = !verify_checksum(header.as_bytes());
        let _ = header.rewrite_source(source.into());
        header.decrement_ttl();
        prop_assert_eq!(!verify_checksum(header.as_bytes()), was_wrong);
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..100), fix in any::<bool>()) {
        // Without help almost nothing passes the version and length checks.
        if fix && bytes.len() > 4 {
            bytes[0] = 0x40 | (bytes[0] & 0x0f);
            bytes[2] = 0;
        }
        for (header, rest) in [Header::view(&bytes), Header::parse(&bytes), Header::parse_quoted(&bytes)].into_iter().flatten() {
            let _ = (header.to_string(), header.options(rest), header.payload(rest), header.payload_len());
            let _ = (header.source_bits(), header.destination_bits(), header.checksum());
        }
        if let Ok((header, rest)) = Header::parse(&bytes) {
            prop_assert_eq!(header.options(rest).len() + MIN_LEN, header.header_len());
            prop_assert_eq!(header.payload(rest).len(), usize::from(header.payload_len()));
        }
        let _ = verify_checksum(&bytes);
        fill_checksum(&mut bytes);
        if let Ok((header, _)) = Header::view_mut(&mut bytes) {
            header.decrement_ttl();
            header.set_header_len(usize::MAX);
            assert_eq!(header.header_len(), MAX_LEN);
        }
    }
}

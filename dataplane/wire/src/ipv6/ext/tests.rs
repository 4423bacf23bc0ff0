use std::string::ToString;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::{ether, samples};

/// First 62 bytes of a frame from a recording of Linux 6.1 IPVS, without its Ethernet header: last fragment of a UDP datagram.
#[rustfmt::skip]
const LAST_FRAGMENT: [u8; 48] = [
    0x60, 0x00, 0x00, 0x00, 0x02, 0x68, 0x2c, 0x40,
    0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07,
    0xfd, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00,
    0x11, 0x00, 0x05, 0xa8, 0x42, 0x42, 0x42, 0x42,
];

/// A packet with these extension headers: protocol and bytes, whose first byte is set to name the next.
fn packet(extensions: &[(Protocol, &[u8])], upper: Protocol, payload: &[u8]) -> Vec<u8> {
    let protocols: Vec<Protocol> = extensions.iter().map(|e| e.0).chain([upper]).collect();
    let mut body = Vec::new();
    for ((_, bytes), next) in extensions.iter().zip(&protocols[1..]) {
        let start = body.len();
        body.extend_from_slice(bytes);
        body[start] = next.0;
    }
    body.extend_from_slice(payload);
    let mut header = Header::new();
    header.set_payload_len(body.len() as u16);
    header.set_next_header(protocols[0]);
    [&header.as_bytes()[..], &body].concat()
}

fn fragment(offset: u16, more: bool) -> [u8; FRAGMENT_LEN] {
    *FragmentHeader::new(Protocol(0), offset, more, 0x4242_4242).as_bytes()
}

const OPTIONS: &[u8] = &[0, 0, 1, 4, 0, 0, 0, 0];
const OPTIONS_16: &[u8] = &[0, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

#[test]
fn packet_without_extensions_ends_at_once() {
    let upper = walk(&samples::TCP6_SYN[ether::HEADER_LEN..]).unwrap();
    assert_eq!(upper, Upper { protocol: Protocol::TCP, offset: 40, protocol_field: 6, fragment: None });
    assert!(upper.has_header());
}

#[test]
fn recorded_last_fragment() {
    let upper = walk(&LAST_FRAGMENT).unwrap();
    let fragment =
        Fragment { offset: 1448, more: false, id: 0x4242_4242, header_offset: 40, protocol_field: NEXT_HEADER_OFFSET };
    assert_eq!(upper, Upper { protocol: Protocol::UDP, offset: 48, protocol_field: 40, fragment: Some(fragment) });
    assert!(!upper.has_header() && !fragment.is_atomic());
    assert_eq!(
        FragmentHeader::parse(&LAST_FRAGMENT[40..]).unwrap().0.to_string(),
        "frag (0x42424242:1448), next-header UDP"
    );
}

#[test]
fn chain_in_the_recommended_order() {
    let first = fragment(0, true);
    let ah = [0, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let chain = [
        (Protocol::HOP_BY_HOP, OPTIONS),
        (Protocol::DESTINATION_OPTIONS, OPTIONS_16),
        (Protocol::ROUTING, OPTIONS),
        (Protocol::FRAGMENT, &first[..]),
        (Protocol::AH, &ah[..]),
        (Protocol::DESTINATION_OPTIONS, OPTIONS),
    ];
    let upper = walk(&packet(&chain, Protocol::TCP, &[0; 20])).unwrap();
    assert_eq!((upper.protocol, upper.offset), (Protocol::TCP, 40 + 8 + 16 + 8 + 8 + 24 + 8));
    assert_eq!(upper.protocol_field, upper.offset - 8);
    let fragment = upper.fragment.unwrap();
    assert_eq!((fragment.header_offset, fragment.protocol_field), (72, 64));
    assert!(upper.has_header() && fragment.more);
}

#[test]
fn later_fragment_ends_the_walk() {
    // What follows is data that must not be read as a destination options header.
    let last = fragment(1448, false);
    let upper = walk(&packet(&[(Protocol::FRAGMENT, &last)], Protocol::DESTINATION_OPTIONS, &[0xff; 8])).unwrap();
    assert_eq!((upper.protocol, upper.offset), (Protocol::DESTINATION_OPTIONS, 48));
}

#[test]
fn atomic_fragment_is_a_whole_packet() {
    let whole = fragment(0, false);
    let upper = walk(&packet(&[(Protocol::FRAGMENT, &whole)], Protocol::UDP, &[0; 8])).unwrap();
    assert!(upper.has_header() && upper.fragment.unwrap().is_atomic());
}

#[test]
fn encrypted_payload_and_no_next_header_are_upper_protocols() {
    for protocol in [Protocol::ESP, Protocol::NO_NEXT_HEADER, Protocol(253)] {
        let upper = walk(&packet(&[(Protocol::HOP_BY_HOP, OPTIONS)], protocol, &[])).unwrap();
        assert_eq!((upper.protocol, upper.offset), (protocol, 48));
    }
}

#[test]
fn hop_by_hop_is_refused_behind_another_header() {
    let chain = [(Protocol::DESTINATION_OPTIONS, OPTIONS), (Protocol::HOP_BY_HOP, OPTIONS)];
    assert_eq!(walk(&packet(&chain, Protocol::TCP, &[])), Err(ParseError::Ipv6HopByHopNotFirst));
}

#[test]
fn second_fragment_header_is_refused() {
    let whole = fragment(0, false);
    let chain = [(Protocol::FRAGMENT, &whole[..]), (Protocol::FRAGMENT, &whole[..])];
    assert_eq!(walk(&packet(&chain, Protocol::TCP, &[])), Err(ParseError::Ipv6NestedFragment));
}

#[test]
fn chain_is_bounded() {
    let longest = [(Protocol::DESTINATION_OPTIONS, OPTIONS); MAX_HEADERS];
    assert_eq!(walk(&packet(&longest, Protocol::TCP, &[])).unwrap().offset, 40 + 8 * MAX_HEADERS);
    let longer = [(Protocol::DESTINATION_OPTIONS, OPTIONS); MAX_HEADERS + 1];
    assert_eq!(walk(&packet(&longer, Protocol::TCP, &[])), Err(ParseError::Ipv6TooManyExtensions));
}

#[test]
fn extension_cut_short_is_refused() {
    let whole = packet(&[(Protocol::ROUTING, OPTIONS_16)], Protocol::TCP, &[]);
    for len in 40..whole.len() {
        assert_eq!(walk(&whole[..len]), Err(ParseError::Ipv6ExtensionTruncated), "{len} bytes");
    }
    assert!(walk(&whole).is_ok());
    assert_eq!(walk(&LAST_FRAGMENT[..47]), Err(ParseError::Ipv6ExtensionTruncated));
    assert_eq!(walk(&whole[..39]), Err(ParseError::Ipv6Short));
}

#[test]
fn bytes_behind_the_payload_length_are_not_read() {
    let mut packet = packet(&[(Protocol::ROUTING, OPTIONS_16)], Protocol::TCP, &[]);
    packet[5] = 8;
    assert_eq!(walk(&packet), Err(ParseError::Ipv6ExtensionTruncated));
}

/// Protocol numbers, extension headers mostly.
fn protocol() -> impl Strategy<Value = u8> {
    prop_oneof![4 => prop::sample::select(&[0_u8, 43, 44, 51, 60][..]), 1 => any::<u8>()]
}

proptest! {
    #[test]
    fn emitted_fragment_header_parses_back(next in any::<u8>(), offset in 0_u16..0x2000, more in any::<bool>(), id in any::<u32>()) {
        let header = FragmentHeader::new(Protocol(next), offset * 8, more, id);
        let (parsed, _) = FragmentHeader::parse(header.as_bytes()).unwrap();
        prop_assert_eq!((parsed.next_header(), parsed.offset()), (Protocol(next), offset * 8));
        prop_assert_eq!((parsed.more(), parsed.id()), (more, id));

        let theirs = pnet_packet::ipv6::FragmentPacket::new(header.as_bytes()).unwrap();
        prop_assert_eq!(theirs.get_next_header().0, next);
        prop_assert_eq!(theirs.get_fragment_offset_with_flags(), (offset << 3) | u16::from(more));
        prop_assert_eq!(theirs.get_id(), id);
    }

    #[test]
    fn arbitrary_chains_do_not_panic(
        first in protocol(),
        steps in prop::collection::vec((protocol(), 0_u8..4, any::<[u8; 6]>()), 0..12),
        noise in prop::collection::vec(any::<u8>(), 0..60),
        len in any::<u16>(),
    ) {
        let mut header = Header::new();
        header.set_next_header(Protocol(first));
        header.set_payload_len(if len < 0x8000 { len } else { len % 200 });
        let mut packet = header.as_bytes().to_vec();
        for (next, units, data) in steps {
            packet.extend_from_slice(&[next, units]);
            packet.extend_from_slice(&data);
        }
        packet.extend_from_slice(&noise);
        if let Ok(upper) = walk(&packet) {
            prop_assert!(upper.offset <= packet.len() && upper.offset >= HEADER_LEN);
            prop_assert!(upper.offset <= header.total_len());
            prop_assert_eq!(packet[upper.protocol_field], upper.protocol.0);
            if let Some(fragment) = upper.fragment {
                prop_assert!(fragment.header_offset + FRAGMENT_LEN <= upper.offset);
                prop_assert_eq!(packet[fragment.protocol_field], Protocol::FRAGMENT.0);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        if let Ok(upper) = walk(&bytes) {
            prop_assert!(upper.offset <= bytes.len());
        }
    }
}

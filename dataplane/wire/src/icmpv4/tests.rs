use std::string::ToString;
use std::vec::Vec;

use pnet_packet::icmp::IcmpPacket;
use proptest::prelude::*;

use super::*;
use crate::{Protocol, ether, ipv4, ports, samples};

fn message() -> Vec<u8> {
    let (ip, rest) = ipv4::Header::parse(&samples::ICMP_PORT_UNREACHABLE[ether::HEADER_LEN..]).unwrap();
    ip.payload(rest).to_vec()
}

#[test]
fn recorded_message_quotes_a_datagram() {
    let message = message();
    let (header, quoted) = Header::parse(&message).unwrap();
    assert_eq!(header.to_string(), "ICMP unreachable, code 3");
    assert!(header.is_error() && verify_checksum(&message));

    let (inner, rest) = ipv4::Header::parse_quoted(quoted).unwrap();
    assert_eq!(inner.protocol(), Protocol::UDP);
    let (ports, _) = ports::Header::parse(inner.payload(rest)).unwrap();
    assert_eq!(ports.to_string(), "40000 > 5353");
}

#[test]
fn rewrite_of_the_quoted_packet_keeps_the_checksum_right() {
    let mut message = message();
    let (header, quoted) = Header::parse_mut(&mut message).unwrap();
    let (inner, _) = ipv4::Header::parse_quoted_mut(quoted).unwrap();
    let old = inner.checksum();
    let addresses = inner.rewrite_destination(core::net::Ipv4Addr::new(10, 0, 0, 100));
    header.update_checksum(addresses.u16(old, inner.checksum()));
    assert!(verify_checksum(&message));
}

#[test]
fn short_message_is_refused() {
    assert_eq!(Header::parse(&message()[..7]), Err(ParseError::Icmpv4Short));
}

#[test]
fn fill_checksum_gives_the_recorded_one() {
    let recorded = message();
    let mut message = recorded.clone();
    message[CHECKSUM_OFFSET] ^= 0x5a;
    assert!(!verify_checksum(&message));
    fill_checksum(&mut message);
    assert_eq!(message, recorded);
}

#[test]
fn only_messages_about_packets_are_errors() {
    let errors: Vec<u8> = (0..=255).filter(|type_| Header::new(*type_, 0, 0).is_error()).collect();
    assert_eq!(errors, [3, 4, 5, 11, 12]);
}

#[test]
fn display() {
    let shown = |type_, code, rest| Header::new(type_, code, rest).to_string();
    assert_eq!(shown(8, 0, 0x0007_0002), "ICMP echo request, id 7, seq 2");
    assert_eq!(shown(3, 4, 1480), "ICMP unreachable - need to frag (mtu 1480)");
    assert_eq!(shown(11, 1, 0), "ICMP time exceeded, code 1");
    assert_eq!(shown(42, 1, 0), "ICMP type 42, code 1");
}

proptest! {
    #[test]
    fn emitted_header_parses_back_and_equals_pnet(type_ in any::<u8>(), code in any::<u8>(), rest in any::<u32>()) {
        let mut message = [0xee; 12];
        let (header, _) = Header::init(&mut message).unwrap();
        header.set_type(type_);
        header.set_code(code);
        header.set_rest(rest);
        fill_checksum(&mut message);
        prop_assert!(verify_checksum(&message));
        let (header, _) = Header::parse(&message).unwrap();
        prop_assert_eq!((header.type_(), header.code(), header.rest()), (type_, code, rest));

        let theirs = IcmpPacket::new(&message).unwrap();
        prop_assert_eq!((theirs.get_icmp_type().0, theirs.get_icmp_code().0), (type_, code));
        prop_assert_eq!(theirs.get_checksum(), header.checksum());
        prop_assert_eq!(pnet_packet::icmp::checksum(&theirs), header.checksum());
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..20)) {
        if let Ok((header, _)) = Header::parse(&bytes) {
            let _ = (header.to_string(), header.is_error(), header.mtu());
        }
        let _ = verify_checksum(&bytes);
        fill_checksum(&mut bytes);
    }
}

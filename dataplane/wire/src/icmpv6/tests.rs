use std::string::ToString;
use std::vec::Vec;

use pnet_packet::icmpv6::Icmpv6Packet;
use proptest::prelude::*;

use super::*;
use crate::{Protocol, checksum, ether, ipv6, ports, samples};

/// The recorded message and its pseudo header sum.
fn message() -> (Vec<u8>, Sum) {
    let (ip, rest) = ipv6::Header::parse(&samples::ICMP6_PORT_UNREACHABLE[ether::HEADER_LEN..]).unwrap();
    let len = u32::from(ip.payload_len());
    let pseudo = checksum::pseudo_header_v6(ip.source_bytes(), ip.destination_bytes(), ip.next_header(), len);
    (ip.payload(rest).to_vec(), pseudo)
}

#[test]
fn recorded_message_quotes_a_datagram() {
    let (message, pseudo) = message();
    let (header, quoted) = Header::parse(&message).unwrap();
    assert_eq!(header.to_string(), "ICMP6, destination unreachable, code 4");
    assert!(header.is_error() && verify_checksum(&message, pseudo));

    let (inner, rest) = ipv6::Header::parse_quoted(quoted).unwrap();
    assert_eq!(inner.next_header(), Protocol::UDP);
    let (ports, _) = ports::Header::parse(inner.payload(rest)).unwrap();
    assert_eq!((ports.source(), ports.destination()), (40000, 5353));
}

#[test]
fn short_message_is_refused() {
    assert_eq!(Header::parse(&message().0[..7]), Err(ParseError::Icmpv6Short));
}

#[test]
fn fill_checksum_gives_the_recorded_one() {
    let (recorded, pseudo) = message();
    let mut message = recorded.clone();
    message[CHECKSUM_OFFSET] ^= 0x5a;
    assert!(!verify_checksum(&message, pseudo));
    fill_checksum(&mut message, pseudo);
    assert_eq!(message, recorded);
}

#[test]
fn types_below_128_are_errors_and_five_are_neighbour_discovery() {
    for type_ in 0..=255 {
        let header = Header::new(type_, 0, 0);
        assert_eq!(header.is_error(), type_ < 128);
        assert_eq!(header.is_neighbour_discovery(), (133..=137).contains(&type_));
    }
}

#[test]
fn display() {
    let shown = |type_, rest| Header::new(type_, 0, rest).to_string();
    assert_eq!(shown(2, 1460), "ICMP6, packet too big, mtu 1460");
    assert_eq!(shown(128, 0x0007_0002), "ICMP6, echo request, id 7, seq 2");
    assert_eq!(shown(136, 0), "ICMP6, neighbour advertisement");
    assert_eq!(shown(200, 0), "ICMP6, type 200, code 0");
}

proptest! {
    #[test]
    fn emitted_header_parses_back_and_equals_pnet(
        (type_, code, rest) in any::<(u8, u8, u32)>(),
        source in any::<[u8; 16]>(),
        destination in any::<[u8; 16]>(),
        old in any::<[u8; 16]>(),
    ) {
        let pseudo = checksum::pseudo_header_v6(&source, &destination, Protocol::ICMPV6, 12);
        let mut message = [0xee; 12];
        let (header, _) = Header::init(&mut message).unwrap();
        header.set_type(type_);
        header.set_code(code);
        header.set_rest(rest);
        fill_checksum(&mut message, pseudo);
        prop_assert!(verify_checksum(&message, pseudo));
        let (header, _) = Header::parse(&message).unwrap();
        prop_assert_eq!((header.type_(), header.code(), header.rest()), (type_, code, rest));

        let theirs = Icmpv6Packet::new(&message).unwrap();
        prop_assert_eq!((theirs.get_icmpv6_type().0, theirs.get_icmpv6_code().0), (type_, code));
        let computed = pnet_packet::icmpv6::checksum(&theirs, &source.into(), &destination.into());
        prop_assert_eq!(computed, header.checksum());

        let before = checksum::pseudo_header_v6(&old, &destination, Protocol::ICMPV6, 12);
        let mut updated = message;
        fill_checksum(&mut updated, before);
        Header::parse_mut(&mut updated).unwrap().0.update_checksum(Delta::new().addr16(&old, &source));
        prop_assert_eq!(updated, message);
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..20)) {
        if let Ok((header, _)) = Header::parse(&bytes) {
            let _ = (header.to_string(), header.is_error(), header.mtu());
        }
        let _ = verify_checksum(&bytes, Sum::new());
        fill_checksum(&mut bytes, Sum::new());
    }
}

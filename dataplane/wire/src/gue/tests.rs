use std::string::ToString;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::{checksum, ether, ipv4, samples, udp};

fn message() -> Vec<u8> {
    let (ip, rest) = ipv4::Header::parse(&samples::GUE[ether::HEADER_LEN..]).unwrap();
    let datagram = ip.payload(rest);
    let pseudo = checksum::pseudo_header_v4(ip.source(), ip.destination(), ip.protocol(), ip.payload_len());
    assert!(udp::verify_checksum(datagram, pseudo));
    let (udp, message) = udp::Header::parse(datagram).unwrap();
    assert_eq!(udp.destination_port(), PORT);
    message.to_vec()
}

#[test]
fn recorded_message_carries_ipv4() {
    let message = message();
    let (header, rest) = Header::parse(&message).unwrap();
    assert_eq!(header.to_string(), "GUE, proto IPIP, flags 0x0000, header length 4");
    assert_eq!(header.as_bytes(), Header::new(Protocol::IPIP).as_bytes());
    let (inner, _) = ipv4::Header::parse(header.payload(rest)).unwrap();
    assert_eq!(inner.protocol(), Protocol::TCP);
}

#[test]
fn ipv6_payload_as_linux_writes_it() {
    assert_eq!(Header::new(Protocol::IPV6).as_bytes(), &[0x00, 0x29, 0x00, 0x00]);
}

#[test]
fn short_message_is_refused() {
    assert_eq!(Header::parse(&message()[..3]), Err(ParseError::GueShort));
    assert_eq!(Header::parse(&[0x01, 4, 0, 0, 0, 0, 0]), Err(ParseError::GueShort));
}

#[test]
fn other_variants_and_control_messages_are_refused() {
    for first in [0x40, 0x80, 0xc0, 0x20] {
        let mut message = message();
        message[0] = first;
        assert_eq!(Header::parse_mut(&mut message), Err(ParseError::GueUnsupported), "first byte {first:02x}");
    }
}

proptest! {
    #[test]
    fn extension_fields_are_skipped(hlen in 0_u8..32, protocol in any::<u8>(), flags in any::<u16>()) {
        let [high, low] = flags.to_be_bytes();
        let mut message = std::vec![hlen, protocol, high, low];
        message.extend(std::iter::repeat_n(0xee, usize::from(hlen) * 4));
        message.extend_from_slice(b"payload");
        let (header, rest) = Header::parse(&message).unwrap();
        prop_assert_eq!((header.protocol(), header.flags()), (Protocol(protocol), flags));
        prop_assert_eq!(header.payload(rest), b"payload");
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Ok((header, rest)) = Header::parse(&bytes) {
            let _ = (header.to_string(), header.payload(rest));
        }
    }
}

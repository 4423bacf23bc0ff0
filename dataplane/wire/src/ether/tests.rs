use std::string::ToString;

use pnet_packet::ethernet::EthernetPacket;
use proptest::prelude::*;

use super::*;
use crate::samples;

#[test]
fn recorded_frame() {
    let (header, rest) = Header::parse(samples::TCP_SYN).unwrap();
    assert_eq!(header.to_string(), "02:00:00:00:0c:01 > 02:00:00:00:00:c0, ethertype IPv4");
    assert_eq!(rest.len(), 60);
}

#[test]
fn short_frame_is_refused() {
    assert_eq!(Header::parse(&samples::TCP_SYN[..13]), Err(ParseError::EtherShort));
    assert!(Header::parse(&samples::TCP_SYN[..14]).is_ok());
}

#[test]
fn setters_write_through() {
    let mut frame = samples::TCP_SYN.to_vec();
    let (header, _) = Header::parse_mut(&mut frame).unwrap();
    header.set_destination(MacAddr([1; 6]));
    header.set_source(MacAddr([2; 6]));
    header.set_ethertype(EtherType::ARP);
    assert_eq!(frame[..14], [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 8, 6]);
}

#[test]
fn kinds_of_addresses() {
    let station: MacAddr = "02:00:00:00:0c:01".parse().unwrap();
    let group: MacAddr = "01:00:5e:00:00:12".parse().unwrap();
    assert!(station.is_unicast() && !station.is_multicast());
    assert!(group.is_multicast() && !group.is_broadcast() && !group.is_unicast());
    assert!(MacAddr::BROADCAST.is_broadcast() && MacAddr::BROADCAST.is_multicast());
    assert!(!MacAddr::ZERO.is_unicast());
}

#[test]
fn malformed_addresses_are_refused() {
    let malformed = [
        "",
        "02:00:00:00:0c",
        "02:00:00:00:0c:01:",
        "02:00:00:00:0c:01:02",
        "2:0:0:0:c:1",
        "02:00:00:00:0c:+1",
        "02:00:00:00:0c:0g",
        "02-00-00-00-0c-01",
        "é:00:00:00:0c:01",
    ];
    for text in malformed {
        assert_eq!(text.parse::<MacAddr>(), Err(ParseMacError), "{text}");
    }
    assert_eq!("AA:bB:00:00:0C:01".parse(), Ok(MacAddr([0xaa, 0xbb, 0, 0, 0x0c, 1])));
}

proptest! {
    #[test]
    fn address_survives_text(octets in any::<[u8; 6]>()) {
        prop_assert_eq!(MacAddr(octets).to_string().parse(), Ok(MacAddr(octets)));
    }

    #[test]
    fn emitted_header_parses_back_and_equals_pnet(d in any::<[u8; 6]>(), s in any::<[u8; 6]>(), t in any::<u16>()) {
        let header = Header::new(MacAddr(d), MacAddr(s), EtherType(t));
        let (parsed, rest) = Header::parse(header.as_bytes()).unwrap();
        prop_assert_eq!(*parsed, header);
        prop_assert!(rest.is_empty());

        let theirs = EthernetPacket::new(header.as_bytes()).unwrap();
        prop_assert_eq!(parsed.destination().octets(), theirs.get_destination().octets());
        prop_assert_eq!(parsed.source().octets(), theirs.get_source().octets());
        prop_assert_eq!(parsed.ethertype().0, theirs.get_ethertype().0);
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..30)) {
        prop_assert_eq!(Header::parse(&bytes).is_ok(), bytes.len() >= HEADER_LEN);
        if let Ok((header, _)) = Header::parse(&bytes) {
            let _ = header.to_string();
        }
    }
}

use std::string::ToString;
use std::vec::Vec;

use pnet_packet::gre::GrePacket;
use proptest::prelude::*;

use super::*;
use crate::{Protocol, ether, ipv4, samples};

fn packet() -> Vec<u8> {
    let (ip, rest) = ipv4::Header::parse(&samples::GRE[ether::HEADER_LEN..]).unwrap();
    assert_eq!(ip.protocol(), Protocol::GRE);
    ip.payload(rest).to_vec()
}

#[test]
fn recorded_packet_carries_ipv4() {
    let packet = packet();
    let (header, rest) = Header::parse(&packet).unwrap();
    assert_eq!(header.to_string(), "GREv0, Flags [none], proto IPv4");
    assert_eq!(header.as_bytes(), Header::new(EtherType::IPV4).as_bytes());
    let (inner, _) = ipv4::Header::parse(header.payload(rest)).unwrap();
    assert_eq!(inner.protocol(), Protocol::TCP);
    assert!(verify_checksum(&packet));
}

#[test]
fn short_packet_is_refused() {
    assert_eq!(Header::parse(&packet()[..3]), Err(ParseError::GreShort));
    assert_eq!(Header::parse(&[0x80, 0, 8, 0, 0, 0, 0]), Err(ParseError::GreShort));
    assert!(Header::parse(&[0x80, 0, 8, 0, 0, 0, 0, 0]).is_ok());
}

#[test]
fn routing_and_other_versions_are_refused() {
    for flags in [0x4000_u16, 0x0800, 0x0400, 0x0001, 0x0007] {
        let mut packet = packet();
        packet[..2].copy_from_slice(&flags.to_be_bytes());
        assert_eq!(Header::parse_mut(&mut packet), Err(ParseError::GreUnsupported), "flags {flags:04x}");
    }
}

#[test]
fn checksum_is_filled_and_verified() {
    let mut packet = Header::new_with_checksum(EtherType::IPV6).as_bytes().to_vec();
    packet.extend_from_slice(&[0xee; 4]);
    packet.extend_from_slice(b"payload");
    fill_checksum(&mut packet);
    assert_eq!(packet[..4], [0x80, 0, 0x86, 0xdd]);
    assert_eq!(packet[6..8], [0, 0]);
    assert!(verify_checksum(&packet));
    packet[10] ^= 1;
    assert!(!verify_checksum(&packet));
    let (header, rest) = Header::parse(&packet).unwrap();
    assert_eq!((header.header_len(), header.payload(rest).len()), (LEN_WITH_CHECKSUM, 7));
}

#[test]
fn packet_without_checksum_is_not_written_to() {
    let mut packet = packet();
    fill_checksum(&mut packet);
    assert_eq!(packet, self::packet());
}

#[test]
fn key_follows_the_checksum() {
    let with_both = [0xa0, 0, 8, 0, 0, 0, 0, 0, 1, 2, 3, 4];
    let (header, rest) = Header::parse(&with_both).unwrap();
    assert_eq!(header.key(rest), Some(0x0102_0304));
    let with_key = [0x20, 0, 8, 0, 1, 2, 3, 4];
    let (header, rest) = Header::parse(&with_key).unwrap();
    assert_eq!(header.key(rest), Some(0x0102_0304));
    assert_eq!(header.to_string(), "GREv0, Flags [K], proto IPv4");
    let with_sequence = [0x10, 0, 8, 0, 1, 2, 3, 4];
    let (header, rest) = Header::parse(&with_sequence).unwrap();
    assert_eq!(header.key(rest), None);
}

proptest! {
    #[test]
    fn getters_equal_pnet(bits in prop::sample::subsequence(&[0x8000_u16, 0x2000, 0x1000][..], 0..=3), protocol in any::<u16>()) {
        let flags: u16 = bits.iter().sum();
        let mut packet = [0; 16];
        packet[..2].copy_from_slice(&flags.to_be_bytes());
        packet[2..4].copy_from_slice(&protocol.to_be_bytes());
        let (ours, rest) = Header::parse(&packet).unwrap();
        let theirs = GrePacket::new(&packet).unwrap();
        prop_assert_eq!(ours.protocol().0, theirs.get_protocol_type());
        prop_assert_eq!(ours.has_checksum(), theirs.get_checksum_present() == 1);
        prop_assert_eq!(ours.has_key(), theirs.get_key_present() == 1);
        prop_assert_eq!(ours.has_sequence(), theirs.get_sequence_present() == 1);
        prop_assert_eq!(ours.header_len(), MIN_LEN + 4 * bits.len());
        prop_assert_eq!(ours.payload(rest).len(), 12 - 4 * bits.len());
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..24), fix in any::<bool>()) {
        if fix && bytes.len() > 1 {
            bytes[0] &= 0xb3;
            bytes[1] &= 0xf8;
        }
        if let Ok((header, rest)) = Header::parse(&bytes) {
            let _ = (header.to_string(), header.key(rest), header.payload(rest));
        }
        let accepted = Header::parse(&bytes).is_ok();
        fill_checksum(&mut bytes);
        // The flag that announces a checksum is covered by it, so the data is not all zero and a filled checksum verifies.
        prop_assert_eq!(verify_checksum(&bytes), accepted);
    }
}

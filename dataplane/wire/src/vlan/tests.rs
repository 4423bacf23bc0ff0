use std::string::ToString;
use std::vec::Vec;

use pnet_packet::Packet;
use pnet_packet::vlan::VlanPacket;
use proptest::prelude::*;

use super::*;
use crate::{MacAddr, samples};

/// An Ethernet frame with these tag identifiers and VLAN ids, then IPv4.
fn tagged(tags: &[(EtherType, u16)]) -> Vec<u8> {
    let types: Vec<EtherType> = tags.iter().map(|tag| tag.0).chain([EtherType::IPV4]).collect();
    let mut frame = ether::Header::new(MacAddr([2; 6]), MacAddr([4; 6]), types[0]).as_bytes().to_vec();
    for ((_, id), next) in tags.iter().zip(&types[1..]) {
        frame.extend_from_slice(Header::new(*id, *next).as_bytes());
    }
    frame
}

#[test]
fn untagged_frame_has_payload_at_14() {
    assert_eq!(skip_tags(samples::TCP6_SYN), Ok((EtherType::IPV6, 14)));
}

#[test]
fn one_and_two_tags_are_skipped() {
    assert_eq!(skip_tags(&tagged(&[(EtherType::VLAN, 5)])), Ok((EtherType::IPV4, 18)));
    let double = tagged(&[(EtherType::SERVICE_VLAN, 7), (EtherType::VLAN, 5)]);
    assert_eq!(skip_tags(&double), Ok((EtherType::IPV4, 22)));
}

#[test]
fn three_tags_are_refused() {
    let triple = tagged(&[(EtherType::SERVICE_VLAN, 7), (EtherType::VLAN, 5), (EtherType::VLAN, 6)]);
    assert_eq!(skip_tags(&triple), Err(ParseError::VlanTooDeep));
}

#[test]
fn tag_cut_short_is_refused() {
    let frame = tagged(&[(EtherType::VLAN, 5)]);
    assert_eq!(skip_tags(&frame[..17]), Err(ParseError::VlanShort));
}

#[test]
fn display() {
    let mut tag = Header::new(100, EtherType::IPV6);
    tag.set_priority(3);
    assert_eq!(tag.to_string(), "vlan 100, p 3, ethertype IPv6");
}

proptest! {
    #[test]
    fn emitted_tag_parses_back_and_equals_pnet(id in 0_u16..4096, priority in 0_u8..8, next in any::<u16>()) {
        let mut tag = Header::new(0xffff, EtherType(next));
        tag.set_priority(priority);
        tag.set_id(id);
        let (parsed, _) = Header::parse(tag.as_bytes()).unwrap();
        prop_assert_eq!((parsed.id(), parsed.priority(), parsed.ethertype()), (id, priority, EtherType(next)));
        prop_assert!(!parsed.drop_eligible());

        let theirs = VlanPacket::new(tag.as_bytes()).unwrap();
        prop_assert_eq!(theirs.get_vlan_identifier(), id);
        prop_assert_eq!(theirs.get_priority_code_point().0, priority);
        prop_assert_eq!(theirs.get_ethertype().0, next);
        prop_assert!(theirs.payload().is_empty());
    }

    #[test]
    fn getters_equal_pnet(bytes in any::<[u8; 4]>()) {
        let (ours, _) = Header::parse(&bytes).unwrap();
        let theirs = VlanPacket::new(&bytes).unwrap();
        prop_assert_eq!(ours.id(), theirs.get_vlan_identifier());
        prop_assert_eq!(ours.priority(), theirs.get_priority_code_point().0);
        prop_assert_eq!(ours.drop_eligible(), theirs.get_drop_eligible_indicator() == 1);
    }

    #[test]
    fn arbitrary_frames_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..40), tag in any::<bool>()) {
        let mut bytes = bytes;
        if tag && bytes.len() > 13 {
            bytes[12..14].copy_from_slice(&[0x81, 0]);
        }
        if let Ok((_, offset)) = skip_tags(&bytes) {
            prop_assert!(offset <= bytes.len());
        }
    }
}

use pnet_packet::util;
use proptest::prelude::*;

use super::*;
use crate::{ether, ipv4, ipv6, samples};

/// RFC 1071 section 1, word by word.
fn naive(bytes: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([pair[0], low]));
        if sum > 0xffff {
            sum = (sum & 0xffff) + 1;
        }
    }
    sum as u16
}

#[test]
fn rfc_1071_section_3_example() {
    let sum = sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
    assert_eq!(sum.fold(), 0xddf2);
    assert_eq!(sum.checksum(), 0x220d);
}

#[test]
fn empty_data_sums_to_zero() {
    assert_eq!(sum(&[]).fold(), 0);
}

#[test]
fn all_zero_data_is_the_only_data_with_sum_zero() {
    assert_eq!(sum(&[0; 1500]).fold(), 0);
    assert_eq!(sum(&[0xff; 1500]).fold(), 0xffff);
    assert_eq!(sum(&[0xff, 0xff]).fold(), 0xffff);
}

#[test]
fn largest_packet_of_ones_does_not_overflow() {
    let ones = std::vec![0xff; 65535];
    assert_eq!(sum(&ones).fold(), naive(&ones));
}

#[test]
fn computed_udp_zero_is_sent_as_ones() {
    assert_eq!(Sum::new().add_u16(0xffff).checksum(), 0);
    assert_eq!(Sum::new().add_u16(0xffff).udp_checksum(), 0xffff);
    assert_eq!(Sum::new().add_u16(0x1234).udp_checksum(), !0x1234);
}

#[test]
fn transport_checksums_of_recorded_packets_verify() {
    let (_, packet) = ether::Header::parse(samples::TCP_SYN).unwrap();
    let (ip, rest) = ipv4::Header::parse(packet).unwrap();
    let mut segment = ip.payload(rest).to_vec();
    let recorded = u16::from_be_bytes([segment[16], segment[17]]);
    segment[16..18].fill(0);
    assert_eq!(transport_v4(ip.source(), ip.destination(), ip.protocol(), &segment), recorded);

    let (_, packet) = ether::Header::parse(samples::TCP6_SYN).unwrap();
    let (ip, rest) = ipv6::Header::parse(packet).unwrap();
    let mut segment = ip.payload(rest).to_vec();
    let recorded = u16::from_be_bytes([segment[16], segment[17]]);
    segment[16..18].fill(0);
    let computed = transport_v6(ip.source_bytes(), ip.destination_bytes(), ip.next_header(), &segment);
    assert_eq!(computed, recorded);
}

#[test]
fn transport_checksum_never_yields_zero_for_udp() {
    // Source 0.0.0.0, destination 255.255.0.0, protocol and length cancelled by the segment.
    let mut segment = [0_u8; 8];
    let filler = !(17_u16 + 8);
    segment[..2].copy_from_slice(&filler.to_be_bytes());
    let (source, destination) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(0xff, 0xff, 0, 0));
    assert_eq!(transport_v4(source, destination, Protocol::UDP, &segment), 0xffff);
    segment[..2].copy_from_slice(&(!(6_u16 + 8)).to_be_bytes());
    assert_eq!(transport_v4(source, destination, Protocol::TCP, &segment), 0);
}

#[test]
fn partial_field_is_told_from_complete_one() {
    let pseudo = pseudo_header_v4(Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2), Protocol::TCP, 40);
    assert!(is_partial(pseudo.fold(), pseudo));
    assert!(!is_partial(pseudo.checksum(), pseudo));
}

proptest! {
    #[test]
    fn sum_equals_naive_and_pnet(bytes in prop::collection::vec(any::<u8>(), 1..1600)) {
        prop_assert_eq!(sum(&bytes).fold(), naive(&bytes));
        // A skip word outside of the data: pnet leaves nothing out. Of no data at all it says 0 rather than 0xffff.
        prop_assert_eq!(sum(&bytes).checksum(), util::checksum(&bytes, usize::MAX));
    }

    #[test]
    fn sum_does_not_depend_on_alignment(bytes in prop::collection::vec(any::<u8>(), 0..100), shift in 0_usize..16) {
        let mut shifted = std::vec![0xee; shift];
        shifted.extend_from_slice(&bytes);
        prop_assert_eq!(sum(&shifted[shift..]).fold(), naive(&bytes));
    }

    #[test]
    fn pieces_of_even_length_add_up(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..100) {
        let cut = (cut * 2).min(bytes.len() & !1);
        let (head, tail) = bytes.split_at(cut);
        prop_assert_eq!(sum(head).add_bytes(tail).fold(), naive(&bytes));
        prop_assert_eq!(sum(head).add(sum(tail)).fold(), naive(&bytes));
    }

    #[test]
    fn words_equal_their_bytes(a in any::<u16>(), b in any::<u32>()) {
        let bytes = [&a.to_be_bytes()[..], &b.to_be_bytes()[..]].concat();
        prop_assert_eq!(Sum::new().add_u16(a).add_u32(b).fold(), naive(&bytes));
    }

    #[test]
    fn v4_equals_pnet(
        source in any::<u32>(),
        destination in any::<u32>(),
        segment in prop::collection::vec(any::<u8>(), 8..1600),
        udp in any::<bool>(),
    ) {
        let (source, destination) = (Ipv4Addr::from(source), Ipv4Addr::from(destination));
        let protocol = if udp { Protocol::UDP } else { Protocol::TCP };
        let number = pnet_packet::ip::IpNextHeaderProtocol(protocol.0);
        let theirs = util::ipv4_checksum(&segment, usize::MAX, &[], &source, &destination, number);
        let ours = transport_v4(source, destination, protocol, &segment);
        prop_assert_eq!(ours, if udp && theirs == 0 { 0xffff } else { theirs });
    }

    #[test]
    fn v6_equals_pnet(
        source in any::<[u8; 16]>(),
        destination in any::<[u8; 16]>(),
        segment in prop::collection::vec(any::<u8>(), 8..1600),
    ) {
        let number = pnet_packet::ip::IpNextHeaderProtocols::Tcp;
        let theirs = util::ipv6_checksum(&segment, usize::MAX, &[], &source.into(), &destination.into(), number);
        prop_assert_eq!(transport_v6(&source, &destination, Protocol::TCP, &segment), theirs);
    }
}

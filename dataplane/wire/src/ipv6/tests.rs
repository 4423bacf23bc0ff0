use std::string::ToString;
use std::vec::Vec;

use pnet_packet::ipv6::Ipv6Packet;
use proptest::prelude::*;

use super::*;
use crate::{checksum, ether, samples};

fn syn() -> Vec<u8> {
    samples::TCP6_SYN[ether::HEADER_LEN..].to_vec()
}

#[test]
fn recorded_packet() {
    let packet = syn();
    let (header, rest) = Header::parse(&packet).unwrap();
    assert_eq!(
        header.to_string(),
        "IP6 2001:db8::7 > fd00::100: class 0x28, flowlabel 0x00000, hlim 64, next-header TCP, payload length 40"
    );
    assert_eq!(header.payload(rest).len(), 40);
}

#[test]
fn short_packet_is_refused() {
    assert_eq!(Header::parse(&syn()[..39]), Err(ParseError::Ipv6Short));
}

#[test]
fn other_version_is_refused() {
    let mut packet = syn();
    packet[0] = 0x40;
    assert_eq!(Header::parse(&packet), Err(ParseError::Ipv6Version));
    assert_eq!(Header::parse_quoted(&packet), Err(ParseError::Ipv6Version));
}

#[test]
fn payload_length_beyond_buffer_is_refused_unless_quoted() {
    let packet = syn();
    assert_eq!(Header::parse(&packet[..79]), Err(ParseError::Ipv6Truncated));
    let (header, rest) = Header::parse_quoted(&packet[..48]).unwrap();
    assert_eq!(header.payload(rest).len(), 8);
}

#[test]
fn ethernet_padding_is_not_payload() {
    let mut packet = syn();
    packet.push(0);
    let (header, rest) = Header::parse(&packet).unwrap();
    assert_eq!((rest.len(), header.payload(rest).len(), header.total_len()), (41, 40, 80));
}

proptest! {
    #[test]
    fn emitted_header_parses_back_and_equals_pnet(
        class in any::<u8>(),
        label in 0_u32..1 << 20,
        (len, next, hops) in (0_u16..100, any::<u8>(), any::<u8>()),
        source in any::<[u8; 16]>(),
        destination in any::<[u8; 16]>(),
    ) {
        let mut packet = std::vec![0xee; HEADER_LEN + usize::from(len)];
        let (header, _) = Header::init(&mut packet).unwrap();
        header.set_flow_label(label | 0xfff0_0000);
        header.set_traffic_class(class);
        header.set_payload_len(len);
        header.set_next_header(Protocol(next));
        header.set_hop_limit(hops);
        header.set_source(&source);
        header.set_destination(&destination);

        let (header, rest) = Header::parse(&packet).unwrap();
        prop_assert_eq!((header.traffic_class(), header.flow_label()), (class, label));
        prop_assert_eq!((header.payload_len(), header.hop_limit()), (len, hops));
        prop_assert_eq!(header.next_header(), Protocol(next));
        prop_assert_eq!((header.source_bytes(), header.destination_bytes()), (&source, &destination));
        prop_assert_eq!(header.payload(rest).len(), usize::from(len));

        let theirs = Ipv6Packet::new(&packet).unwrap();
        prop_assert_eq!(theirs.get_version(), 6);
        prop_assert_eq!((theirs.get_traffic_class(), theirs.get_flow_label()), (class, label));
        prop_assert_eq!((theirs.get_payload_length(), theirs.get_hop_limit()), (len, hops));
        prop_assert_eq!(theirs.get_next_header().0, next);
        prop_assert_eq!((theirs.get_source(), theirs.get_destination()), (header.source(), header.destination()));
    }

    #[test]
    fn rewrites_return_the_change_of_the_pseudo_header(old in any::<[[u8; 16]; 2]>(), new in any::<[[u8; 16]; 2]>()) {
        let pseudo = |a: &[[u8; 16]; 2]| checksum::pseudo_header_v6(&a[0], &a[1], Protocol::TCP, 20).checksum();
        let mut header = Header::new();
        header.set_source(&old[0]);
        header.set_destination(&old[1]);
        let delta = header.rewrite_source(&new[0]).and(header.rewrite_destination(&new[1]));
        prop_assert_eq!((header.source_bytes(), header.destination_bytes()), (&new[0], &new[1]));
        prop_assert_eq!(delta.apply(pseudo(&old)), pseudo(&new));
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..100), fix in any::<bool>()) {
        if fix && bytes.len() > 5 {
            bytes[0] = 0x60 | (bytes[0] & 0x0f);
            bytes[4] = 0;
        }
        for (header, rest) in [Header::view(&bytes), Header::parse(&bytes), Header::parse_quoted(&bytes)].into_iter().flatten() {
            let _ = (header.to_string(), header.payload(rest), header.total_len());
        }
        if let Ok((header, rest)) = Header::parse(&bytes) {
            prop_assert_eq!(header.payload(rest).len(), usize::from(header.payload_len()));
        }
        if let Ok((header, _)) = Header::view_mut(&mut bytes) {
            let hops = header.hop_limit();
            prop_assert_eq!(header.decrement_hop_limit(), hops.saturating_sub(1));
        }
    }
}

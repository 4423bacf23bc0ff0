use std::string::ToString;
use std::vec::Vec;

use pnet_packet::udp::UdpPacket;
use proptest::prelude::*;

use super::*;
use crate::{Protocol, checksum, ether, ipv4, samples};

/// The recorded datagram and its pseudo header sum.
fn datagram() -> (Vec<u8>, Sum) {
    let (ip, rest) = ipv4::Header::parse(&samples::UDP[ether::HEADER_LEN..]).unwrap();
    let pseudo = checksum::pseudo_header_v4(ip.source(), ip.destination(), ip.protocol(), ip.payload_len());
    (ip.payload(rest).to_vec(), pseudo)
}

#[test]
fn recorded_datagram() {
    let (datagram, pseudo) = datagram();
    let (header, data) = Header::parse(&datagram).unwrap();
    assert_eq!(header.to_string(), "40000 > 53: UDP, length 15");
    assert_eq!(data, b"query-1");
    assert!(header.has_checksum() && verify_checksum(&datagram, pseudo));
}

#[test]
fn short_datagram_is_refused() {
    assert_eq!(Header::parse(&datagram().0[..7]), Err(ParseError::UdpShort));
}

#[test]
fn length_field_is_reported_but_not_refused() {
    let (mut datagram, _) = datagram();
    for (length, consistent) in [(7, false), (8, true), (15, true), (16, false), (0, false), (0xffff, false)] {
        let (header, _) = Header::parse_mut(&mut datagram).unwrap();
        header.set_length(length);
        assert_eq!(header.length_is_consistent(15), consistent, "length {length}");
    }
}

#[test]
fn absent_checksum_verifies_and_wrong_one_does_not() {
    let (mut datagram, pseudo) = datagram();
    datagram[CHECKSUM_OFFSET] ^= 1;
    assert!(!verify_checksum(&datagram, pseudo));
    datagram[CHECKSUM_OFFSET..].first_chunk_mut::<2>().unwrap().fill(0);
    assert!(verify_checksum(&datagram, pseudo));
    assert!(!verify_checksum(&datagram[..7], pseudo));
}

#[test]
fn computed_zero_is_sent_as_ones() {
    let (mut datagram, pseudo) = datagram();
    // Make the data cancel everything else.
    datagram[8..10].fill(0);
    datagram[6..8].fill(0);
    let rest = pseudo.add_bytes(&datagram).checksum();
    datagram[8..10].copy_from_slice(&rest.to_be_bytes());
    fill_checksum(&mut datagram, pseudo);
    assert_eq!(datagram[6..8], [0xff, 0xff]);
    assert!(verify_checksum(&datagram, pseudo));
}

proptest! {
    #[test]
    fn emitted_header_parses_back_and_equals_pnet(fields in any::<[u16; 4]>()) {
        let mut datagram = [0xee; 9];
        let (header, _) = Header::init(&mut datagram).unwrap();
        header.set_source_port(fields[0]);
        header.set_destination_port(fields[1]);
        header.set_length(fields[2]);
        header.set_checksum(fields[3]);

        let (header, rest) = Header::parse(&datagram).unwrap();
        prop_assert_eq!(rest, [0xee]);
        let ours = [header.source_port(), header.destination_port(), header.length(), header.checksum()];
        prop_assert_eq!(ours, fields);
        prop_assert_eq!(header.has_checksum(), fields[3] != 0);

        let theirs = UdpPacket::new(&datagram).unwrap();
        let theirs = [theirs.get_source(), theirs.get_destination(), theirs.get_length(), theirs.get_checksum()];
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn fill_and_update_equal_a_recompute(
        mut datagram in prop::collection::vec(any::<u8>(), 8..200),
        addresses in any::<[u32; 2]>(),
        port in any::<u16>(),
    ) {
        let [source, destination] = addresses.map(core::net::Ipv4Addr::from);
        let pseudo = checksum::pseudo_header_v4(source, destination, Protocol::UDP, datagram.len() as u16);
        fill_checksum(&mut datagram, pseudo);
        prop_assert!(verify_checksum(&datagram, pseudo));
        let theirs = pnet_packet::udp::ipv4_checksum(&UdpPacket::new(&datagram).unwrap(), &source, &destination);
        let (header, _) = Header::parse_mut(&mut datagram).unwrap();
        prop_assert_eq!(header.checksum(), if theirs == 0 { 0xffff } else { theirs });

        header.update_checksum(Delta::new().u16(header.source_port(), port));
        header.set_source_port(port);
        let updated = datagram.clone();
        fill_checksum(&mut datagram, pseudo);
        prop_assert_eq!(updated, datagram);
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..20)) {
        if let Ok((header, _)) = Header::parse(&bytes) {
            let _ = (header.to_string(), header.length_is_consistent(bytes.len()));
        }
        let _ = verify_checksum(&bytes, Sum::new());
        fill_checksum(&mut bytes, Sum::new());
    }
}

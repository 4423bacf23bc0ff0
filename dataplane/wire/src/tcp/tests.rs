use std::string::ToString;
use std::vec::Vec;

use pnet_packet::tcp::TcpPacket;
use proptest::prelude::*;

use super::*;
use crate::{checksum, ether, ipv4, samples};

/// The segment of a recorded frame and its pseudo header sum.
fn segment(frame: &[u8]) -> (Vec<u8>, Sum) {
    let (ip, rest) = ipv4::Header::parse(&frame[ether::HEADER_LEN..]).unwrap();
    let pseudo = checksum::pseudo_header_v4(ip.source(), ip.destination(), ip.protocol(), ip.payload_len());
    (ip.payload(rest).to_vec(), pseudo)
}

#[test]
fn recorded_segment() {
    let (segment, pseudo) = segment(samples::TCP_SYN);
    let (header, rest) = Header::parse(&segment).unwrap();
    assert_eq!(header.to_string(), "40000 > 80: Flags [S], seq 1000, win 64240");
    assert_eq!((header.options(rest).len(), header.payload(rest).len()), (20, 0));
    assert_eq!(header.options(rest)[..4], [2, 4, 0x05, 0xb4]);
    assert!(verify_checksum(&segment, pseudo));
}

#[test]
fn short_segment_is_refused() {
    let (segment, _) = segment(samples::TCP_SYN);
    assert_eq!(Header::parse(&segment[..19]), Err(ParseError::TcpShort));
}

#[test]
fn data_offset_below_20_is_refused() {
    let (mut segment, _) = segment(samples::TCP_SYN);
    segment[12] = 0x4f;
    assert_eq!(Header::parse(&segment), Err(ParseError::TcpDataOffset));
}

#[test]
fn data_offset_beyond_the_segment_is_reported_but_accepted() {
    let (segment, _) = segment(samples::TCP_SYN);
    let (header, rest) = Header::parse(&segment[..30]).unwrap();
    assert!(!header.header_fits(30) && header.header_fits(40));
    assert!(header.options(rest).is_empty() && header.payload(rest).is_empty());
}

#[test]
fn partial_checksum_is_detected_and_completed() {
    let (mut segment, pseudo) = segment(samples::TCP_SYN);
    let complete = segment.clone();
    let (header, _) = Header::parse_mut(&mut segment).unwrap();
    assert!(!checksum::is_partial(header.checksum(), pseudo));
    header.set_checksum(pseudo.fold());
    assert!(checksum::is_partial(header.checksum(), pseudo));
    assert!(!verify_checksum(&segment, pseudo));
    fill_checksum(&mut segment, pseudo);
    assert_eq!(segment, complete);
}

#[test]
fn flags_as_tcpdump_writes_them() {
    assert_eq!(Flags::NONE.to_string(), "none");
    assert_eq!((Flags::SYN | Flags::ACK).to_string(), "S.");
    assert_eq!((Flags::SYN | Flags::ECE | Flags::CWR).to_string(), "SEW");
    assert_eq!(Flags(0xff).to_string(), "FSRP.UEW");
}

#[test]
fn flags_contain_and_intersect() {
    let flags = Flags::SYN | Flags::ACK;
    assert!(flags.contains(Flags::SYN) && flags.contains(flags) && flags.contains(Flags::NONE));
    assert!(!flags.contains(Flags::SYN | Flags::FIN) && flags.intersects(Flags::SYN | Flags::FIN));
    assert!(!flags.intersects(Flags::RST));
    assert_eq!(flags.bits(), 0x12);
}

proptest! {
    #[test]
    fn emitted_header_parses_back_and_equals_pnet(
        (source, destination) in any::<(u16, u16)>(),
        (sequence, acknowledgement) in any::<(u32, u32)>(),
        words in 5_usize..=15,
        (flags, window, urgent, sum) in any::<(u8, u16, u16, u16)>(),
    ) {
        let mut segment = std::vec![0xee; words * 4 + 3];
        let (header, _) = Header::init(&mut segment).unwrap();
        header.set_source_port(source);
        header.set_destination_port(destination);
        header.set_sequence(sequence);
        header.set_acknowledgement(acknowledgement);
        header.set_header_len(words * 4);
        header.set_flags(Flags(flags));
        header.set_window(window);
        header.set_checksum(sum);
        header.set_urgent_pointer(urgent);

        let (header, rest) = Header::parse(&segment).unwrap();
        prop_assert_eq!((header.source_port(), header.destination_port()), (source, destination));
        prop_assert_eq!((header.sequence(), header.acknowledgement()), (sequence, acknowledgement));
        prop_assert_eq!((header.header_len(), header.flags()), (words * 4, Flags(flags)));
        prop_assert_eq!((header.window(), header.checksum(), header.urgent_pointer()), (window, sum, urgent));
        prop_assert_eq!((header.options(rest).len(), header.payload(rest).len()), (words * 4 - MIN_LEN, 3));
        prop_assert_eq!(&segment[CHECKSUM_OFFSET..CHECKSUM_OFFSET + 2], sum.to_be_bytes());

        let theirs = TcpPacket::new(&segment).unwrap();
        prop_assert_eq!((theirs.get_source(), theirs.get_destination()), (source, destination));
        prop_assert_eq!((theirs.get_sequence(), theirs.get_acknowledgement()), (sequence, acknowledgement));
        prop_assert_eq!((usize::from(theirs.get_data_offset()), theirs.get_flags()), (words, flags));
        prop_assert_eq!((theirs.get_window(), theirs.get_checksum()), (window, sum));
        prop_assert_eq!(theirs.get_urgent_ptr(), urgent);
    }

    #[test]
    fn fill_verifies_and_equals_pnet(
        mut segment in prop::collection::vec(any::<u8>(), 20..200),
        addresses in any::<[u32; 2]>(),
        port in any::<u16>(),
    ) {
        segment[12] |= 0x50;
        let [source, destination] = addresses.map(core::net::Ipv4Addr::from);
        let pseudo = checksum::pseudo_header_v4(source, destination, crate::Protocol::TCP, segment.len() as u16);
        fill_checksum(&mut segment, pseudo);
        prop_assert!(verify_checksum(&segment, pseudo));
        let theirs = pnet_packet::tcp::ipv4_checksum(&TcpPacket::new(&segment).unwrap(), &source, &destination);
        let (header, _) = Header::view_mut(&mut segment).unwrap();
        prop_assert_eq!(header.checksum(), theirs);

        header.update_checksum(Delta::new().u16(header.destination_port(), port));
        header.set_destination_port(port);
        let updated = segment.clone();
        fill_checksum(&mut segment, pseudo);
        prop_assert_eq!(updated, segment);
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        for (header, rest) in [Header::view(&bytes), Header::parse(&bytes)].into_iter().flatten() {
            let _ = (header.to_string(), header.options(rest), header.payload(rest));
        }
        let _ = verify_checksum(&bytes, Sum::new());
        fill_checksum(&mut bytes, Sum::new());
        if let Ok((header, _)) = Header::view_mut(&mut bytes) {
            header.set_header_len(0);
            prop_assert_eq!(header.header_len(), MIN_LEN);
        }
    }
}

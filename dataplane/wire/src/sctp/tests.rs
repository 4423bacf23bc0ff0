use std::string::ToString;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::{Protocol, ether, ipv4, samples};

fn packet() -> Vec<u8> {
    let (ip, rest) = ipv4::Header::parse(&samples::SCTP_INIT[ether::HEADER_LEN..]).unwrap();
    assert_eq!(ip.protocol(), Protocol::SCTP);
    ip.payload(rest).to_vec()
}

/// Bit by bit, from the definition.
fn naive(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}

#[test]
fn recorded_init() {
    let packet = packet();
    let (header, chunks) = Header::parse(&packet).unwrap();
    assert_eq!(header.to_string(), "40000 > 3868: sctp, tag 0");
    let (chunk, _) = Chunk::parse(chunks).unwrap();
    assert_eq!((chunk.type_(), chunk.flags(), chunk.length()), (self::chunks::INIT, 0, 20));
    assert!(verify_checksum(&packet));
}

#[test]
fn short_packet_and_chunk_are_refused() {
    assert_eq!(Header::parse(&packet()[..11]), Err(ParseError::SctpShort));
    assert_eq!(Chunk::parse(&packet()[12..15]), Err(ParseError::SctpChunkShort));
}

#[test]
fn port_translation_needs_a_new_checksum() {
    let mut packet = packet();
    Header::parse_mut(&mut packet).unwrap().0.set_destination_port(3869);
    assert!(!verify_checksum(&packet));
    fill_checksum(&mut packet);
    assert!(verify_checksum(&packet));
    assert_eq!(Header::parse(&packet).unwrap().0.destination_port(), 3869);
}

#[test]
fn check_value_of_crc32c() {
    // RFC 3720 appendix B.4 and the usual check string.
    assert_eq!(crc32c::Crc::new().update(b"123456789").finish(), 0xe306_9283);
    assert_eq!(crc32c::Crc::new().update(&[0; 32]).finish(), 0x8a91_36aa);
    assert_eq!(crc32c::Crc::new().update(&[0xff; 32]).finish(), 0x62a8_ab43);
}

proptest! {
    #[test]
    fn crc_equals_naive_in_pieces(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
        let (head, tail) = bytes.split_at(cut.min(bytes.len()));
        prop_assert_eq!(crc32c::Crc::new().update(head).update(tail).finish(), naive(&bytes));
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Ok((header, chunks)) = Header::parse(&bytes) {
            let _ = (header.to_string(), header.verification_tag(), Chunk::parse(chunks));
        }
        let _ = verify_checksum(&bytes);
        fill_checksum(&mut bytes);
        prop_assert_eq!(verify_checksum(&bytes), bytes.len() >= HEADER_LEN);
    }
}

use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::{ether, ipv4, samples};

const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);

fn header(options: &[u8]) -> Vec<u8> {
    let mut bytes = ipv4::Header::new().as_bytes().to_vec();
    bytes.extend_from_slice(options);
    bytes
}

#[test]
fn entries_skip_padding_and_stop_at_the_end() {
    let options = [NOP, NOP, ROUTER_ALERT, 4, 0, 0, END, RECORD_ROUTE];
    let found: Vec<_> = entries(&options).collect();
    assert_eq!(found, [Ok(Entry { kind: ROUTER_ALERT, offset: 2, data: &[0, 0] })]);
    assert!(found[0].unwrap().is_copied());
}

#[test]
fn lengths_below_two_or_beyond_the_header_are_malformed() {
    for options in [&[RECORD_ROUTE][..], &[RECORD_ROUTE, 0, 4], &[RECORD_ROUTE, 1, 4], &[NOP, RECORD_ROUTE, 4, 4]] {
        assert_eq!(entries(options).collect::<Vec<_>>(), [Err(ParseError::Ipv4Option)], "{options:?}");
        assert_eq!(record_route(&mut header(options), VIP), Err(ParseError::Ipv4Option));
    }
}

#[test]
fn recorded_route_is_filled_as_linux_does() {
    // The kernel entered its address, took one from the TTL and translated: compare the options only.
    let sent = &samples::TCP_RECORD_ROUTE[ether::HEADER_LEN..];
    let forwarded = &samples::TCP_RECORDED_ROUTE[ether::HEADER_LEN..];
    let mut header = sent[..28].to_vec();
    assert_eq!(record_route(&mut header, VIP), Ok(true));
    assert_eq!(header[20..], forwarded[20..28]);
    ipv4::fill_checksum(&mut header);
    assert!(ipv4::verify_checksum(&header));
}

#[test]
fn full_or_absent_option_is_left_alone() {
    for options in [&[RECORD_ROUTE, 7, 8, 1, 2, 3, 4, END][..], &[RECORD_ROUTE, 3, 4, END], &[NOP, NOP, NOP, NOP], &[]]
    {
        let mut bytes = header(options);
        assert_eq!(record_route(&mut bytes, VIP), Ok(false));
        assert_eq!(bytes, header(options));
    }
}

#[test]
fn pointer_below_the_first_slot_or_missing_is_malformed() {
    for options in [&[RECORD_ROUTE, 7, 3, 0, 0, 0, 0, END][..], &[RECORD_ROUTE, 2, END, END]] {
        assert_eq!(record_route(&mut header(options), VIP), Err(ParseError::Ipv4Option));
    }
}

proptest! {
    #[test]
    fn arbitrary_options_do_not_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..60), at in 20_usize..60) {
        if let Some(kind) = bytes.get_mut(at) {
            *kind = RECORD_ROUTE;
        }
        let before = bytes.clone();
        let filled = record_route(&mut bytes, VIP);
        prop_assert!(filled == Ok(true) || bytes == before);
        prop_assert!(entries(&bytes).count() <= bytes.len());
    }
}

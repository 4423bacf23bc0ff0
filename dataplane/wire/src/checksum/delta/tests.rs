use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::checksum::sum;

/// Data with at least one byte that is never zero, as every checksummed message has but an all-zero one.
fn message() -> impl Strategy<Value = Vec<u8>> {
    (1_u8.., prop::collection::vec(any::<u8>(), 40..120)).prop_map(|(first, mut bytes)| {
        bytes[0] = first;
        bytes
    })
}

/// Words of 0x0000 and 0xffff are where one's complement goes wrong; make them common.
fn word() -> impl Strategy<Value = u16> {
    prop_oneof![3 => any::<u16>(), 1 => Just(0), 1 => Just(0xffff), 1 => 0_u16..4]
}

#[test]
fn rfc_1624_section_4_example() {
    // "if an IP packet header in which a 16-bit field m = 0x5555 changes to m' = 0x3285": the checksum 0xdd2f becomes 0x0000,
    // where equation 2 gives 0xffff.
    assert_eq!(Delta::new().u16(0x5555, 0x3285).apply(0xdd2f), 0x0000);
}

#[test]
fn no_change_leaves_each_valid_field_alone() {
    for field in 0..0xffff {
        assert_eq!(Delta::new().apply(field), field);
        assert_eq!(Delta::new().u16(0x1234, 0x1234).apply(field), field);
    }
}

#[test]
fn udp_result_of_zero_becomes_ones() {
    let delta = Delta::new().u16(0x5555, 0x3285);
    assert_eq!(delta.apply_udp(0xdd2f), 0xffff);
    assert_eq!(delta.apply_udp(0xdd2e), delta.apply(0xdd2e));
}

#[test]
fn udp_field_of_ones_is_a_zero_and_can_be_left() {
    let there = Delta::new().u16(0x3285, 0x5555).apply_udp(0xffff);
    assert_eq!(there, 0xdd2f);
}

proptest! {
    #[test]
    fn delta_equals_recompute(mut bytes in message(), at in 1_usize..10, new in (word(), word(), word())) {
        // A 16-bit word, a 32-bit word and an address of 16 bytes change.
        let checksum = sum(&bytes).checksum();
        let at = at * 2;
        let old16 = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        bytes[at..at + 2].copy_from_slice(&new.0.to_be_bytes());
        let mut delta = Delta::new().u16(old16, new.0);

        let new32 = (u32::from(new.1) << 16) | u32::from(new.2);
        let old32 = u32::from_be_bytes(bytes[at + 2..at + 6].try_into().unwrap());
        bytes[at + 2..at + 6].copy_from_slice(&new32.to_be_bytes());
        delta = delta.and(Delta::new().u32(old32, new32));

        let updated = delta.apply(checksum);
        prop_assert_eq!(updated, sum(&bytes).checksum());
        prop_assert!(sum(&bytes).add_u16(updated).is_valid());
    }

    #[test]
    fn address_equals_recompute(mut bytes in message(), new in any::<[u8; 16]>()) {
        let checksum = sum(&bytes).checksum();
        let old: [u8; 16] = bytes[8..24].try_into().unwrap();
        bytes[8..24].copy_from_slice(&new);
        prop_assert_eq!(Delta::new().addr16(&old, &new).apply(checksum), sum(&bytes).checksum());
    }

    #[test]
    fn partial_field_equals_recompute(mut bytes in message(), new in word()) {
        let field = sum(&bytes).fold();
        let old = u16::from_be_bytes([bytes[2], bytes[3]]);
        bytes[2..4].copy_from_slice(&new.to_be_bytes());
        prop_assert_eq!(Delta::new().u16(old, new).apply_uncomplemented(field), sum(&bytes).fold());
    }

    #[test]
    fn wrong_field_stays_wrong(mut bytes in message(), error in 1_u16..0xffff, new in word()) {
        let field = sum(&bytes).add_u16(error).checksum();
        let old = u16::from_be_bytes([bytes[2], bytes[3]]);
        bytes[2..4].copy_from_slice(&new.to_be_bytes());
        let updated = Delta::new().u16(old, new).apply(field);
        prop_assert!(!sum(&bytes).add_u16(updated).is_valid());
        prop_assert_eq!(updated, sum(&bytes).add_u16(error).checksum());
    }

    #[test]
    fn there_and_back_is_nothing(field in 0_u16..0xffff, a in word(), b in word()) {
        let there = Delta::new().u16(a, b).apply(field);
        prop_assert_eq!(Delta::new().u16(b, a).apply(there), field);
    }
}

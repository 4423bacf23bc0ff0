use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::{Address, Fib, Prefix, PrefixError};

fn v4(text: &str) -> u32 {
    text.parse::<Ipv4Addr>().unwrap().to_bits()
}

fn v6(text: &str) -> u128 {
    text.parse::<Ipv6Addr>().unwrap().to_bits()
}

fn prefix4(text: &str) -> Prefix<u32> {
    let (address, len) = text.split_once('/').unwrap();
    Prefix::new(v4(address), len.parse().unwrap()).unwrap()
}

fn prefix6(text: &str) -> Prefix<u128> {
    let (address, len) = text.split_once('/').unwrap();
    Prefix::new(v6(address), len.parse().unwrap()).unwrap()
}

/// The definition: of the prefixes around the address the longest, of equal ones the last.
fn naive<A: Address, T: Copy>(routes: &[(Prefix<A>, T)], address: A) -> Option<T> {
    routes
        .iter()
        .filter(|(prefix, _)| prefix.contains(address))
        .max_by_key(|(prefix, _)| prefix.len())
        .map(|(_, value)| *value)
}

/// Compares at all addresses where the answer can change: both edges of each prefix and the addresses beside them.
fn assert_like_naive<A, T>(routes: &[(Prefix<A>, T)], others: &[A])
where
    A: Address + std::fmt::Debug,
    T: Copy + PartialEq + std::fmt::Debug,
{
    let fib = Fib::build(routes.iter().copied());
    let mut addresses = vec![A::ZERO, A::host_bits(0)];
    addresses.extend(others);
    for (prefix, _) in routes {
        addresses.extend([prefix.first(), prefix.last()]);
        addresses.extend(prefix.last().next());
    }
    for address in addresses {
        assert_eq!(fib.lookup(address), naive(routes, address), "at {address:?}");
    }
    assert!(fib.ranges() <= 2 * routes.len() + 1);
    assert!(fib.starts.is_sorted_by(|a, b| a < b));
    assert!(fib.values.windows(2).all(|pair| pair[0] != pair[1]), "equal neighbours are merged");
}

#[test]
fn a_table_without_routes_answers_nothing() {
    let fib = Fib::<u32, u32>::build([]);
    assert_eq!(fib.lookup(0), None);
    assert_eq!(fib.lookup(u32::MAX), None);
    assert_eq!(Fib::<u128, u32>::default().lookup(u128::MAX), None);
}

#[test]
fn the_default_route_covers_everything() {
    let fib = Fib::build([(prefix4("0.0.0.0/0"), 7)]);
    assert_eq!([0, 1, v4("198.51.100.1"), u32::MAX].map(|address| fib.lookup(address)), [Some(7); 4]);
    assert_eq!(fib.ranges(), 1);
    let fib = Fib::build([(prefix6("::/0"), 7)]);
    assert_eq!([0, u128::MAX].map(|address| fib.lookup(address)), [Some(7); 2]);
}

#[test]
fn a_longer_prefix_wins_and_its_surroundings_go_on_behind_it() {
    let fib = Fib::build([(prefix4("10.1.0.0/16"), 'c'), (prefix4("0.0.0.0/0"), 'a'), (prefix4("10.0.0.0/8"), 'b')]);
    let expected = [
        ("9.255.255.255", 'a'),
        ("10.0.0.0", 'b'),
        ("10.0.255.255", 'b'),
        ("10.1.0.0", 'c'),
        ("10.1.255.255", 'c'),
        ("10.2.0.0", 'b'),
        ("10.255.255.255", 'b'),
        ("11.0.0.0", 'a'),
    ];
    for (address, value) in expected {
        assert_eq!(fib.lookup(v4(address)), Some(value), "{address}");
    }
}

#[test]
fn host_routes_cover_one_address_even_the_first_and_the_last() {
    let fib = Fib::build([(Prefix::host(0_u32), 1), (prefix4("192.0.2.7/32"), 2), (Prefix::host(u32::MAX), 3)]);
    let expected = [
        ("0.0.0.0", Some(1)),
        ("0.0.0.1", None),
        ("192.0.2.6", None),
        ("192.0.2.7", Some(2)),
        ("192.0.2.8", None),
        ("255.255.255.254", None),
        ("255.255.255.255", Some(3)),
    ];
    for (address, value) in expected {
        assert_eq!(fib.lookup(v4(address)), value, "{address}");
    }
    let last = Ipv6Addr::from_bits(u128::MAX);
    let fib = Fib::build([(prefix6("2001:db8::1/128"), 1), (Prefix::host(last.to_bits()), 2)]);
    assert_eq!(fib.lookup(v6("2001:db8::")), None);
    assert_eq!(fib.lookup(v6("2001:db8::1")), Some(1));
    assert_eq!(fib.lookup(v6("2001:db8::2")), None);
    assert_eq!(fib.lookup(last.to_bits()), Some(2));
}

#[test]
fn of_equal_prefixes_the_last_wins() {
    let fib = Fib::build([(prefix4("10.0.0.0/8"), 1), (prefix4("10.0.0.0/8"), 3), (prefix4("10.0.0.0/8"), 2)]);
    assert_eq!(fib.lookup(v4("10.1.1.1")), Some(2));
    assert_eq!(fib.lookup(v4("11.0.0.0")), None);
}

#[test]
fn adjacent_prefixes_of_one_value_are_one_range() {
    let routes = (0..=255_u32).map(|third| (Prefix::new(v4("10.1.0.0") | third << 8, 24).unwrap(), 5));
    assert_eq!(Fib::build(routes).ranges(), 3); // before, 10.1.0.0/16, behind
}

#[test]
fn every_length_nested_at_either_end_and_in_the_middle() {
    for address in [0, u32::MAX, v4("170.170.170.170"), v4("85.85.85.85")] {
        let routes: Vec<_> =
            (0..=32).map(|len| (Prefix::new(address & !u32::host_bits(len), len).unwrap(), len)).collect();
        assert_like_naive(&routes, &[address]);
        assert_eq!(Fib::build(routes).lookup(address), Some(32));
    }
    for address in [0, u128::MAX, u128::MAX / 3, u128::MAX / 3 * 2] {
        let routes: Vec<_> =
            (0..=128).rev().map(|len| (Prefix::new(address & !u128::host_bits(len), len).unwrap(), len)).collect();
        assert_like_naive(&routes, &[address]);
        assert_eq!(Fib::build(routes).lookup(address), Some(128));
    }
}

#[test]
fn a_prefix_is_refused_when_too_long_or_with_bits_behind_it() {
    assert_eq!(Prefix::new(0_u32, 33), Err(PrefixError::TooLong { len: 33, bits: 32 }));
    assert_eq!(Prefix::new(0_u128, 129), Err(PrefixError::TooLong { len: 129, bits: 128 }));
    assert_eq!(Prefix::new(1_u32, 31), Err(PrefixError::HostBits { len: 31 }));
    assert_eq!(Prefix::new(1_u128, 0), Err(PrefixError::HostBits { len: 0 }));
    assert!(Prefix::new(u32::MAX, 32).is_ok());
    assert!(Prefix::new(u128::MAX, 128).is_ok());
}

/// Prefixes that nest and touch often (the address repeats one byte), mixed with arbitrary ones.
fn prefixes<A>(repeat: fn(u8) -> A) -> impl Strategy<Value = Prefix<A>>
where
    A: Address + Arbitrary + std::ops::Not<Output = A>,
{
    let address = prop_oneof![any::<u8>().prop_map(repeat), any::<A>()];
    (address, 0..=A::BITS).prop_map(|(address, len)| Prefix::new(address & !A::host_bits(len), len).unwrap())
}

proptest! {
    #[test]
    fn lookups_agree_with_the_definition_for_ipv4(
        routes in prop::collection::vec((prefixes::<u32>(|bits| u32::from(bits) * (u32::MAX / 255)), 0..4_u8), 0..40),
        others in prop::collection::vec(any::<u32>(), 0..20),
    ) {
        assert_like_naive(&routes, &others);
    }

    #[test]
    fn lookups_agree_with_the_definition_for_ipv6(
        routes in prop::collection::vec(
            (prefixes::<u128>(|bits| u128::from(bits) * (u128::MAX / 255)), 0..4_u8), 0..40),
        others in prop::collection::vec(any::<u128>(), 0..20),
    ) {
        assert_like_naive(&routes, &others);
    }
}

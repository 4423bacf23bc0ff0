use std::net::Ipv6Addr;
use std::sync::OnceLock;

use headgate_xsk::SharedWords;

use super::*;
use crate::servers::Servers;

fn server(index: u32) -> ServerId {
    static IDS: OnceLock<Vec<ServerId>> = OnceLock::new();
    let ids = IDS.get_or_init(|| {
        let words = SharedWords::new(c"servers", Servers::words_needed(20), false).unwrap();
        let servers = Servers::new(words).unwrap();
        (0..20).map(|index| servers.id(index).unwrap()).collect()
    });
    ids[index as usize]
}

fn address(number: u32) -> IpAddr {
    IpAddr::from(number.to_be_bytes())
}

fn set(cache: &Cache, destination: IpAddr) -> Vec<u32> {
    cache.servers(cache.lookup(destination)).collect()
}

#[test]
fn remembers_addresses_of_both_families() {
    let cache = Cache::new(1);
    let v6 = |number: u32| IpAddr::from(Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(number)));
    for number in 0..3000 {
        cache.replace(cache.lookup(address(number)), server(number % 7), 5);
        cache.replace(cache.lookup(v6(number)), server(number % 5), 5);
    }
    assert_eq!(cache.len(), 6000);
    for number in 0..3000 {
        assert_eq!(set(&cache, address(number)), [number % 7]);
        assert_eq!(set(&cache, v6(number)), [number % 5]);
    }
    assert!(set(&cache, address(3000)).is_empty());
}

#[test]
fn replace_keeps_one_server_per_destination() {
    let cache = Cache::new(1);
    for index in [3, 4] {
        cache.replace(cache.lookup(address(1)), server(index), 5);
        assert_eq!(set(&cache, address(1)), [index]);
    }
    assert_eq!(cache.len(), 1);
}

#[test]
fn sets_are_ordered_newest_first_and_have_no_doubles() {
    let cache = Cache::new(3);
    let insert = |index| cache.insert(cache.lookup(address(1)), server(index), 5);
    [5, 6, 5, 7].into_iter().for_each(insert);
    assert_eq!(set(&cache, address(1)), [7, 6, 5]);
    cache.erase(cache.lookup(address(1)), 6, 5);
    assert_eq!(set(&cache, address(1)), [7, 5]);
    [8, 9].into_iter().for_each(insert);
    assert_eq!(set(&cache, address(1)), [9, 8, 7], "the oldest made room");
    cache.erase(cache.lookup(address(1)), 5, 5);
    assert_eq!(set(&cache, address(1)), [9, 8, 7]);
}

#[test]
fn only_changes_of_the_set_count_as_changes() {
    let cache = Cache::new(2);
    cache.insert(cache.lookup(address(1)), server(5), 100);
    cache.insert(cache.lookup(address(1)), server(5), 110);
    cache.touch(cache.lookup(address(1)), 120);
    assert_eq!(cache.unchanged(cache.lookup(address(1)), 150), 50);
    cache.insert(cache.lookup(address(1)), server(6), 150);
    assert_eq!(cache.unchanged(cache.lookup(address(1)), 151), 1);
    assert_eq!(cache.unchanged(cache.lookup(address(1)), 149), 0, "another worker's clock was ahead");
}

#[test]
fn times_survive_the_wrap_of_their_bits() {
    for wrap in [1_u64 << 31, 1 << 32] {
        let times = Times::new(wrap - 10, wrap - 10);
        assert_eq!((times.idle(wrap + 10), times.unchanged(wrap + 10)), (20, 20));
        assert_eq!(times.used_at(wrap).idle(wrap + 10), 10);
        assert_eq!(times.changed_at(wrap).unchanged(wrap + 10), 10);
        assert_eq!(times.changed_at(wrap).idle(wrap + 10), 20);
    }
}

#[test]
fn a_full_pass_every_30_minutes_drops_what_is_idle_for_longer_than_the_expiration() {
    let cache = Cache::new(1);
    cache.collect(1000, 120);
    cache.replace(cache.lookup(address(1)), server(1), 2800 - 121);
    cache.replace(cache.lookup(address(2)), server(1), 2800 - 121);
    cache.touch(cache.lookup(address(2)), 2800 - 120);
    cache.collect(2799, 120);
    assert_eq!(cache.len(), 2, "29 runs");
    cache.collect(2800, 120);
    assert!(set(&cache, address(1)).is_empty());
    assert_eq!(set(&cache, address(2)), [1], "120 s are not more than 120 s");
    cache.collect(2800 + 1799, 120);
    assert_eq!(cache.len(), 1);
    cache.collect(2800 + 1800, 120);
    assert_eq!(cache.len(), 0);
    cache.replace(cache.lookup(address(1)), server(2), 5000);
    assert_eq!(set(&cache, address(1)), [2], "a dropped entry's place is used again");
}

#[test]
fn above_the_maximum_each_run_drops_four_thirds_of_the_excess_of_idle_ones() {
    let cache = Cache::new(1);
    cache.collect(0, 86_400);
    let fill = |numbers: std::ops::Range<u32>, now| {
        for number in numbers {
            cache.replace(cache.lookup(address(number)), server(1), now);
        }
    };
    fill(0..MAX_ENTRIES + 300, 0);
    let full = cache.len();
    assert!(full > MAX_ENTRIES + 290, "{full}: hardly any row of 16 is full at this load");
    cache.collect(360, 86_400);
    assert_eq!(cache.len(), full, "idle for 6 minutes, not more");
    cache.collect(420, 86_400);
    assert_eq!(cache.len(), full - (full - MAX_ENTRIES) * 4 / 3);
    cache.collect(480, 86_400);
    assert_eq!(cache.len(), full - (full - MAX_ENTRIES) * 4 / 3, "below the maximum nothing is dropped");
    fill(100_000..200_000, 480);
    assert_eq!(cache.len(), HARD_LIMIT, "new destinations are no longer remembered");
    cache.collect(540, 86_400);
    assert_eq!(cache.len(), HARD_LIMIT - MAX_ENTRIES / 2, "at most half the maximum in a run");
}

#[test]
fn workers_and_collector_share_it_without_losing_count() {
    let cache = Cache::new(3);
    cache.collect(0, 1);
    std::thread::scope(|scope| {
        for worker in 0..2_u32 {
            let cache = &cache;
            scope.spawn(move || {
                for round in 0..60_000_u32 {
                    let lookup = cache.lookup(address(round.wrapping_mul(2_654_435_761) % 3000));
                    cache.touch(lookup, round.into());
                    for known in cache.servers(lookup) {
                        assert!(known < 20);
                    }
                    match round % 3 {
                        0 => cache.replace(lookup, server(worker * 10 + round % 10), round.into()),
                        1 => cache.insert(lookup, server(worker * 10 + round % 10), round.into()),
                        _ => cache.erase(lookup, round % 20, round.into()),
                    }
                }
            });
        }
        for run in 0..100 {
            cache.collect(run * 1800, 1);
        }
    });
    let held = cache.keys.iter().filter(|key| key.load(Ordering::Relaxed) != 0).count();
    assert_eq!(cache.len() as usize, held);
    assert!(cache.times.iter().all(|times| times.load(Ordering::Relaxed) & BUSY == 0), "no claim is left behind");
}

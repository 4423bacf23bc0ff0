//! Many threads on few keys: whatever they do to each other, nothing is lost, doubled or left behind.

use std::thread;

use super::support::*;
use crate::table::*;

const KEYS: u32 = 40;
const ROUNDS: u32 = 40;
const OPERATIONS: u32 = 2_000;

/// What a thread did.
#[derive(Default)]
struct Tally {
    created: u64,
    ended: u64,
    hits: u64,
}

/// Creates, ends, looks up and stamps connections of random clients; every find must be of the key that was asked for.
fn churn(table: &Table, seed: u64, operations: u32) -> Tally {
    let (v4, mut pool, mut rng) = (table.v4(), Pool::new(table), Rng::new(seed));
    let mut tally = Tally::default();
    for step in 0..operations {
        let (client, server) = (rng.below(KEYS), rng.below(3));
        let now = Tick::new(step);
        match rng.below(4) {
            0 => tally.created += u64::from(v4.create(&mut pool, &nat(client, server)).is_ok()),
            1 => {
                if let Some(found) = v4.find(&forward(client)) {
                    tally.ended += u64::from(v4.end(&mut pool, found.id).is_some());
                }
            }
            2 => {
                if let Some(found) = v4.find(&forward(client)) {
                    assert_eq!((found.forward, found.direction), (forward(client), Direction::Forward));
                    assert_eq!(found.reverse, Some(reverse(client, found.server)));
                    v4.stamp(found.id, now);
                    v4.update_state(found.id, |state| state.with_flags(state.flags() ^ 1));
                    tally.hits += 1;
                }
            }
            _ => {
                if let Some(found) = v4.find(&reverse(client, server)) {
                    assert_eq!((found.forward, found.direction), (forward(client), Direction::Reverse));
                    assert_eq!(found.server, server);
                    tally.hits += 1;
                }
            }
        }
    }
    table.release(pool);
    tally
}

#[test]
fn four_threads_on_forty_keys_lose_and_double_nothing() {
    let mut rng = Rng::seeded(4);
    let table = table(8192, 0);
    let (mut created, mut ended, mut hits) = (0, 0, 0);
    // An audit needs the table at rest, so the threads meet after every round.
    for _ in 0..ROUNDS {
        let seeds = [rng.next(), rng.next(), rng.next(), rng.next()];
        let tallies: Vec<Tally> = thread::scope(|scope| {
            let workers = seeds.map(|seed| {
                scope.spawn({
                    let table = &table;
                    move || churn(table, seed, OPERATIONS)
                })
            });
            workers.map(|worker| worker.join().unwrap()).into()
        });
        created += tallies.iter().map(|tally| tally.created).sum::<u64>();
        ended += tallies.iter().map(|tally| tally.ended).sum::<u64>();
        hits += tallies.iter().map(|tally| tally.hits).sum::<u64>();
        assert_eq!(assert_tidy(table.v4()).live as u64, created - ended, "creations and ends balance");
    }
    println!("{created} created, {ended} ended, {hits} hits");
    assert!(created > 1000 && ended > 1000 && hits > 1000, "the test did something");
}

/// Eight workers that take turns at random on one thread, against a plain map of what should be there: the same outcome at every step.
#[test]
fn workers_in_turns_agree_with_a_map() {
    let mut rng = Rng::seeded(8);
    let table = table(8192, 0);
    let v4 = table.v4();
    let mut pools: Vec<Pool> = (0..8).map(|_| Pool::new(&table)).collect();
    let mut known = std::collections::HashMap::new();
    for _ in 0..60_000 {
        let pool = &mut pools[rng.below(8) as usize];
        let client = rng.below(600);
        if rng.below(2) == 0 {
            match (v4.create(pool, &nat(client, client % 5)), known.get(&client)) {
                (Ok(id), None) => _ = known.insert(client, id),
                (Err(CreateError::Exists(id)), Some(there)) => assert_eq!(id, *there),
                (outcome, there) => panic!("client {client}: {outcome:?}, the map has {there:?}"),
            }
        } else {
            let found = v4.find(&forward(client));
            assert_eq!(found.map(|found| found.id), known.get(&client).copied());
            if let Some(id) = known.remove(&client) {
                assert_eq!(v4.find(&reverse(client, client % 5)).map(|found| found.id), Some(id));
                assert!(v4.end(pool, id).is_some());
                assert!(v4.end(pool, id).is_none(), "one winner");
            }
        }
    }
    assert_eq!(assert_tidy(v4).live, known.len());
    let mut pool = pools.pop().unwrap();
    for (_, id) in known.drain() {
        assert!(v4.end(&mut pool, id).is_some());
    }
    pools.into_iter().chain([pool]).for_each(|pool| table.release(pool));
    let report = assert_tidy(v4);
    assert_eq!((report.live, report.unlisted_free), (0, 0), "every entry is free and listed");
}

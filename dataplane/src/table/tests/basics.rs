use std::os::fd::AsFd;

use headgate_xsk::SharedWords;

use super::support::*;
use crate::table::*;

#[test]
fn a_connection_is_found_from_both_directions_with_everything_it_holds() {
    let table = table(100, 0);
    let mut pool = Pool::new(&table);
    let id = table.v4().create(&mut pool, &nat(5, 9)).unwrap();
    let found = table.v4().find(&forward(5)).unwrap();
    let expected = Found {
        id,
        direction: Direction::Forward,
        forward: forward(5),
        reverse: Some(reverse(5, 9)),
        server: 9,
        template: None,
        state: State::new(1, 0, 60),
        seen: Some(Seen { last: Tick::new(100), packets: 0 }),
    };
    assert_eq!(found, expected);
    assert_eq!(table.v4().find(&reverse(5, 9)), Some(Found { direction: Direction::Reverse, ..expected }));
    assert_eq!(table.v4().get(id), Some(expected));
    assert_eq!(table.v4().iter().collect::<Vec<_>>(), [expected]);
    assert_eq!(table.v4().find(&forward(6)), None);
    assert_tidy(table.v4());
}

#[test]
fn an_ipv6_connection_keeps_all_bits_of_its_keys() {
    let table = table(0, 100);
    let mut pool = Pool::new(&table);
    let address = |last: u8| core::array::from_fn(|n| if n == 15 { last } else { n as u8 * 7 });
    let key = Key6::new(address(1), address(2), 40_000, 443, 17, KIND_CONNECTION);
    assert_eq!((key.src(), key.dst(), key.sport(), key.dport()), (address(1), address(2), 40_000, 443));
    assert_eq!((key.protocol(), key.kind()), (17, KIND_CONNECTION));
    let back = Key6::new(address(3), address(1), 8443, 40_000, 17, KIND_CONNECTION);
    let new = New {
        forward: key,
        reverse: Some(back),
        server: u32::MAX,
        template: None,
        state: State::new(0xff, 0xffff, MAX_TIMEOUT_SECONDS),
        now: Tick::new((1 << 24) - 1),
        on_reverse_taken: OnReverseTaken::Take,
    };
    let id = table.v6().create(&mut pool, &new).unwrap();
    let found = table.v6().find(&back).unwrap();
    assert_eq!((found.id, found.forward, found.reverse, found.server), (id, key, Some(back), u32::MAX));
    assert_eq!((found.state, found.seen.unwrap().last), (new.state, new.now));
    assert_tidy(table.v6());
    assert_eq!(table.v6().end(&mut pool, id).unwrap().state, new.state);
    assert_eq!(table.v6().find(&key), None);
    assert_eq!(table.v6().find(&back), None);
    assert_eq!(assert_tidy(table.v6()).live, 0);
}

#[test]
fn stages_agree_with_find_also_when_the_candidate_is_stale() {
    let table = table(100, 0);
    let mut pool = Pool::new(&table);
    let key = forward(1);
    let hash = table.v4().hash(&key);
    table.v4().prefetch(hash);
    let before = table.v4().candidate(hash);
    let id = table.v4().create(&mut pool, &nat(1, 1)).unwrap();
    assert_eq!(table.v4().lookup(&key, hash, before).unwrap().id, id);
    let with = table.v4().candidate(hash);
    assert_eq!(table.v4().lookup(&key, hash, with).unwrap().id, id);
    table.v4().end(&mut pool, id).unwrap();
    let again = table.v4().create(&mut pool, &nat(1, 2)).unwrap();
    let found = table.v4().lookup(&key, hash, with).unwrap();
    assert_eq!((found.id, found.server), (again, 2));
}

#[test]
fn one_key_belongs_to_one_connection() {
    let table = table(100, 0);
    let mut pool = Pool::new(&table);
    let id = table.v4().create(&mut pool, &nat(1, 1)).unwrap();
    assert_eq!(table.v4().create(&mut pool, &nat(1, 2)), Err(CreateError::Exists(id)));
    // Its reverse key as somebody's forward key is in use as well.
    let mirrored = New { forward: reverse(1, 1), reverse: None, ..nat(1, 1) };
    assert_eq!(table.v4().create(&mut pool, &mirrored), Err(CreateError::Exists(id)));
    // And nobody takes a forward key for replies.
    let greedy = New { forward: forward(2), reverse: Some(forward(1)), ..nat(2, 1) };
    assert_eq!(table.v4().create(&mut pool, &greedy), Err(CreateError::ReverseTaken));
    assert_eq!(assert_tidy(table.v4()).live, 1);
}

#[test]
fn a_connection_and_a_template_of_equal_numbers_are_different() {
    let table = table(100, 0);
    let mut pool = Pool::new(&table);
    let key = |kind| Key4::new(1, 2, 0, 80, 6, kind);
    let connection = New { forward: key(KIND_CONNECTION), reverse: None, ..nat(1, 1) };
    let template = New { forward: key(KIND_TEMPLATE), ..connection };
    let first = table.v4().create(&mut pool, &connection).unwrap();
    let second = table.v4().create(&mut pool, &template).unwrap();
    assert_eq!(table.v4().find(&key(KIND_CONNECTION)).unwrap().id, first);
    assert_eq!(table.v4().find(&key(KIND_TEMPLATE)).unwrap().id, second);
}

#[test]
fn an_ended_connection_is_gone_and_its_id_means_nothing_any_more() {
    let table = table(100, 0);
    let mut pool = Pool::new(&table);
    let id = table.v4().create(&mut pool, &nat(1, 1)).unwrap();
    table.v4().update_state(id, |state| state.with_protocol_state(9)).unwrap();
    let last = table.v4().end(&mut pool, id).unwrap();
    assert_eq!((last.state.protocol_state(), last.server, last.forward), (9, 1, forward(1)));
    assert_eq!(table.v4().end(&mut pool, id), None);
    assert_eq!(table.v4().get(id), None);
    assert_eq!(table.v4().last_seen(id, Tick::new(0)), None);
    assert_eq!(table.v4().update_state(id, |_| State::default()), None);
    let next = table.v4().create(&mut pool, &nat(2, 2)).unwrap();
    assert_eq!((next.index, next.generation), (id.index, id.generation + 1));
    assert_eq!(table.v4().end(&mut pool, id), None);
    assert_eq!(table.v4().get(next).unwrap().server, 2);
}

#[test]
fn stamps_count_and_a_late_one_is_not_believed() {
    let table = table(100, 0);
    let mut pool = Pool::new(&table);
    let id = table.v4().create(&mut pool, &nat(1, 1)).unwrap();
    table.v4().stamp(id, Tick::new(107));
    table.v4().stamp(id, Tick::new(109));
    assert_eq!(table.v4().get(id).unwrap().seen, Some(Seen { last: Tick::new(109), packets: 2 }));
    table.v4().end(&mut pool, id);
    let next = table.v4().create(&mut pool, &nat(1, 1)).unwrap();
    table.v4().stamp(id, Tick::new(5));
    assert_eq!(table.v4().get(next).unwrap().seen, None);
    assert_eq!(table.v4().last_seen(next, Tick::new(200)), Some(Tick::new(200)));
    assert_eq!(table.v4().last_seen(next, Tick::new(300)), Some(Tick::new(200)));
}

#[test]
fn the_newer_connection_gets_the_replies_and_the_older_may_get_them_back() {
    let table = table(100, 0);
    let mut pool = Pool::new(&table);
    let shared = reverse(1, 1);
    let older = table.v4().create(&mut pool, &nat(1, 1)).unwrap();
    let second = New { forward: forward(2), reverse: Some(shared), ..nat(2, 1) };
    let refused = New { on_reverse_taken: OnReverseTaken::Refuse, ..second };
    assert_eq!(table.v4().create(&mut pool, &refused), Err(CreateError::ReverseTaken));
    assert_eq!(table.v4().find(&shared).unwrap().id, older);

    let newer = table.v4().create(&mut pool, &second).unwrap();
    assert_eq!(table.v4().find(&shared).unwrap().id, newer);
    assert!(table.v4().get(older).unwrap().state.reverse_lost());
    assert!(!table.v4().restore_reverse(older));
    assert!(table.v4().get(older).unwrap().state.reverse_lost());
    let (_, state) = table.v4().update_state(older, |_| State::new(3, 1, 9)).unwrap();
    assert!(state.reverse_lost(), "the caller cannot clear the mark");
    assert_tidy(table.v4());

    table.v4().end(&mut pool, newer).unwrap();
    assert_eq!(table.v4().find(&shared), None);
    assert!(table.v4().restore_reverse(older));
    assert_eq!(table.v4().find(&shared).unwrap().id, older);
    assert!(!table.v4().get(older).unwrap().state.reverse_lost());
    assert!(table.v4().restore_reverse(older), "once more changes nothing");
    assert_tidy(table.v4());
    table.v4().end(&mut pool, older).unwrap();
    assert_eq!(assert_tidy(table.v4()).live, 0);
}

#[test]
fn a_template_in_use_cannot_close_and_a_closed_one_cannot_be_joined() {
    let table = table(100, 0);
    let mut pool = Pool::new(&table);
    let id = table.v4().create(&mut pool, &template(1)).unwrap();
    assert!(table.v4().template_join(id));
    assert!(table.v4().template_join(id));
    assert_eq!(table.v4().get(id).unwrap().state.joined(), 2);
    assert!(!table.v4().template_close_if_unused(id));
    table.v4().template_leave(id);
    table.v4().template_leave(id);
    table.v4().template_leave(id);
    assert_eq!(table.v4().get(id).unwrap().state.joined(), 0, "a leave too many does not wrap");
    assert_eq!(table.v4().get(id).unwrap().state.timeout_seconds(), 60);
    assert!(table.v4().template_close_if_unused(id));
    assert!(!table.v4().template_close_if_unused(id), "one caller closes");
    assert!(!table.v4().template_join(id));
    table.v4().end(&mut pool, id).unwrap();
    assert!(!table.v4().template_join(id));
}

#[test]
fn a_connection_names_its_template_with_the_generation() {
    let table = table(100, 0);
    let mut pool = Pool::new(&table);
    let first = table.v4().create(&mut pool, &template(1)).unwrap();
    table.v4().end(&mut pool, first).unwrap();
    let id = table.v4().create(&mut pool, &template(1)).unwrap();
    assert!(table.v4().template_join(id));
    let connection = table.v4().create(&mut pool, &New { template: Some(id), ..nat(1, 1) }).unwrap();
    assert_eq!(table.v4().find(&forward(1)).unwrap().template, Some(id));
    // The template is moved aside while in use: the connection's leave must not reach whoever has the entry now.
    table.v4().end(&mut pool, id).unwrap();
    let other = table.v4().create(&mut pool, &template(2)).unwrap();
    assert_eq!(other.index, id.index);
    assert!(table.v4().template_join(other));
    let last = table.v4().end(&mut pool, connection).unwrap();
    table.v4().template_leave(last.template.unwrap());
    assert_eq!(table.v4().get(other).unwrap().state.joined(), 1);
}

#[test]
fn a_full_table_refuses_until_something_ends() {
    let table = table(100, 0);
    let mut pool = Pool::new(&table);
    let ids: Vec<ConnId> = (0..100).map(|n| table.v4().create(&mut pool, &nat(n, n)).unwrap()).collect();
    assert_eq!(table.v4().create(&mut pool, &nat(100, 0)), Err(CreateError::Full));
    assert_eq!(table.v4().len(), 100);
    table.v4().end(&mut pool, ids[42]).unwrap();
    table.v4().create(&mut pool, &nat(100, 0)).unwrap();
    assert_eq!(table.v4().create(&mut pool, &nat(101, 0)), Err(CreateError::Full));
    assert_tidy(table.v4());
    assert_eq!(table.v6().find(&Key6::new([0; 16], [0; 16], 0, 0, 0, 0)), None);
}

#[test]
fn released_pools_leave_every_entry_on_the_shared_stack() {
    let table = table(1000, 0);
    let mut pools = [Pool::new(&table), Pool::new(&table)];
    let ids: Vec<ConnId> = (0..1000).map(|n| table.v4().create(&mut pools[0], &nat(n, n)).unwrap()).collect();
    for id in ids {
        assert!(table.v4().end(&mut pools[1], id).is_some());
    }
    assert!(pools[1].held(Family::V4) <= 256);
    for pool in pools {
        table.release(pool);
    }
    let report = assert_tidy(table.v4());
    assert_eq!((report.listed_free, report.unlisted_free), (1000, 0));
}

#[test]
fn another_process_sees_the_same_table() {
    let capacity = Capacity { v4: 1000, v6: 10 };
    let table = Table::create(memory(capacity), capacity, TEST_SEEDS).unwrap();
    let mut pool = Pool::new(&table);
    let id = table.v4().create(&mut pool, &nat(7, 7)).unwrap();
    table.release(pool);
    let descriptor = table.words().as_fd().try_clone_to_owned().unwrap();
    drop(table);
    let table = Table::attach(SharedWords::attach(descriptor).unwrap()).unwrap();
    assert_eq!(table.v4().find(&reverse(7, 7)).unwrap().id, id);
    assert_eq!((table.v4().capacity(), table.v6().capacity()), (1000, 10));
}

#[test]
fn foreign_or_too_small_memory_is_refused() {
    let capacity = Capacity { v4: 1000, v6: 0 };
    let needed = Table::words_needed(&capacity).unwrap();
    let words = |len| SharedWords::new(c"headgate-table-test", len, false).unwrap();
    let error = |result: Result<Table, TableError>| result.unwrap_err();
    assert_eq!(error(Table::attach(words(8))), TableError::NoTable);
    let short = Table::create(words(needed - 1), capacity, TEST_SEEDS);
    assert_eq!(error(short), TableError::TooSmall { needed, got: needed - 1 });
    let huge = Capacity { v4: u32::MAX, v6: 0 };
    assert!(matches!(Table::words_needed(&huge), Err(TableError::Capacity { .. })));

    let damaged = |at: usize, value: u64| {
        let table = Table::create(words(needed), capacity, TEST_SEEDS).unwrap();
        table.words()[at].store(value, std::sync::atomic::Ordering::Relaxed);
        let again = SharedWords::attach(table.words().as_fd().try_clone_to_owned().unwrap()).unwrap();
        error(Table::attach(again))
    };
    assert_eq!(damaged(0, 1), TableError::NoTable);
    assert_eq!(damaged(0, 0x4847_4354_0000_0009), TableError::Version { found: 9, known: 1 });
    assert!(matches!(damaged(1, 100_000), TableError::Sizes));
    assert!(matches!(damaged(1, 1 << 40), TableError::Sizes));
    assert!(matches!(damaged(3, 0), TableError::Sizes));

    let used = Table::create(words(needed), capacity, TEST_SEEDS).unwrap();
    let again = SharedWords::attach(used.words().as_fd().try_clone_to_owned().unwrap()).unwrap();
    assert_eq!(error(Table::create(again, capacity, TEST_SEEDS)), TableError::NotEmpty);
}

#[test]
fn an_ipv4_connection_needs_101_bytes_and_an_ipv6_one_165() {
    let bytes = |v4, v6| Table::words_needed(&Capacity { v4, v6 }).unwrap() * 8;
    let empty = bytes(0, 0);
    let each = |total: usize| (total - empty) as f64 / 1e6;
    assert!(each(bytes(1_000_000, 0)) < 101.0, "{}", each(bytes(1_000_000, 0)));
    assert!(each(bytes(0, 1_000_000)) < 165.0, "{}", each(bytes(0, 1_000_000)));
}

#[test]
fn ticks_wrap_and_tolerate_a_clock_a_little_behind() {
    let late = Tick::new((1 << 24) - 2);
    assert_eq!(late.plus(5), Tick::new(3));
    assert_eq!(late.age(Tick::new(3)), 5);
    assert_eq!(Tick::new(3).age(late), 0, "a stamp from the future counts as now");
    assert_eq!(Tick::new(0).age(Tick::new(MAX_TIMEOUT_SECONDS * TICKS_PER_SECOND)), MAX_TIMEOUT_SECONDS * 8);
    assert!(Tick::new(3).reached(late) && !late.reached(Tick::new(3)) && late.reached(late));
    assert_eq!(Tick::from_millis(1250), Tick::new(10));
    assert_eq!(Tick::new(0).plus_seconds(2), Tick::new(16));
}

#[test]
fn states_keep_their_fields_apart() {
    let state = State::new(0xab, 0xcdef, 900).with_timeout_seconds(u32::MAX);
    assert_eq!((state.protocol_state(), state.flags()), (0xab, 0xcdef));
    assert_eq!(state.timeout_seconds(), MAX_TIMEOUT_SECONDS);
    let state = state.with_flags(1).with_protocol_state(2).with_timeout_seconds(3);
    assert_eq!(state, State::new(2, 1, 3));
    assert!(!State::new(0xff, 0xffff, 0).reverse_lost());
}

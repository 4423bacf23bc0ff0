//! Creation, end and recycling of entries against each other and against readers and late writers.

use super::super::sync::Breakage;

super::races! {
    loom_create_create(3) breaks with loom_create_create_needs_the_kill: Kill;
    loom_create_against_end_and_create(2) breaks with loom_recreation_needs_the_fence: PublishFence, loom_recreation_needs_the_kill: Kill;
    loom_lookup_against_recycle(3) breaks with loom_lookup_needs_the_second_look: Reread;
    loom_lookup_against_recycle_elsewhere(2) breaks with loom_recycling_needs_the_fence: WriteFence;
    loom_end_end(3) breaks with loom_end_needs_the_swap: EndSwap;
    loom_late_change_against_recycle(3) breaks with loom_state_needs_the_seal: Seal;
    loom_late_stamp_against_recycle(3) breaks with loom_stamp_needs_the_generation: SeenGeneration;
    loom_join_against_expire(3) breaks with loom_template_needs_one_word: TemplateWord;
}

mod models {
    use loom::thread;

    use super::super::super::*;
    use super::super::*;

    /// Two workers see the first packet of one flow: one connection at most, and who created it is right.
    pub(super) fn loom_create_create() {
        let table = table(2);
        let creators = [1, 2].map(|server| {
            let (table, mut pool) = (Arc::clone(&table), pool(&table, 1));
            thread::spawn(move || table.v4().create(&mut pool, &direct(1, server)))
        });
        let results = creators.map(|creator| creator.join().unwrap());
        let created: Vec<ConnId> = results.iter().filter_map(|result| result.ok()).collect();
        assert!(created.len() <= 1, "two connections with one key");
        assert_eq!(table.v4().find(&forward(1)).map(|found| found.id), created.first().copied());
        for error in results.iter().filter_map(|result| result.err()) {
            assert!(matches!(error, CreateError::Exists(_) | CreateError::Contended));
        }
        assert_eq!(assert_tidy(&table).live, created.len());
    }

    /// One worker creates what another ends and creates anew.
    pub(super) fn loom_create_against_end_and_create() {
        let table = table(2);
        let (mut pool, mut others) = (pool(&table, 1), pool(&table, 1));
        let id = table.v4().create(&mut pool, &direct(1, 1)).unwrap();
        let creator = {
            let table = Arc::clone(&table);
            thread::spawn(move || table.v4().create(&mut others, &direct(1, 2)))
        };
        assert_eq!(table.v4().end(&mut pool, id).unwrap().server, 1);
        let second = table.v4().create(&mut pool, &direct(1, 3));
        let first = creator.join().unwrap();
        let created: Vec<ConnId> = [first, second].iter().filter_map(|result| result.ok()).collect();
        assert!(created.len() <= 1, "two connections with one key");
        assert_eq!(table.v4().find(&forward(1)).map(|found| found.id), created.first().copied());
        assert_eq!(assert_tidy(&table).live, created.len());
    }

    /// A lookup never mixes two lives of an entry.
    pub(super) fn loom_lookup_against_recycle() {
        let table = table(1);
        let mut pool = pool(&table, 1);
        let id = table.v4().create(&mut pool, &nat(1, 1, 1)).unwrap();
        let reader = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                if let Some(found) = table.v4().find(&forward(1)) {
                    assert_eq!((found.id, found.forward, found.server), (id, forward(1), 1));
                    assert_eq!(found.reverse, Some(reverse(1)));
                }
            })
        };
        table.v4().end(&mut pool, id).unwrap();
        table.v4().create(&mut pool, &nat(2, 2, 2)).unwrap();
        reader.join().unwrap();
        assert_eq!(table.v4().find(&forward(1)), None);
        assert_tidy(&table);
    }

    /// The same when a third worker gets the entry from the shared stack.
    pub(super) fn loom_lookup_against_recycle_elsewhere() {
        let table = table(1);
        let mut pool = pool(&table, 1);
        let id = table.v4().create(&mut pool, &direct(1, 1)).unwrap();
        let reader = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                if let Some(found) = table.v4().get(id) {
                    assert_eq!((found.forward, found.server), (forward(1), 1));
                }
            })
        };
        let creator = {
            let table = Arc::clone(&table);
            thread::spawn(move || _ = table.v4().create(&mut Pool::new(&table), &direct(2, 2)))
        };
        table.v4().end(&mut pool, id).unwrap();
        table.release(pool);
        reader.join().unwrap();
        creator.join().unwrap();
        assert_tidy(&table);
    }

    /// One of two workers that end a connection is told so, and frees the entry once.
    pub(super) fn loom_end_end() {
        let table = table(1);
        let mut pool = pool(&table, 1);
        let id = table.v4().create(&mut pool, &direct(1, 1)).unwrap();
        let other = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                let mut pool = Pool::new(&table);
                let ended = table.v4().end(&mut pool, id).is_some();
                (ended, pool.held(Family::V4))
            })
        };
        let ended = table.v4().end(&mut pool, id).is_some();
        let (other_ended, other_held) = other.join().unwrap();
        assert!(ended != other_ended, "one winner");
        assert_eq!(pool.held(Family::V4) + other_held, 1);
        assert_tidy(&table);
    }

    /// A change that was reported done is in what `end` returned, and never in the next life.
    pub(super) fn loom_late_change_against_recycle() {
        let table = table(1);
        let mut pool = pool(&table, 1);
        let id = table.v4().create(&mut pool, &direct(1, 1)).unwrap();
        let changer = {
            let table = Arc::clone(&table);
            thread::spawn(move || table.v4().update_state(id, |state| state.with_protocol_state(9)).is_some())
        };
        let last = table.v4().end(&mut pool, id).unwrap();
        let next = table.v4().create(&mut pool, &direct(2, 2)).unwrap();
        let changed = changer.join().unwrap();
        assert_eq!(last.state.protocol_state() == 9, changed);
        assert_eq!(table.v4().get(next).unwrap().state.protocol_state(), 1);
        assert!(table.v4().update_state(next, |state| state.with_protocol_state(2)).is_some());
    }

    /// A stamp for the last life is not believed by the next one.
    pub(super) fn loom_late_stamp_against_recycle() {
        let table = table(1);
        let mut pool = pool(&table, 1);
        let id = table.v4().create(&mut pool, &direct(1, 1)).unwrap();
        let late = {
            let table = Arc::clone(&table);
            thread::spawn(move || table.v4().stamp(id, Tick::new(5)))
        };
        table.v4().end(&mut pool, id).unwrap();
        let next = table.v4().create(&mut pool, &direct(2, 2)).unwrap();
        late.join().unwrap();
        let seen = table.v4().get(next).unwrap().seen;
        assert!(seen.is_none_or(|seen| seen == Seen { last: Tick::new(100), packets: 0 }), "{seen:?}");
        assert_eq!(table.v4().last_seen(next, Tick::new(100)), Some(Tick::new(100)));
    }

    /// A template that was joined does not expire, one that expired is not joined.
    pub(super) fn loom_join_against_expire() {
        let table = table(1);
        let mut pool = pool(&table, 1);
        let key = Key4::new(1, 1000, 0, 80, 6, KIND_TEMPLATE);
        let id = table.v4().create(&mut pool, &New { forward: key, ..direct(1, 1) }).unwrap();
        let joiner = {
            let table = Arc::clone(&table);
            thread::spawn(move || table.v4().template_join(id))
        };
        let closed = table.v4().template_close_if_unused(id);
        let joined_before_end = closed.then(|| table.v4().end(&mut pool, id).unwrap().state.joined());
        let joined = joiner.join().unwrap();
        assert!(joined != closed, "either joined or expired");
        assert!(joined_before_end.is_none_or(|count| count == 0));
        assert_eq!(table.v4().find(&key).map(|found| found.state.joined()), joined.then_some(1));
    }
}

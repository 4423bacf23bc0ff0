//! Two connections with one reverse key.

use super::super::sync::Breakage;

super::races! {
    loom_reverse_owner(2) breaks with loom_owner_is_taken_after_the_commit: TakeAfterCommit, loom_owner_needs_the_kill: Kill;
    loom_restore_against_create(5);
    loom_restore_against_end(3) breaks with loom_restore_needs_the_fence_at_the_end: RestoreFence;
    loom_restore_restore(2);
}

mod models {
    use loom::thread;

    use super::super::super::*;
    use super::super::*;

    /// Two creators take the reverse key of a third connection: the key always has an owner, and only one.
    pub(super) fn loom_reverse_owner() {
        let table = table(3);
        let mut first = pool(&table, 1);
        let older = table.v4().create(&mut first, &nat(1, 1, 1)).unwrap();
        let creators = [2, 3].map(|n| {
            let (table, mut pool) = (Arc::clone(&table), pool(&table, 1));
            thread::spawn(move || table.v4().create(&mut pool, &nat(n, 1, n)))
        });
        let created = creators.map(|creator| creator.join().unwrap());
        let owner = table.v4().find(&reverse(1)).expect("the replies lead nowhere");
        assert!(owner.id == older && created.iter().all(Result::is_err) || created.contains(&Ok(owner.id)));
        for id in created.into_iter().flatten().chain([older]) {
            assert_eq!(table.v4().get(id).unwrap().state.reverse_lost(), id != owner.id);
        }
        assert_tidy(&table);
    }

    /// A table with an older connection and a newer one that took its reverse key.
    fn robbed(capacity: u32) -> (Arc<Table>, Pool, [ConnId; 2]) {
        let table = table(capacity);
        let mut pool = pool(&table, 2);
        let older = table.v4().create(&mut pool, &nat(1, 1, 1)).unwrap();
        let newer = table.v4().create(&mut pool, &nat(2, 1, 2)).unwrap();
        assert!(table.v4().get(older).unwrap().state.reverse_lost());
        (table, pool, [older, newer])
    }

    fn restorer(table: &Arc<Table>, id: ConnId) -> thread::JoinHandle<bool> {
        let table = Arc::clone(table);
        thread::spawn(move || table.v4().restore_reverse(id))
    }

    /// The older connection wants its replies back, which the newer one had to its end, while a third takes them.
    pub(super) fn loom_restore_against_create() {
        let (table, mut pool, [older, newer]) = robbed(2);
        table.v4().end(&mut pool, newer).unwrap();
        let restorer = restorer(&table, older);
        let third = table.v4().create(&mut pool, &nat(3, 1, 3)).expect("a restorer kills nobody");
        restorer.join().unwrap();
        assert_eq!(table.v4().find(&reverse(1)).map(|found| found.id), Some(third));
        assert!(table.v4().get(older).unwrap().state.reverse_lost());
        assert_tidy(&table);
    }

    /// The older connection ends while another worker restores its slot: no slot stays behind.
    pub(super) fn loom_restore_against_end() {
        let (table, mut pool, [older, newer]) = robbed(2);
        table.v4().end(&mut pool, newer).unwrap();
        let restorer = restorer(&table, older);
        table.v4().end(&mut pool, older).unwrap();
        restorer.join().unwrap();
        assert_eq!(assert_tidy(&table).live, 0);
    }

    /// Two workers restore one slot while the newer connection ends: it is there at most once, and marked when it is not.
    pub(super) fn loom_restore_restore() {
        let (table, mut pool, [older, newer]) = robbed(2);
        let restorers = [restorer(&table, older), restorer(&table, older)];
        table.v4().end(&mut pool, newer).unwrap();
        let restored = restorers.map(|restorer| restorer.join().unwrap());
        let owner = table.v4().find(&reverse(1)).map(|found| found.id);
        assert_eq!(owner, restored.contains(&true).then_some(older));
        assert!(owner.is_some() || table.v4().get(older).unwrap().state.reverse_lost());
        assert_tidy(&table);
    }
}

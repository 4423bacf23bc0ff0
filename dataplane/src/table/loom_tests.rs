//! Models of the races, explored by loom: every interleaving up to a few preemptions, every value the memory model allows.
//!
//! Each race is checked as the table is written, and again with one step left out ([`Breakage`]): that model must fail, or it would
//! prove nothing. Run with `RUSTFLAGS="--cfg loom" cargo test -p headgate-dataplane --release loom_`, in a target directory of its own.
//! Buckets have three slots and there are two of them, so that probes overflow.

mod free_list;
mod lives;
mod owners;

use std::sync::Arc;

use super::sync::{Breakage, break_once};
use super::*;

/// Explores `model` with up to `preemptions`, leaving `step` out.
fn check(step: Option<Breakage>, preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    break_once(step);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 100_000;
    builder.check(model);
}

/// The healthy model as a test, and one that must fail for every step.
macro_rules! races {
    ($($race:ident($preemptions:literal) $(breaks with $($broken:ident: $step:ident),+)?;)+) => {$(
        #[test]
        fn $race() {
            super::check(None, $preemptions, models::$race);
        }

        $($(
            #[test]
            #[should_panic]
            fn $broken() {
                super::check(Some(Breakage::$step), $preemptions, models::$race);
            }
        )+)?
    )+};
}
use races;

fn table(capacity: u32) -> Arc<Table> {
    let capacity = Capacity { v4: capacity, v6: 0 };
    let words = Words::new(Table::words_needed(&capacity).unwrap());
    Arc::new(Table::create(words, capacity, Seeds([3, 5, 7, 11])).unwrap())
}

/// A pool that holds `count` never-used entries.
fn pool(table: &Table, count: usize) -> Pool {
    let mut pool = Pool::new(table);
    let taken: Vec<u32> = (0..count).map(|_| pool.take(table.v4()).unwrap()).collect();
    for entry in taken.into_iter().rev() {
        pool.put(table.v4(), entry);
    }
    pool
}

fn forward(n: u32) -> Key4 {
    Key4::new(n, 1000, 1, 80, 6, KIND_CONNECTION)
}

fn reverse(n: u32) -> Key4 {
    Key4::new(2000, n, 8080, 1, 6, KIND_CONNECTION)
}

/// A connection with the forward key `n`, the reverse key `m` and the server `server`.
fn nat(n: u32, m: u32, server: u32) -> New<Key4> {
    New {
        forward: forward(n),
        reverse: Some(reverse(m)),
        server,
        template: None,
        state: State::new(1, 0, 60),
        now: Tick::new(100),
        on_reverse_taken: OnReverseTaken::Take,
    }
}

fn direct(n: u32, server: u32) -> New<Key4> {
    New { reverse: None, ..nat(n, 0, server) }
}

/// Everything at rest and nothing left behind.
fn assert_tidy(table: &Table) -> AuditReport {
    let report = table.v4().audit();
    assert_eq!(report.violations, []);
    assert_eq!((report.unfinished, report.stale_slots, report.two_owners, report.excess_counts), (0, 0, 0, 0));
    report
}

//! Shorthands.

use headgate_xsk::SharedWords;

use crate::table::*;
pub use crate::testing::random::Rng;

pub const TEST_SEEDS: Seeds =
    Seeds([0x1234_5678_9abc_def1, 0xfedc_ba98_7654_3211, 0x0f1e_2d3c_4b5a_6977, 0x1122_3344_5566_7788]);

pub fn memory(capacity: Capacity) -> SharedWords {
    SharedWords::new(c"headgate-table-test", Table::words_needed(&capacity).unwrap(), false).unwrap()
}

pub fn table(v4: u32, v6: u32) -> Table {
    let capacity = Capacity { v4, v6 };
    Table::create(memory(capacity), capacity, TEST_SEEDS).unwrap()
}

/// The forward key of client number `n` to one VIP.
pub fn forward(n: u32) -> Key4 {
    Key4::new(0x0a00_0000 + (n >> 14), 0xc0a8_0001, 1024 + (n & 0x3fff) as u16, 80, 6, KIND_CONNECTION)
}

/// What replies of server `server` to client number `n` look like.
pub fn reverse(n: u32, server: u32) -> Key4 {
    Key4::new(0x0a01_0000 + server, 0x0a00_0000 + (n >> 14), 8080, 1024 + (n & 0x3fff) as u16, 6, KIND_CONNECTION)
}

pub fn template_key(n: u32) -> Key4 {
    Key4::new(0x0a00_0000 + n, 0xc0a8_0001, 0, 80, 6, KIND_TEMPLATE)
}

pub fn nat(n: u32, server: u32) -> New<Key4> {
    New {
        forward: forward(n),
        reverse: Some(reverse(n, server)),
        server,
        template: None,
        state: State::new(1, 0, 60),
        now: Tick::new(100),
        on_reverse_taken: OnReverseTaken::Take,
    }
}

pub fn template(n: u32) -> New<Key4> {
    New { forward: template_key(n), reverse: None, ..nat(n, 7) }
}

/// An audit of a table that nobody crashed on: nothing half-made, stale or miscounted.
#[track_caller]
pub fn assert_tidy<K: Key>(table: &SubTable<K>) -> AuditReport {
    let report = table.audit();
    assert_eq!(report.violations, []);
    assert_eq!((report.unfinished, report.stale_slots), (0, 0), "{report:?}");
    assert_eq!((report.two_owners, report.excess_counts), (0, 0), "{report:?}");
    report
}

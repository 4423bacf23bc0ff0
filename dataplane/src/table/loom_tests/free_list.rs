//! The shared stack of free entries.

use super::super::sync::Breakage;

super::races! {
    loom_pop_against_pop_and_push(3) breaks with loom_free_stack_needs_the_tag: FreeTag;
}

mod models {
    use loom::thread;

    use super::super::*;

    /// While one worker pops, another pops two and pushes the first back: nobody gets an entry that somebody else has.
    pub(super) fn loom_pop_against_pop_and_push() {
        let table = table(3);
        for entry in [2, 1, 0] {
            table.v4().push_node(&mut vec![entry]);
        }
        let popper = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                let mut got = Vec::new();
                table.v4().pop_node(&mut got);
                table.v4().pop_node(&mut got);
                got
            })
        };
        let (mut first, mut own) = (Vec::new(), Vec::new());
        table.v4().pop_node(&mut first);
        table.v4().pop_node(&mut own);
        table.v4().push_node(&mut first);
        let mut all = popper.join().unwrap();
        all.extend(own);
        while table.v4().pop_node(&mut all) {
            assert!(all.len() <= 3, "an entry was handed out twice: {all:?}");
        }
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2]);
    }
}

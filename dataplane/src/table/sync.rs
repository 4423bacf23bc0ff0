//! What the table's words are made of: shared memory normally, model-checked atomics under `cfg(loom)`.
//!
//! Under loom the table also carries [`Breakage`]s: one step of the algorithm left out on purpose, to prove that the models notice.

#[cfg(not(loom))]
pub(super) use headgate_xsk::words::prefetch;
#[cfg(not(loom))]
pub(super) use std::hint::spin_loop;
#[cfg(not(loom))]
pub(super) use std::sync::atomic::{AtomicU64, Ordering, fence};

/// The memory of a table.
#[cfg(not(loom))]
pub type Words = headgate_xsk::SharedWords;

#[cfg(loom)]
pub(super) use loom::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(loom)]
pub use modelled::Words;
#[cfg(all(test, loom))]
pub(super) use modelled::break_once;
#[cfg(loom)]
pub(super) use modelled::{prefetch, spin_loop};

/// A step of the algorithm that a model leaves out to show that it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breakage {
    /// The fence between placing our slots and looking for others.
    PublishFence,
    /// Killing a pending entry that holds one of our keys.
    Kill,
    /// Looking at the head again after copying an entry.
    Reread,
    /// The release fence before the words of a new life are written.
    WriteFence,
    /// Ending by compare-and-swap.
    EndSwap,
    /// Sealing the state word by a swap when a connection ends.
    Seal,
    /// The generation of the last-seen word.
    SeenGeneration,
    /// Emptying the older owner's reverse slot only after the commit.
    TakeAfterCommit,
    /// The tag of the free stack's head.
    FreeTag,
    /// Count and closing bit of a template changed in one step.
    TemplateWord,
    /// The fence between placing a restored reverse slot and looking again.
    RestoreFence,
}

/// Whether the model running on this thread left `step` out; constant `false` outside the model checker.
#[cfg(not(loom))]
#[inline(always)]
pub(super) const fn broken(_step: Breakage) -> bool {
    false
}

#[cfg(loom)]
pub(super) use modelled::broken;

#[cfg(loom)]
mod modelled {
    use std::cell::Cell;
    use std::ops::Deref;

    use super::{AtomicU64, Breakage};

    /// Words of one model run.
    #[derive(Debug)]
    pub struct Words(Vec<AtomicU64>);

    impl Words {
        pub fn new(len: usize) -> Self {
            Self((0..len).map(|_| AtomicU64::new(0)).collect())
        }
    }

    impl Deref for Words {
        type Target = [AtomicU64];

        fn deref(&self) -> &[AtomicU64] {
            &self.0
        }
    }

    pub(in crate::table) fn prefetch(_word: &AtomicU64) {}

    pub(in crate::table) fn spin_loop() {
        loom::thread::yield_now();
    }

    thread_local! {
        // The threads of one model are coroutines on the thread that runs it, so this is per model, not per modelled thread.
        static BROKEN: Cell<Option<Breakage>> = const { Cell::new(None) };
    }

    #[cfg(test)]
    pub(in crate::table) fn break_once(step: Option<Breakage>) {
        BROKEN.set(step);
    }

    pub(in crate::table) fn broken(step: Breakage) -> bool {
        BROKEN.get() == Some(step)
    }
}

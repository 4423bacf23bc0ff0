//! Threads that must not wait for others.

use std::io;

use crate::sys;

/// Gives the calling thread real-time priority (`SCHED_FIFO`, 1 to 99) over all ordinary threads. Threads that it starts have none.
///
/// # Errors
/// Without `CAP_SYS_NICE`, or where the cgroup has no real-time budget.
pub fn prioritise(priority: u8) -> io::Result<()> {
    sys::set_realtime(priority.into())
}

/// Keeps the memory of the process from being swapped out, as it comes into use.
///
/// # Errors
/// When the limit of locked memory is too low.
pub fn lock_memory() -> io::Result<()> {
    sys::lock_memory()
}

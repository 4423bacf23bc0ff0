//! The data plane: pinned workers, the pipeline, the connection table, schedulers.
#![forbid(unsafe_code)]

pub mod sched;
pub mod servers;
pub mod fib;
pub mod table;
pub mod wheel;

//! The data plane: pinned workers, the pipeline, the connection table, schedulers.
#![forbid(unsafe_code)]

pub mod clock;
pub mod connection;
pub mod counters;
pub mod drop_reason;
pub mod family;
pub mod fib;
pub mod packet;
pub mod path_mtu;
pub mod pipeline;
pub mod proto;
pub mod runtime;
pub mod sched;
pub mod servers;
pub mod snapshot;
pub mod state;
pub mod table;
pub mod wheel;
pub mod worker;

#[cfg(all(test, not(loom)))]
mod testing;

//! The HTTP proxy: a pool of pinned one-threaded workers, each with its own listeners, connections and connection pool.
//!
//! * [`config`]: what control tells the pool

#![forbid(unsafe_code)]

mod answer;
mod buffer;
mod client;
pub mod clock;
pub mod config;
mod exchange;
pub mod failover;
pub mod http1;
mod idle;
mod outgoing;
mod plan;
mod receive;
mod relay;
pub mod route;
pub mod snapshot;
mod spool;
mod stream;
mod timers;
mod tries;
mod tunnel;
pub mod upstream;
pub mod worker;
mod write_all;

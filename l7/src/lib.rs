//! The HTTP proxy: a pool of pinned one-threaded workers, each with its own listeners, connections and connection pool.
//!
//! * [`config`]: what control tells the pool

#![forbid(unsafe_code)]

mod buffer;
mod clock;
pub mod config;
pub mod failover;
pub mod http1;
mod route;
mod stream;
mod timers;
pub mod upstream;

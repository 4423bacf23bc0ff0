//! The HTTP proxy: a pool of pinned one-threaded workers, each with its own listeners, connections and connection pool.
//!
//! * [`config`]: what control tells the pool

#![forbid(unsafe_code)]

pub mod config;
pub mod http1;

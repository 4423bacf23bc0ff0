//! The HTTP proxy: a pool of pinned one-threaded workers, each with its own listeners, connections and connection pool.
//!
//! A request's way is in `client.rs`, one step per module:
//!
//! ```text
//!  accept ─▶ head ─▶ plan (route) ─▶ receive (body) ─▶ tries (exchange, upstream, failover) ─▶ relay, or tunnel
//! ```
//!
//! * [`config`]: what control tells the pool
//! * [`worker`]: the pool and its threads
//! * [`http1`]: HTTP/1 messages without I/O
//! * `http2`: HTTP/2, each stream of which becomes a message of HTTP/1 on a connection within the thread
//! * [`upstream`]: servers, what is known of them, and the choice among them
//! * [`failover`]: what follows a failed try
//! * [`ask`]: one question to a server, for health checks
//! * [`tls`]: certificates and keys
//! * `files`: answers from the disk
//! * [`counters`], [`log`]: what is told of requests; [`account`] gathers it

#![forbid(unsafe_code)]

pub mod account;
mod answer;
pub mod ask;
mod buffer;
mod client;
pub mod clock;
pub mod config;
pub mod counters;
mod exchange;
pub mod failover;
mod files;
pub mod forwarded;
pub mod http1;
mod http2;
mod idle;
mod listen;
pub mod log;
pub mod open;
mod origin;
mod outgoing;
mod plan;
mod receive;
mod relay;
pub mod route;
pub mod snapshot;
mod splice;
mod spool;
mod stream;
mod tcp;
mod timers;
pub mod tls;
mod tries;
mod tunnel;
pub mod upstream;
pub mod worker;
mod write_all;

//! Benchmarks of Headgate: tables and pipeline in memory, instruction counts, and the whole program against its peers.
//!
//! | module | what it is |
//! |---|---|
//! | [`compare`] | `perf table`: nanoseconds per packet beside a plain table |
//! | [`instructions`] | `perf instructions`: instructions per packet, held to a baseline |
//! | [`l4`] | `perf l4`: packets per second of the daemon beside nft |
//! | [`world`], [`traffic`], [`packets`], [`random`] | what the pipeline runs against |
//! | [`rig`] | a worker between two wires in memory |
//! | [`engine`], [`plain`] | parse, find, rewrite; the yardstick |
//! | [`memory`] | bytes per connection |
//! | [`stats`], [`machine`] | medians and ranges; on what they were measured |

#![forbid(unsafe_code)]

pub mod compare;
pub mod engine;
pub mod instructions;
pub mod l4;
pub mod l7;
pub mod machine;
pub mod memory;
pub mod packets;
pub mod plain;
pub mod random;
pub mod rig;
pub mod stats;
pub mod traffic;
pub mod world;

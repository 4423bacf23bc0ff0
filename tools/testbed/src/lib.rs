//! Network-namespace fixtures: a client, a director and servers on one machine, with traffic and probes.
//!
//! ```text
//!   client-1 ─┐                                            ┌─ server-1
//!   client-2 ─┤ (switch) ─ front [director] back ─ (switch) ┤─ server-2
//!             ┘                        └─ or: router ──────┘
//! ```
//!
//! A [`Topology`] builds namespaces and devices and removes them when it is dropped, also while a test panics; what a
//! killed process left behind is swept by the next one. Everything happens inside the namespaces made here.
//!
//! | module | what it is |
//! |---|---|
//! | [`topology`] | builder, address plan, hosts, cleanup |
//! | [`namespace`] | run, spawn and open sockets inside a namespace |
//! | [`process`] | a child process with its log, killed on drop |
//! | [`daemon`] | `headgate run` in a namespace: readiness, reload, `--json` |
//! | [`traffic`] | HTTP backend and clients, load, TCP and UDP echo |
//! | [`decap`] | IPIP, GRE and GUE decapsulation in user space for servers in tunnel mode |
//! | [`probe`] | frame capture, raw frames, TTL probes |
//! | [`wait`] | polling with a deadline |
//! | [`privilege`] | root or a printed reason |

#![forbid(unsafe_code)]

pub mod daemon;
pub mod decap;
mod names;
pub mod namespace;
pub mod privilege;
pub mod probe;
pub mod process;
pub mod topology;
pub mod traffic;
pub mod wait;

pub use daemon::Daemon;
pub use names::remove_all;
pub use namespace::Namespace;
pub use privilege::privileged;
pub use process::Process;
pub use topology::{Builder, Host, Topology};
pub use wait::wait_for;

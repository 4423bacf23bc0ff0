//! What the kernel knows about the network, mirrored from rtnetlink, and the few things Headgate asks of it.
//!
//! ```text
//!  kernel ──multicast groups──▶ mirror ──▶ watch::Receiver<Arc<NetState>> ──▶ plan ──▶ tables of the workers
//!         ◀──dump────────────┘
//!         ◀──resolve, confirm, add and remove addresses── commands
//! ```
//!
//! Sockets belong to the network namespace of the thread that opens them, so the [`Mirror`] and the [`Commands`] are opened, run and
//! reopened on one current-thread runtime.
//!
//! | module | what it is |
//! |---|---|
//! | [`model`] | links, addresses, routes and neighbours as plain data |
//! | [`state`] | [`NetState`]: all of them together, and questions about them |
//! | `change` | a netlink message as a change of the state |
//! | `apply` | a change applied to the state |
//! | `request` | one request and its answers on a netlink socket |
//! | [`mirror`] | subscribe, dump, follow, publish |
//! | [`plan`] | the state as next-hop tables for the workers |
//! | [`commands`] | resolution of neighbours, addresses, link state |

mod apply;
mod change;
pub mod commands;
pub mod error;
pub mod mirror;
pub mod model;
pub mod plan;
mod request;
pub mod state;

pub use commands::Commands;
pub use error::NetlinkError;
pub use mirror::Mirror;
pub use plan::Plan;
pub use state::NetState;

#[cfg(test)]
mod netns;

//! Schedulers: which server a new connection goes to, exactly as Linux IPVS 6.1.192 decides.
//!
//! The control thread edits a [`Pool`], the server list of one service, and publishes it in a snapshot; workers
//! [`pick`](Pool::pick) from it without locks and allocations. Connection counts come from [`Servers`](crate::servers::Servers).
//!
//! | file | scheduler |
//! |---|---|
//! | `rr`, `wrr` | round robin, weighted round robin |
//! | `lc`, `wlc`, `sed`, `nq` | least connections in four forms |
//! | `fo`, `ovf` | highest weight, with and without overflow |
//! | `twos` | the better of two random servers |
//! | `dh`, `sh`, `mh` | hash of the destination, of the client, Maglev hash of the client |
//! | `lblc`, `lblcr` | least connections with a cache of destinations |
//!
//! A server is *eligible* when its weight is not 0 and its OVERLOAD flag is clear. "First" always means first in the list, and
//! the list has the server added last at its head.

mod cache;
mod dh;
mod fo;
mod hash;
mod lblc;
mod lblcr;
mod lc;
mod mh;
mod name;
mod nq;
mod ovf;
mod pool;
mod rr;
mod sed;
mod sh;
mod siphash;
mod twos;
mod wlc;
mod wrr;

pub use name::{Flags, Scheduler, UnknownScheduler};
pub use pool::{Member, Pool, Request, Settings};

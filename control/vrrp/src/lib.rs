//! Virtual routers (VRRP): who of several nodes holds the addresses. Free of I/O and clock: packets and times go in, what is to be done comes
//! out.
//!
//! * [`message`], [`datagram`], [`hmac`], [`announce`]: what is on the wire
//! * [`receive`]: which adverts count
//! * [`machine`]: what follows from them
//! * [`node`]: the virtual routers of a node and their sync groups

#![forbid(unsafe_code)]

pub mod announce;
pub mod datagram;
pub mod hmac;
pub mod machine;
pub mod message;
pub mod node;
pub mod outcome;
pub mod reason;
pub mod receive;
pub mod router;

pub use machine::Machine;
pub use node::Node;
pub use outcome::{Action, Cause, Effect, State};
pub use router::Router;

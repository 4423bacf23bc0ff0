//! The control socket: a stream socket, one JSON object per line in each direction (see [`headgate_api::request`]).
//!
//! * [`client`]: what the subcommands use; blocking, every wait bounded
//! * [`server`]: what the daemon uses; tokio, any number of clients, none of which can hold up another
//! * [`Call`]: a request on its way to the daemon's loop, from here or from the admin endpoint
//! * `file`: the socket in the file system

mod call;
pub mod client;
mod file;
pub mod server;

pub use call::{Call, Caller, calls};
pub use client::{Client, ClientError};
pub use file::BindError;
pub use server::{Server, serve};

#[cfg(test)]
mod tests;

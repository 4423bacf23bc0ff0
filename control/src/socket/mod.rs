//! The control socket: a stream socket, one JSON object per line in each direction (see [`headgate_api::request`]).
//!
//! * [`client`]: what the subcommands use; blocking, every wait bounded
//! * [`server`]: what the daemon uses; tokio, any number of clients, none of which can hold up another
//! * `file`: the socket in the file system

pub mod client;
mod file;
pub mod server;

pub use client::{Client, ClientError};
pub use file::BindError;
pub use server::{Call, Server, serve};

#[cfg(test)]
mod tests;

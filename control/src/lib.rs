//! Headgate's control side: configuration, commands, control socket, and the daemon that ties the parts together.
//!
//! * [`config`]: one TOML file, validated into a [`config::Model`]
//! * [`netlink`]: what the kernel knows about the network
//! * [`cmd`]: the subcommands, one file each

#![forbid(unsafe_code)]

pub mod cmd;
pub mod config;
pub mod netlink;

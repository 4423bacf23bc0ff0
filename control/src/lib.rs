pub mod netlink;
//! Headgate's control side: configuration, commands, control socket, and the daemon that ties the parts together.
//!
//! * [`config`]: one TOML file, validated into a [`config::Model`]
//! * [`cmd`]: the subcommands, one file each
//! * [`socket`]: the control socket, both ends

#![forbid(unsafe_code)]

pub mod cmd;
pub mod config;

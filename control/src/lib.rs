//! Headgate's control side: configuration, commands, control socket, and the daemon that ties the parts together.
//!
//! * [`config`]: one TOML file, validated into a [`config::Model`]
//! * [`netlink`]: what the kernel knows about the network
//! * [`compile`]: both together as the data plane wants them
//! * [`cmd`]: the subcommands, one file each
//! * [`socket`]: the control socket, both ends
//! * [`health`]: whether servers work
//! * [`names`]: the addresses of host names
//! * [`vrrp`]: virtual routers
//! * [`program`]: scripts that are run
//! * [`admin`]: metrics, health and the status page over HTTP
//! * [`daemon`]: what `headgate run` runs
//! * [`logging`]: where messages go

#![forbid(unsafe_code)]

pub mod admin;
pub mod cmd;
pub mod compile;
pub mod config;
pub mod daemon;
pub mod health;
pub mod logging;
pub mod names;
pub mod netlink;
pub mod program;
pub mod socket;
pub mod time;
pub mod vrrp;

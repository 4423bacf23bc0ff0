//! The command line: one file per command, dispatched here.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done; also when the reader of a pipe went away |
//! | 1 | refused or failed |
//! | 2 | wrong usage, or no daemon |
//! | 78 | bad configuration |

mod check;
mod connections;
mod demo;
mod failure;
pub(crate) mod numbers;
pub mod output;
mod reload;
mod run;
mod server;
mod services;
mod status;
mod table;
pub(crate) mod upstreams;
mod vrrp;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use headgate_api::{Request, Response};

pub use failure::Failure;

use crate::config;
use crate::socket::Client;

/// A load balancer: layer 4 with the semantics of IPVS, and an HTTP proxy with backup failover.
#[derive(Debug, Parser)]
#[command(name = "headgate", version, about, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  headgate check --reference > headgate.toml     start from the reference of all keys
  headgate check headgate.toml                   is the file right?
  headgate run -c headgate.toml                  run in the foreground
  headgate services web                          what one service does
  headgate demo                                  see it work on this machine

Exit codes: 0 done, 1 refused or failed, 2 wrong usage or no daemon, 78 bad configuration.";

/// Accepted before and after the subcommand.
#[derive(Debug, clap::Args)]
struct Global {
    /// Control socket of the daemon [default: control.socket of --config, else /run/headgate/headgate.sock]
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Configuration file of the daemon
    #[arg(short, long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Check(check::Args),
    Reload(reload::Args),
    Status(status::Args),
    Services(services::Args),
    Connections(connections::Args),
    Upstreams(upstreams::Args),
    Vrrp(vrrp::Args),
    Server(server::Args),
    Demo(demo::Args),
}

/// Carries out one command.
pub fn main(cli: Cli) -> ExitCode {
    let global = &cli.global;
    let result = match cli.command {
        Command::Run(args) => run::run(&args, global),
        Command::Check(args) => check::run(&args),
        Command::Reload(args) => reload::run(&args, global),
        Command::Status(args) => status::run(&args, global),
        Command::Services(args) => services::run(args, global),
        Command::Connections(args) => connections::run(args, global),
        Command::Upstreams(args) => upstreams::run(args, global),
        Command::Vrrp(args) => vrrp::run(&args, global),
        Command::Server(args) => server::run(args, global),
        Command::Demo(args) => demo::run(&args),
    };
    result.unwrap_or_else(|failure| failure.report())
}

impl Global {
    /// Where the daemon listens: what the user says, else what the configuration says, else the default.
    fn socket(&self) -> PathBuf {
        let configured = || self.config.as_deref().and_then(config::socket_of);
        self.socket.clone().or_else(configured).unwrap_or_else(|| Path::new(config::DEFAULT_SOCKET).to_owned())
    }

    /// One question to the daemon; `expected` takes the answer out of its kind.
    fn ask<T>(&self, request: Request, expected: impl FnOnce(Response) -> Option<T>) -> Result<T, Failure> {
        match Client::connect(&self.socket())?.request(request)? {
            Response::Error(error) => Err(Failure::Refused(error.message)),
            response => expected(response).ok_or(Failure::OtherAnswer),
        }
    }
}

#[cfg(test)]
mod tests;

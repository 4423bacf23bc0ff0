//! The command line: one file per command, dispatched here.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done; also when the reader of a pipe went away |
//! | 1 | refused or failed |
//! | 2 | wrong usage, or no daemon |
//! | 78 | bad configuration |

mod check;
pub mod output;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A layer-4 load balancer with the semantics of IPVS.
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
  headgate check /etc/headgate/headgate.toml     is the file right?
  headgate check --reference                     every key of the file, explained

Exit codes: 0 done, 1 refused or failed, 2 wrong usage or no daemon, 78 bad configuration.";

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
    Check(check::Args),
}

/// Carries out one command.
pub fn main(cli: Cli) -> ExitCode {
    let result = match cli.command {
        Command::Check(args) => check::run(&args),
    };
    match result {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

/// Why a command ends without its result.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    Failed(String),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    BadConfiguration(String),
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            // The reader, `head` for example, has seen enough.
            Self::Output(e) if e.kind() == std::io::ErrorKind::BrokenPipe => 0,
            Self::Failed(_) | Self::Output(_) => 1,
            Self::Usage(_) => 2,
            Self::BadConfiguration(_) => EX_CONFIG,
        }
    }

    fn report(&self) -> ExitCode {
        if self.code() != 0 {
            output::complain(&format!("headgate: {self}"));
        }
        ExitCode::from(self.code())
    }
}

/// "Configuration error" of sysexits.h.
const EX_CONFIG: u8 = 78;

//! `headgate run`: the daemon, in the foreground.

use std::process::ExitCode;
use std::time::Duration;

use super::{Failure, Global, output};
use crate::daemon::{self, RunError};

/// Run the daemon in the foreground
///
/// Logs to standard error and tells systemd READY=1 once packets can flow. SIGTERM and SIGINT stop it in order, SIGHUP reloads
/// the configuration, SIGUSR1 opens the files of access logs again.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// At the order to stop, let connections go on for this many seconds; a second order ends it at once. Virtual routers leave at
    /// the first order: the peer takes over while connections end here
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    drain: u64,
}

const EXAMPLES: &str = "\
Examples:
  headgate run -c /etc/headgate/headgate.toml
  headgate run -c headgate.toml --drain 30

Exits 78 if the configuration is bad, 1 if the daemon could not start.";

pub(super) fn run(args: &Args, global: &Global) -> Result<ExitCode, Failure> {
    let Some(config) = global.config.clone() else {
        return Err(Failure::Usage("run needs a configuration: headgate run -c FILE"));
    };
    let options = daemon::Options { config, socket: global.socket.clone(), drain: Duration::from_secs(args.drain) };
    match daemon::run(&options) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(RunError::Configuration(error)) => {
            for problem in error.to_problems() {
                output::complain(&problem.to_string());
            }
            Err(Failure::BadConfiguration(format!("not started: {error}")))
        }
        Err(error @ RunError::Start(_)) => Err(Failure::Failed(format!("cannot start: {error}"))),
    }
}

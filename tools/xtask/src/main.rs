//! `cargo xtask`: every chore of the project in one place. `cargo xtask test` is what CI runs.

#![forbid(unsafe_code)]

mod checks;
mod demo;
mod deny;
mod fuzz;
mod metadata;
mod run;
mod setup;
mod steps;
mod suites;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The chores of the Headgate workspace.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install the tools that building and testing need, as far as they are missing.
    Setup,
    /// Build a release and show the whole product on this machine: `cargo xtask demo -- --help`.
    Demo {
        /// Passed on to `headgate demo`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run everything CI runs: `cargo xtask test --only clippy --only tiers`.
    Test(steps::Selection),
    /// Build the fuzz targets and run them: `cargo xtask fuzz --seconds 600 pipeline`.
    Fuzz(fuzz::Options),
    /// Run test suites of others against the proxy (varnishtest, Autobahn's cases, slowhttptest, sslyze, h2load, rules of HTTP/2): about two
    /// minutes, as root.
    Suites {
        /// Only those whose name has one of these: `cargo xtask suites tls varnish`.
        names: Vec<String>,
    },
    /// Check licences, bans, advisories and sources with cargo-deny, if it is installed.
    Deny,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Setup => setup::everything(),
        Command::Demo { arguments } => demo::demo(&arguments),
        Command::Test(selection) => steps::run_selected(&selection),
        Command::Fuzz(options) => fuzz::fuzz(&options),
        Command::Suites { names } => suites::suites(&names),
        Command::Deny => deny::deny(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

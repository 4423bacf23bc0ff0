//! The one program: arguments in, exit code out.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;

use headgate::cmd;

fn main() -> ExitCode {
    cmd::main(cmd::Cli::parse())
}

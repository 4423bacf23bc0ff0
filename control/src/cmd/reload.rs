//! `headgate reload`: the daemon reads its file again.

use std::fmt;
use std::process::ExitCode;

use headgate_api::{ReloadReport, Request, Response};

use super::failure::BAD_CONFIGURATION;
use super::{Failure, Global, numbers, output};

/// Apply the changed configuration file
///
/// The daemon reads its file again and prints what is different now. If the file has errors they are printed and nothing
/// changes (exit code 78). Connections of services that did not change are not touched.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  headgate reload
  headgate check headgate.toml && headgate reload --config headgate.toml";

pub(super) fn run(args: &Args, global: &Global) -> Result<ExitCode, Failure> {
    let report = global.ask(Request::Reload, |response| match response {
        Response::Reload(report) => Some(Report(report)),
        _ => None,
    })?;
    if args.json {
        output::print_json(&report.0)?;
    } else {
        output::print(&report.to_string())?;
    }
    Ok(if report.0.ok { ExitCode::SUCCESS } else { ExitCode::from(BAD_CONFIGURATION) })
}

pub(super) struct Report(pub ReloadReport);

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        for problem in &report.errors {
            writeln!(f, "{problem}")?;
        }
        for problem in &report.warnings {
            writeln!(f, "warning: {problem}")?;
        }
        for change in &report.changes {
            writeln!(f, "{change}")?;
        }
        let generation = report.generation;
        match (report.ok, report.changes.len()) {
            (true, 0) => writeln!(f, "nothing changed: configuration {generation} stays in use"),
            (true, n) => writeln!(f, "{} applied: configuration {generation} is in use", numbers::count(n, "change")),
            (false, _) => {
                let errors = numbers::count(report.errors.len(), "error");
                writeln!(f, "{errors}: nothing changed, configuration {generation} stays in use")
            }
        }
    }
}

//! `headgate check`: is a configuration file right?

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use headgate_api::{CheckReport, Problem, VERSION};

use super::{EX_CONFIG, Failure, output};
use crate::config::{self, ConfigWarning, Environment, Loaded, environment};

/// Check a configuration file
///
/// Reports every error at once, with file, line, key, value and what is allowed, and warns of what is legal but unwise.
/// Exits 0 if the file can be used, 78 if not.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The file to check
    #[arg(required_unless_present = "reference")]
    file: Option<PathBuf>,
    /// Print the reference of all keys, which is a valid file itself, instead of checking one
    #[arg(long, conflicts_with_all = ["file", "json"])]
    reference: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  headgate check headgate.toml
  headgate check --json headgate.toml
  headgate check --reference > headgate.toml";

pub fn run(args: &Args) -> Result<ExitCode, Failure> {
    let Some(file) = args.file.as_ref().filter(|_| !args.reference) else {
        output::print(config::REFERENCE)?;
        return Ok(ExitCode::SUCCESS);
    };
    let report = Report(match config::load(file, &Environment::detect()) {
        Ok(loaded) => report(Vec::new(), &warnings(&loaded)),
        Err(error) => report(error.to_problems(), &[]),
    });
    if args.json {
        output::print_json(&report.0)?;
    } else {
        output::print(&report.to_string())?;
    }
    Ok(ExitCode::from(if report.0.ok { 0 } else { EX_CONFIG }))
}

fn warnings(loaded: &Loaded) -> Vec<ConfigWarning> {
    let mut warnings = loaded.warnings.clone();
    warnings.extend(loaded.unheld(&environment::held(loaded.unassigned())));
    warnings.sort_by_key(ConfigWarning::line);
    warnings
}

fn report(errors: Vec<Problem>, warnings: &[ConfigWarning]) -> CheckReport {
    let warnings = warnings.iter().map(ConfigWarning::to_api).collect();
    CheckReport { version: VERSION, ok: errors.is_empty(), errors, warnings }
}

struct Report(CheckReport);

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.0.errors {
            writeln!(f, "{problem}")?;
        }
        for problem in &self.0.warnings {
            writeln!(f, "warning: {problem}")?;
        }
        let [errors, warnings] =
            [(&self.0.errors, "error"), (&self.0.warnings, "warning")].map(|(list, word)| match list.len() {
                1 => format!("1 {word}"),
                n => format!("{n} {word}s"),
            });
        match (self.0.ok, self.0.warnings.is_empty()) {
            (true, true) => writeln!(f, "the configuration is good"),
            (true, false) => writeln!(f, "the configuration is good, with {warnings}"),
            (false, true) => writeln!(f, "{errors}"),
            (false, false) => writeln!(f, "{errors}, {warnings}"),
        }
    }
}

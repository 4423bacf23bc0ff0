//! The configuration: one TOML file, read in stages so that nothing behind a stage checks again.
//!
//! ```text
//! text ── reader ──▶ raw ── validate ──▶ Model ── diff ──▶ changes since the last Model
//!        (TOML with   (typed values      (private fields,
//!         places)      with places)       always consistent)
//! ```
//!
//! * [`model`]: what the rest of the program works with
//! * [`error`]: problems and warnings, with file, line and key
//! * [`diff`]: what a reload changes
//! * [`environment`]: facts about the host that defaults and checks need
//! * `reader`, `raw`, `validate`, `text`, `source`: the stages
//!
//! All problems of a file are reported at once; only a syntax error stops at itself, since what follows it cannot be trusted.

pub mod diff;
pub mod environment;
pub mod error;
pub mod model;
mod raw;
mod reader;
mod source;
mod text;
mod validate;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

pub use environment::Environment;
pub use error::{ConfigError, ConfigWarning, LoadError};
pub use model::Model;

use error::{Advice, Findings};
use source::Source;

/// The reference manual: every supported key with meaning, unit, allowed values and default.
pub const REFERENCE: &str = include_str!("default.toml");

/// Where the control socket is when no configuration says otherwise.
pub const DEFAULT_SOCKET: &str = "/run/headgate/headgate.sock";

/// A valid configuration, and what is legal but unwise in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    pub model: Model,
    /// In the order of the file's lines.
    pub warnings: Vec<ConfigWarning>,
    /// For each service address that no `[[address]]` holds, the warning that applies if the host does not hold it either.
    unassigned: Vec<ConfigWarning>,
}

impl Loaded {
    /// Warnings about service addresses nobody holds; `held` are the addresses the host has now.
    pub fn unheld(&self, held: &BTreeSet<IpAddr>) -> Vec<ConfigWarning> {
        let missing = |w: &&ConfigWarning| matches!(w.problem(), Advice::NotHeld(ip) if !held.contains(ip));
        self.unassigned.iter().filter(missing).cloned().collect()
    }

    /// The addresses [`Loaded::unheld`] is about.
    pub fn unassigned(&self) -> impl Iterator<Item = IpAddr> {
        self.unassigned.iter().filter_map(|w| if let Advice::NotHeld(ip) = w.problem() { Some(*ip) } else { None })
    }
}

/// Reads and validates the file at `path`.
pub fn load(path: &Path, environment: &Environment) -> Result<Loaded, LoadError> {
    let bytes = std::fs::read(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    let name = path.display().to_string();
    let text =
        std::str::from_utf8(&bytes).map_err(|e| LoadError::Invalid(vec![not_utf8(&name, &bytes, e.valid_up_to())]))?;
    parse(&name, text, environment).map_err(LoadError::Invalid)
}

/// Validates `text`; `file` is how messages call it. The errors come in the order of the file's lines.
pub fn parse(file: &str, text: &str, environment: &Environment) -> Result<Loaded, Vec<ConfigError>> {
    let source = Source::new(text);
    let findings = Findings::new(file);
    let document = DeTable::parse(text).map_err(|e| vec![findings.syntax(&source, &e)])?;
    let raw = raw::Config::read(document.get_ref(), &source, &findings);
    let (model, unassigned) = validate::model(raw, environment, &findings);
    let (errors, warnings) = findings.sorted();
    if errors.is_empty() { Ok(Loaded { model, warnings, unassigned }) } else { Err(errors) }
}

/// The control socket a configuration file names, if it can be found in it. The rest of the file may be wrong: a client has
/// to find the daemon also to hear what it thinks of the file.
pub fn socket_of(path: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(path).ok()?;
    let (document, _) = DeTable::parse_recoverable(&text);
    let control = document.get_ref().get("control")?.get_ref().as_table()?;
    control.get("socket").map(toml::Spanned::get_ref).and_then(DeValue::as_str).map(PathBuf::from)
}

fn not_utf8(file: &str, bytes: &[u8], valid: usize) -> ConfigError {
    let line = bytes[..valid].split(|b| *b == b'\n').count();
    Findings::new(file).not_utf8(line as u32, bytes[valid])
}

#[cfg(test)]
mod tests;

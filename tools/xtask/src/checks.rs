//! Checks of our own, on top of what compiler and clippy see.

mod duplicates;
mod file_size;
mod licences;
mod policy;
mod tiers;

pub use duplicates::duplicates;
pub use file_size::file_size;
pub use licences::licences;
pub use tiers::tiers;

use anyhow::{Result, bail};

/// Fails with all findings at once.
fn report(findings: &[String]) -> Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    bail!("{}", findings.join("\n"))
}

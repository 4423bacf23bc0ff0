//! `cargo xtask deny`: the full check of deny.toml. `cargo xtask test` does the part that needs no extra tool.

use anyhow::{Result, bail};

use crate::run::{cargo_command, run, succeeds};

/// Runs cargo-deny.
pub fn deny() -> Result<()> {
    if !succeeds(&mut cargo_command("deny --version")) {
        bail!("cargo-deny is not installed; `cargo install --locked cargo-deny` builds it (takes some minutes)");
    }
    run(&mut cargo_command("deny check"))
}

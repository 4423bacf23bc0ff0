//! `cargo xtask demo`.

use anyhow::Result;

use crate::run::{cargo_command, run};
use crate::setup;

/// Installs what is missing, builds the release and starts `headgate demo`.
pub fn demo(arguments: &[String]) -> Result<()> {
    setup::system_packages()?;
    run(&mut cargo_command("build --release --package headgate"))?;
    run(cargo_command("run --quiet --release --package headgate -- demo").args(arguments))
}

//! `cargo xtask suites`: test suites of others, from Debian and PyPI, against the proxy in network namespaces.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::run::{cargo_command, root, run};
use crate::setup;

/// What comes from PyPI. Fixed, so that a run means the same everywhere.
const PYTHON: &str = "hpack==4.2.0 hyperframe==6.1.0 kosoku==0.1.0 sslyze==6.3.1 websockets==17.4";

/// Installs what is missing and runs the suites.
pub fn suites(names: &[String]) -> Result<()> {
    setup::suite_packages()?;
    let folder = root().canonicalize().context("the root of the repository")?.join("target/suites");
    let installed = folder.join("installed");
    if fs::read_to_string(&installed).is_ok_and(|list| list == PYTHON) {
        println!("{}: all here", folder.display());
    } else {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        let pip = folder.join("bin/pip");
        run(Command::new(pip).args(["install", "--quiet", "--disable-pip-version-check"]).args(PYTHON.split(' ')))?;
        fs::write(&installed, PYTHON).with_context(|| format!("write {}", installed.display()))?;
    }
    let test = "test --package headgate --test suites -- --ignored --nocapture --test-threads=1";
    run(cargo_command(test).args(names).env("HEADGATE_SUITES", &folder))
}

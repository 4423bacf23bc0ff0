//! deny.toml: one list for cargo-deny and for our lighter checks.

use anyhow::{Context, Result};
use toml::{Table, Value};

use crate::run::root;

/// What deny.toml allows.
#[derive(Debug, Default)]
pub struct Policy {
    /// SPDX identifiers.
    pub licences: Vec<String>,
    /// Packages that may occur twice: name, or `name@version`.
    pub skipped: Vec<String>,
}

impl Policy {
    pub fn load() -> Result<Self> {
        let text = std::fs::read_to_string(root().join("deny.toml")).context("read deny.toml")?;
        let table: Table = text.parse().context("deny.toml")?;
        let list = |section: &str, key: &str| {
            table.get(section).and_then(|section| section.get(key)).and_then(Value::as_array).cloned()
        };
        let licences = list("licenses", "allow").context("deny.toml has no licenses.allow")?;
        let licences = licences.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let name = |entry: &Value| entry.get("crate").unwrap_or(entry).as_str().map(str::to_owned);
        let skipped = list("bans", "skip").unwrap_or_default().iter().filter_map(name).collect();
        Ok(Self { licences, skipped })
    }
}

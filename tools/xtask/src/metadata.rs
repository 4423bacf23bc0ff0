//! What `cargo metadata` says about the workspace and its dependencies.

use std::collections::HashSet;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::run::{cargo, root};

/// Headgate runs on Linux only: what other systems would pull in is not ours.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// The packages that a Linux build of the workspace uses, members included.
#[derive(Debug)]
pub struct Metadata {
    pub packages: Vec<Package>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    pub name: String,
    pub version: String,
    /// SPDX expression.
    pub license: Option<String>,
    pub is_member: bool,
    /// Folder relative to the root, for members.
    pub folder: String,
    /// The roots of its crates (lib.rs, main.rs, tests …) with their kind.
    pub targets: Vec<(String, String)>,
    pub dependencies: Vec<Dependency>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    pub name: String,
    pub is_dev: bool,
}

impl Metadata {
    /// Asks cargo.
    pub fn load() -> Result<Self> {
        let mut command = Command::new(cargo());
        command.args(["metadata", "--format-version", "1", "--filter-platform", PLATFORM]).current_dir(root());
        let output = command.output().context("start cargo metadata")?;
        ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        Ok(Self::parse(&serde_json::from_slice(&output.stdout)?))
    }

    /// The workspace's own packages.
    pub fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.is_member)
    }

    fn parse(value: &Value) -> Self {
        let resolved: HashSet<&str> =
            items(&value["resolve"]["nodes"]).filter_map(|node| node["id"].as_str()).collect();
        let members: HashSet<&str> = items(&value["workspace_members"]).filter_map(Value::as_str).collect();
        let base = text(&value["workspace_root"]);
        let packages = items(&value["packages"])
            .filter(|package| package["id"].as_str().is_some_and(|id| resolved.contains(id)))
            .map(|package| Package::parse(package, &members, &base))
            .collect();
        Self { packages }
    }
}

impl Package {
    fn parse(value: &Value, members: &HashSet<&str>, base: &str) -> Self {
        let manifest = text(&value["manifest_path"]);
        let folder = manifest.trim_end_matches("Cargo.toml").trim_start_matches(base).trim_matches('/').to_owned();
        let target = |target: &Value| (text(&target["kind"][0]), text(&target["src_path"]));
        let dependency =
            |entry: &Value| Dependency { name: text(&entry["name"]), is_dev: entry["kind"].as_str() == Some("dev") };
        Self {
            name: text(&value["name"]),
            version: text(&value["version"]),
            license: value["license"].as_str().map(str::to_owned),
            is_member: value["id"].as_str().is_some_and(|id| members.contains(id)),
            folder,
            targets: items(&value["targets"]).map(target).collect(),
            dependencies: items(&value["dependencies"]).map(dependency).collect(),
        }
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

//! The tier rule: wire < xsk < dataplane; l7 and api stand alone; vrrp knows wire; control sits on top; nothing depends on control but
//! tools and benchmarks. And: `unsafe` is forbidden everywhere but in headgate-xsk.

use anyhow::{Context, Result};

use super::report;
use crate::metadata::{Dependency, Metadata, Package};

/// The packages of the product, and which packages of the workspace each may use.
const PRODUCT: [(&str, &[&str]); 8] = [
    ("headgate-wire", &[]),
    ("headgate-xsk", &["headgate-wire"]),
    ("headgate-dataplane", &["headgate-wire", "headgate-xsk"]),
    ("headgate-l7", &[]),
    ("headgate-api", &[]),
    ("headgate-vrrp", &["headgate-wire"]),
    (
        CONTROL,
        &[
            "headgate-wire",
            "headgate-xsk",
            "headgate-dataplane",
            "headgate-l7",
            "headgate-api",
            "headgate-vrrp",
            // `headgate demo` builds its network with the test fixtures.
            "headgate-testbed",
        ],
    ),
    ("headgate-appliance-image", &["headgate-api"]),
];

const CONTROL: &str = "headgate";
/// Packages here may use any other.
const FREE_FOLDERS: [&str; 2] = ["tools/", "perf"];
/// Every other crate forbids `unsafe`.
const UNSAFE: &str = "headgate-xsk";

/// Checks dependencies and crate attributes of all members.
pub fn tiers() -> Result<()> {
    let metadata = Metadata::load()?;
    let members: Vec<&Package> = metadata.members().collect();
    let mut findings: Vec<String> = members.iter().flat_map(|package| dependencies(package, &members)).collect();
    for package in members.iter().filter(|package| package.name != UNSAFE) {
        for (_, path) in package.targets.iter().filter(|(kind, _)| kind == "lib" || kind == "bin") {
            let text = std::fs::read_to_string(path).with_context(|| format!("read {path}"))?;
            if !text.contains("#![forbid(unsafe_code)]") {
                findings.push(format!("{}: {path} lacks #![forbid(unsafe_code)]", package.name));
            }
        }
    }
    println!("{} packages", members.len());
    report(&findings)
}

fn dependencies(package: &Package, members: &[&Package]) -> Vec<String> {
    if is_free(package) {
        return Vec::new();
    }
    let Some((_, allowed)) = PRODUCT.iter().find(|(name, _)| *name == package.name) else {
        return vec![format!("{} ({}) has no tier in tiers.rs", package.name, package.folder)];
    };
    let member = |dependency: &Dependency| members.iter().find(|member| member.name == dependency.name).copied();
    let inside = package.dependencies.iter().filter_map(|dependency| Some((dependency, member(dependency)?)));
    inside
        .filter(|(dependency, member)| {
            let for_tests = dependency.is_dev && is_free(member);
            !for_tests && !allowed.contains(&dependency.name.as_str())
        })
        .map(|(dependency, _)| format!("{} must not depend on {}", package.name, dependency.name))
        .collect()
}

fn is_free(package: &Package) -> bool {
    FREE_FOLDERS.iter().any(|folder| package.folder.starts_with(folder))
}

#[cfg(test)]
mod tests;

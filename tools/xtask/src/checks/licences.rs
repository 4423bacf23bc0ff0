//! Every dependency's licence expression has to be satisfiable with the licences that deny.toml allows.

mod expression;

use anyhow::Result;

use super::policy::Policy;
use super::report;
use crate::metadata::{Metadata, Package};

/// Fails for every dependency whose licence is unknown or not allowed.
pub fn licences() -> Result<()> {
    let metadata = Metadata::load()?;
    let allowed = Policy::load()?.licences;
    let outside: Vec<&Package> = metadata.packages.iter().filter(|package| !package.is_member).collect();
    println!("{} dependencies", outside.len());
    let findings: Vec<String> = outside.iter().filter_map(|package| problem(package, &allowed)).collect();
    report(&findings)
}

fn problem(package: &Package, allowed: &[String]) -> Option<String> {
    let name = format!("{} {}", package.name, package.version);
    let Some(text) = &package.license else { return Some(format!("{name}: no licence given")) };
    match expression::satisfied(text, |licence| allowed.iter().any(|name| name == licence)) {
        Some(true) => None,
        Some(false) => Some(format!("{name}: {text} is not allowed by deny.toml")),
        None => Some(format!("{name}: {text:?} is no licence expression")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_foreign_licences_are_named() {
        let allowed = ["MIT".to_owned()];
        let package = |license: Option<&str>| Package {
            name: "a".to_owned(),
            version: "1.0.0".to_owned(),
            license: license.map(str::to_owned),
            ..Package::default()
        };
        assert_eq!(problem(&package(Some("MIT OR GPL-2.0")), &allowed), None);
        assert_eq!(problem(&package(None), &allowed).unwrap(), "a 1.0.0: no licence given");
        assert!(problem(&package(Some("GPL-2.0")), &allowed).unwrap().contains("not allowed"));
        assert!(problem(&package(Some("MIT OR")), &allowed).unwrap().contains("no licence expression"));
    }
}

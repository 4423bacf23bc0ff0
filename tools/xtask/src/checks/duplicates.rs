//! Two versions of one dependency: twice the code, and types that do not fit each other.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::policy::Policy;
use super::report;
use crate::metadata::{Metadata, Package};

/// Fails for every duplicate that deny.toml does not explain.
pub fn duplicates() -> Result<()> {
    let metadata = Metadata::load()?;
    let findings = find(&metadata.packages, &Policy::load()?.skipped);
    println!("{} packages", metadata.packages.len());
    report(&findings)
}

fn find(packages: &[Package], skipped: &[String]) -> Vec<String> {
    let mut versions = BTreeMap::<&str, BTreeSet<&str>>::new();
    let is_skipped = |package: &Package| {
        skipped.iter().any(|skip| match skip.split_once('@') {
            Some((name, version)) => name == package.name && version == package.version,
            None => *skip == package.name,
        })
    };
    for package in packages.iter().filter(|package| !is_skipped(package)) {
        versions.entry(&package.name).or_default().insert(&package.version);
    }
    let explain = |(name, versions): (&str, BTreeSet<&str>)| {
        let versions = versions.into_iter().collect::<Vec<_>>().join(", ");
        format!("{name} is there in versions {versions}: unify, or skip one in deny.toml with a reason")
    };
    versions.into_iter().filter(|(_, versions)| versions.len() > 1).map(explain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str) -> Package {
        Package { name: name.to_owned(), version: version.to_owned(), ..Package::default() }
    }

    #[test]
    fn two_versions_need_a_skip() {
        let packages = [package("a", "1.0.0"), package("a", "2.0.0"), package("b", "1.0.0")];
        assert_eq!(find(&packages, &[]).len(), 1);
        assert!(find(&packages, &[])[0].starts_with("a is there in versions 1.0.0, 2.0.0"));
        assert_eq!(find(&packages, &["a@1.0.0".to_owned()]), Vec::<String>::new());
        assert_eq!(find(&packages, &["a@3.0.0".to_owned()]).len(), 1);
        assert_eq!(find(&packages, &["a".to_owned()]), Vec::<String>::new());
    }
}

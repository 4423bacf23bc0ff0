//! One file per concept, under about 400 lines: a reader finds a thing by the file list alone.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::report;
use crate::run::root;

/// Lines that a file may have without being listed below.
const LIMIT: usize = 400;

/// Longer files, each with the reason why it is no worse for it.
const ALLOWED: [(&str, &str); 0] = [];

/// Folders without sources of ours.
const SKIPPED: [&str; 3] = ["target", ".git", "node_modules"];

/// Fails for every long file, and for entries of the list that are not needed any more.
pub fn file_size() -> Result<()> {
    let mut files = Vec::new();
    collect(root(), "", &mut files)?;
    println!("{} files, {} lines", files.len(), files.iter().map(|(_, lines)| lines).sum::<usize>());
    report(&findings(&files, &ALLOWED))
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, usize)>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        if entry.file_type()?.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                collect(&entry.path(), &path, files)?;
            }
        } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(entry.path()).with_context(|| format!("read {path}"))?;
            files.push((path, text.lines().count()));
        }
    }
    Ok(())
}

fn findings(files: &[(String, usize)], allowed: &[(&str, &str)]) -> Vec<String> {
    let is_allowed = |path: &str| allowed.iter().any(|(name, _)| *name == path);
    let long = files.iter().filter(|(_, lines)| *lines > LIMIT);
    let too_long = long.clone().filter(|(path, _)| !is_allowed(path)).map(|(path, lines)| {
        format!("{path}: {lines} lines, the limit is {LIMIT}: split it, or list it in file_size.rs with a reason")
    });
    let stale = allowed
        .iter()
        .filter(|(name, _)| long.clone().all(|(path, _)| path != name))
        .map(|(name, _)| format!("{name} is listed as a long file and is none"));
    too_long.chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_need_a_reason_and_reasons_need_a_long_file() {
        let files = [("a.rs".to_owned(), LIMIT), ("b.rs".to_owned(), LIMIT + 1)];
        assert_eq!(findings(&files, &[]).len(), 1);
        assert!(findings(&files, &[])[0].starts_with("b.rs: 401 lines"));
        assert_eq!(findings(&files, &[("b.rs", "a table")]), Vec::<String>::new());
        assert_eq!(findings(&files[..1], &[("a.rs", "a table")]), ["a.rs is listed as a long file and is none"]);
    }
}

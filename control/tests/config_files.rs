//! Files with errors against the messages they must give, and files that must pass. `HEADGATE_BLESS=1` writes the expected
//! messages anew.

#![forbid(unsafe_code)]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use headgate::config::{self, Environment};

fn files(kind: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(kind);
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    files.sort();
    files
}

/// All that is said about a file; the host has cores 0 to 3 and holds no address.
fn messages(path: &Path) -> (bool, String) {
    let environment = Environment { hostname: "lb1".into(), cores: Some((0..4).collect()) };
    let text = fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let mut said = String::new();
    match config::parse(name, &text, &environment) {
        Ok(loaded) => {
            for warning in loaded.warnings.iter().chain(&loaded.unheld(&[].into())) {
                writeln!(said, "warning: {warning}").unwrap();
            }
            (true, said)
        }
        Err(errors) => {
            for error in errors {
                writeln!(said, "{error}").unwrap();
            }
            (false, said)
        }
    }
}

/// Compares with the `.expected` file beside, or writes it.
fn compare(path: &Path, said: &str, failures: &mut String) {
    let expected = path.with_extension("expected");
    if std::env::var_os("HEADGATE_BLESS").is_some() {
        fs::write(&expected, said).unwrap();
    }
    let wanted = fs::read_to_string(&expected).unwrap_or_default();
    if wanted != said {
        writeln!(failures, "{}\n--- expected\n{wanted}--- said\n{said}", path.display()).unwrap();
    }
}

#[test]
fn bad_files_give_the_expected_errors() {
    let files = files("bad");
    assert!(files.len() >= 20, "only {} files", files.len());
    let mut failures = String::new();
    for path in files {
        let (ok, said) = messages(&path);
        assert!(!ok, "{} was accepted", path.display());
        compare(&path, &said, &mut failures);
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn good_files_pass_with_the_expected_warnings() {
    let mut failures = String::new();
    for path in files("good") {
        let (ok, said) = messages(&path);
        assert!(ok, "{} was refused:\n{said}", path.display());
        compare(&path, &said, &mut failures);
    }
    assert!(failures.is_empty(), "{failures}");
}

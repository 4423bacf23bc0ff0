//! The HTTP corpus through the proxy, over sockets on loopback.

use std::path::Path;

use headgate_replay::http::bed::Bed;
use headgate_replay::http::corpus::Cases;

fn all_pass(file: &str, at_least: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("http-corpus").join(file);
    let cases = Cases::read(&path).unwrap();
    assert!(cases.len() >= at_least, "{} cases in {file}", cases.len());
    let bed = Bed::start(4).unwrap();
    let (mut count, mut failed) = (0, Vec::new());
    headgate_replay::http::play(&cases, bed.lanes(), |verdict| {
        count += 1;
        if !verdict.differences.is_empty() {
            failed.push(format!("{}: {}", verdict.id, verdict.differences.join("; ")));
        }
    })
    .unwrap();
    assert_eq!(count, cases.len(), "every case has a verdict");
    assert!(failed.is_empty(), "{} of {count} failed:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn requests() {
    all_pass("requests.json", 275);
}

#[test]
fn responses() {
    all_pass("responses.json", 104);
}

//! `cargo xtask test`: named steps, each with its duration, and a summary. One failure does not hide another.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::Args;

use crate::run::{cargo_command, root, run};
use crate::{checks, fuzz, setup};

/// Namespace tests: integration tests in files `netns_*.rs`, unit tests named `netns_*`.
const NETNS: &str = "binary(/^netns/) | test(/(^|::)netns_/)";
/// Model-checked tests, which exist under `--cfg loom` only.
const LOOM: &str = "test(/loom/)";

struct Step {
    name: &'static str,
    about: &'static str,
    run: fn() -> Result<()>,
}

const STEPS: [Step; 12] = [
    step("setup", "install missing tools", setup::everything),
    step("fmt", "formatting", || run(&mut cargo_command("fmt --all --check"))),
    step("clippy", "lints as errors", || {
        run(&mut cargo_command("clippy --workspace --all-targets --quiet -- -D warnings"))
    }),
    step("tiers", "who may depend on whom; no unsafe outside headgate-xsk", checks::tiers),
    step("file-size", "files of more than 400 lines", checks::file_size),
    step("licences", "licences of all dependencies", checks::licences),
    step("duplicates", "dependencies in more than one version", checks::duplicates),
    step("unit", "unit, property and recording tests", unit),
    step("loom", "models of the lock-free parts", loom),
    step("perf", "instructions per packet against the baseline (valgrind)", || {
        run(&mut cargo_command("run --quiet --release --package headgate-perf -- instructions --check"))
    }),
    // What one run finds, the next must find too: new inputs are looked for with `cargo xtask fuzz`.
    step("fuzz", "fuzz targets, 5 s each from a fixed seed", || {
        fuzz::fuzz(&fuzz::Options { seconds: 5, seed: Some(1), targets: Vec::new() })
    }),
    step("netns", "tests in network namespaces (root)", netns),
];

const fn step(name: &'static str, about: &'static str, run: fn() -> Result<()>) -> Step {
    Step { name, about, run }
}

/// Which steps to run.
#[derive(Args, Debug)]
pub struct Selection {
    /// Run only this step (repeatable).
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// Leave this step out (repeatable).
    #[arg(long, value_name = "STEP")]
    skip: Vec<String>,
    /// Print the steps instead of running them.
    #[arg(long)]
    list: bool,
}

/// Runs the selected steps.
///
/// # Errors
/// When one failed, or a step of that name does not exist.
pub fn run_selected(selection: &Selection) -> Result<()> {
    if let Some(unknown) = selection.unknown() {
        bail!("no step {unknown:?}; the steps are {}", STEPS.map(|step| step.name).join(", "));
    }
    let chosen: Vec<&Step> = STEPS.iter().filter(|step| selection.includes(step.name)).collect();
    if selection.list {
        for step in chosen {
            println!("{:11} {}", step.name, step.about);
        }
        return Ok(());
    }
    ensure!(!chosen.is_empty(), "no step is left to run");
    let mut results = Vec::new();
    for step in chosen {
        println!("\n=== {}: {}", step.name, step.about);
        let begin = Instant::now();
        let result = (step.run)();
        let took = begin.elapsed();
        if let Err(error) = &result {
            eprintln!("{error:#}");
        }
        println!("=== {} {} in {}", step.name, word(result.is_ok()), seconds(took));
        let stop = step.name == "setup" && result.is_err();
        results.push((step.name, result.is_ok(), took));
        if stop {
            break;
        }
    }
    summary(&results)
}

impl Selection {
    fn includes(&self, name: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|entry| entry == name);
        (self.only.is_empty() || named(&self.only)) && !named(&self.skip)
    }

    fn unknown(&self) -> Option<&String> {
        self.only.iter().chain(&self.skip).find(|name| STEPS.iter().all(|step| step.name != **name))
    }
}

fn summary(results: &[(&str, bool, Duration)]) -> Result<()> {
    println!("\n=== summary");
    for (name, passed, took) in results {
        println!("{name:11} {:6} {:>9}", word(*passed), seconds(*took));
    }
    let failed: Vec<&str> = results.iter().filter(|(_, passed, _)| !passed).map(|(name, ..)| *name).collect();
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

fn word(passed: bool) -> &'static str {
    if passed { "passed" } else { "FAILED" }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn unit() -> Result<()> {
    run(nextest("--workspace").args(["-E", &format!("not ({NETNS})")]))?;
    run(&mut cargo_command("test --quiet --workspace --doc"))
}

fn netns() -> Result<()> {
    run(nextest("--workspace").args(["-E", NETNS]))
}

/// A build of its own: `--cfg loom` replaces the atomics of the whole graph. Optimised, since models explore many
/// interleavings.
fn loom() -> Result<()> {
    let mut flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    flags.push_str(" --cfg loom");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    run(nextest("--package headgate-dataplane --lib")
        .args(["-E", LOOM])
        .env("RUSTFLAGS", flags)
        .env("CARGO_TARGET_DIR", target.join("loom"))
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "2"))
}

fn nextest(scope: &str) -> Command {
    cargo_command(&format!("nextest run --no-fail-fast {scope}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(only: &[&str], skip: &[&str]) -> Selection {
        let own = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        Selection { only: own(only), skip: own(skip), list: false }
    }

    #[test]
    fn only_and_skip_select() {
        assert!(selection(&[], &[]).includes("fmt"));
        assert!(selection(&["fmt"], &[]).includes("fmt"));
        assert!(!selection(&["fmt"], &[]).includes("clippy"));
        assert!(!selection(&["fmt"], &["fmt"]).includes("fmt"));
    }

    #[test]
    fn unknown_steps_are_refused() {
        assert!(run_selected(&selection(&["fmr"], &[])).unwrap_err().to_string().contains("fmr"));
        assert!(selection(&["fmt"], &["netns"]).unknown().is_none());
    }

    #[test]
    fn one_failure_fails_the_run() {
        let took = Duration::from_secs(1);
        assert!(summary(&[("a", true, took), ("b", true, took)]).is_ok());
        assert_eq!(summary(&[("a", false, took), ("b", true, took)]).unwrap_err().to_string(), "failed: a");
    }
}

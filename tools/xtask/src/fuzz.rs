//! `cargo xtask fuzz`: builds the libFuzzer targets of tools/fuzz with coverage counters and runs them.

mod seeds;

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::run::{cargo_command, root, run};

const TARGETS: [&str; 6] = ["wire", "pipeline", "request_head", "response_head", "chunked", "proxy_header"];

/// Bytes of the longest input that is tried.
const LONGEST: usize = 1024;

/// What `cargo fuzz` would set, without the address sanitizer, which needs a nightly compiler.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
                     -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";

#[derive(Args, Debug)]
pub struct Options {
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
    /// Where the random choices begin: with one, the same inputs are tried each time, from the seeds alone.
    #[arg(long)]
    pub seed: Option<u32>,
    /// wire, pipeline, request_head, response_head, chunked or proxy_header; all without one.
    pub targets: Vec<String>,
}

/// Inputs that reached something new are kept in `target/fuzz/corpus`, those that broke something in `target/fuzz/findings`.
///
/// # Errors
/// When a target found something; libFuzzer says where the input is.
pub fn fuzz(options: &Options) -> Result<()> {
    if let Some(unknown) = options.targets.iter().find(|target| !TARGETS.contains(&target.as_str())) {
        bail!("no fuzz target {unknown:?}; there are {}", TARGETS.join(", "));
    }
    let home = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from).join("fuzz");
    // With the target named, build scripts and macros are built without the counters, which they could not be linked with.
    let host = host()?;
    run(cargo_command("build --quiet --locked --release --manifest-path tools/fuzz/Cargo.toml --target")
        .arg(&host)
        .env("RUSTFLAGS", FLAGS)
        .env("CARGO_TARGET_DIR", &home))?;
    let findings = home.join("findings");
    fs::create_dir_all(&findings).with_context(|| format!("create {}", findings.display()))?;
    for target in TARGETS {
        if !options.targets.is_empty() && !options.targets.iter().any(|wanted| wanted == target) {
            continue;
        }
        let mut command = Command::new(home.join(&host).join("release").join(target));
        command
            .args(["-verbosity=0", "-print_final_stats=1", "-timeout=10", "-rss_limit_mb=2048"])
            .arg(format!("-max_len={LONGEST}"))
            .arg(format!("-max_total_time={}", options.seconds))
            .arg(format!("-artifact_prefix={}/{target}-", findings.display()));
        let seeds = home.join("seeds").join(target);
        empty(&seeds)?;
        seeds::write(target, &seeds)?;
        if let Some(seed) = options.seed {
            // libFuzzer adds what it finds: the folder is made anew each time.
            command.arg(format!("-seed={seed}")).arg(&seeds);
            println!("$ {target}, {} s, from seed {seed}", options.seconds);
        } else {
            let corpus = home.join("corpus").join(target);
            fs::create_dir_all(&corpus).with_context(|| format!("create {}", corpus.display()))?;
            command.args([&corpus, &seeds]);
            println!("$ {target}, {} s, corpus in {}", options.seconds, corpus.display());
        }
        let mut running = command.stderr(Stdio::piped()).spawn().with_context(|| format!("start {target}"))?;
        running.stderr.take().map_or(Ok(()), |output| show(BufReader::new(output)))?;
        let status = running.wait()?;
        ensure!(status.success(), "{target} found something: {status}");
    }
    Ok(())
}

/// Makes an empty folder.
fn empty(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("remove {}", folder.display()));
        }
        _ => {}
    }
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))
}

/// libFuzzer's output without the dictionary it recommends.
fn show(output: impl BufRead) -> Result<()> {
    let mut dictionary = false;
    for line in output.split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        dictionary |= line.starts_with("###### Recommended dictionary");
        if !dictionary {
            println!("{line}");
        }
        dictionary &= !line.starts_with("###### End of recommended");
    }
    Ok(())
}

/// The target triple of this machine.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("start rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("rustc -vV does not name its host")
}

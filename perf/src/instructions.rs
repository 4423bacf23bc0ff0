//! `perf instructions`: instructions per packet, as valgrind's callgrind counts them. They hardly change from run to run or from machine
//! to machine, unlike time, so they gate changes.
//!
//! Each case runs twice in a process of its own, with N and 2N packets; the difference is what N packets cost. Only the function
//! `measured` is counted, so the making of packets is not in it.

mod workload;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use serde::Serialize;

pub use workload::run as workload;

/// Packets of the shorter run.
const PACKETS: u32 = 2048;
/// A count may exceed its baseline by this factor.
const TOLERANCE: f64 = 1.10;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Case {
    /// Parse, find in the table, rewrite: no counters, states, next hop.
    Engine,
    /// As `engine`, with the plain table.
    EnginePlain,
    NatForward,
    NatReply,
    TcpNatForward,
    DrForward,
    TunnelForward,
    /// The first packet of a connection: service, scheduler, table, timer.
    NewConnection,
    /// A packet to the VIP that no service wants.
    Miss,
    /// As `nat-forward`, through a worker's rounds with bursts of 32: rings and accounting included.
    WorkerNatForward,
}

/// What to do with the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Print,
    Check,
    Write,
}

type Counts = BTreeMap<String, f64>;

#[derive(Serialize)]
struct Row<'a> {
    bench: &'static str,
    case: &'a str,
    instructions_per_packet: f64,
    baseline: Option<f64>,
}

/// Counts every case. False when a count is too high in [`Mode::Check`].
///
/// # Errors
/// Without valgrind, or without a readable baseline in [`Mode::Check`].
pub fn run(mode: Mode, baseline: &Path, json: &mut dyn Write, text: &mut dyn Write) -> Result<bool> {
    let known = match std::fs::read_to_string(baseline) {
        Ok(text) => serde_json::from_str(&text).with_context(|| format!("read {}", baseline.display()))?,
        Err(_) if mode != Mode::Check => Counts::new(),
        Err(error) => return Err(error).with_context(|| format!("read {}", baseline.display())),
    };
    let mut counts = Counts::new();
    let mut good = true;
    writeln!(text, "{:<20} {:>18} {:>10} {:>8}", "case", "instructions/pkt", "baseline", "change")?;
    for case in Case::value_variants() {
        let name = case.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let count = per_packet(&name)?;
        let before = known.get(&name).copied();
        let change = before.map(|before| count / before);
        let verdict = match change {
            Some(change) if change > TOLERANCE => "  too many",
            None if mode == Mode::Check => "  no baseline",
            _ => "",
        };
        good &= verdict.is_empty();
        let (old, new) = (before.map(|before| format!("{before:.1}")), change.map(|change| format!("{change:.3}")));
        let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
        writeln!(text, "{name:<20} {count:>18.1} {old:>10} {new:>8}{verdict}")?;
        let row = Row { bench: "instructions", case: &name, instructions_per_packet: count, baseline: before };
        writeln!(json, "{}", serde_json::to_string(&row)?)?;
        counts.insert(name, (count * 10.0).round() / 10.0);
    }
    if mode == Mode::Write {
        std::fs::write(baseline, serde_json::to_string_pretty(&counts)? + "\n")?;
    }
    Ok(good || mode != Mode::Check)
}

fn per_packet(case: &str) -> Result<f64> {
    let (one, two) = (count(case, PACKETS)?, count(case, 2 * PACKETS)?);
    ensure!(two > one && one > 0, "{case}: {one} and {two} instructions: the measured function was not found");
    Ok((two - one) as f64 / f64::from(PACKETS))
}

/// Instructions inside `measured` with this many packets.
fn count(case: &str, packets: u32) -> Result<u64> {
    let program = std::env::current_exe()?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*::workload::measured*"])
        .arg(&program)
        .args(["workload", case, &packets.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .context("start valgrind (Debian package `valgrind`)")?;
    let log = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{case} failed under valgrind: {log}");
    }
    let collected = log.lines().find_map(|line| line.split_once("Collected :")).context("valgrind printed no count")?.1;
    collected.trim().parse().with_context(|| format!("valgrind counted {collected:?}"))
}

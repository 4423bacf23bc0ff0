//! `perf l7`: processor time per request of the real daemon and of tuned nginx and HAProxy.
//!
//! ```text
//!  wrk, core 1 ─ candidate, core 0 ─ nginx from memory, core 1
//! ```
//!
//! Headgate and a peer run at the same time on the same core, each with a load of its own, so that whatever disturbs the one disturbs the
//! other. What counts is the time that a candidate's threads were on the core, divided by its requests. Repetitions are the outermost loop;
//! ratios are taken within a pair.

mod bed;
mod load;
mod peers;

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::machine::Machine;
use crate::stats::Spread;
use bed::Bed;
pub use load::Case;
use load::Measured;
pub use peers::Peer;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Options {
    pub headgate: PathBuf,
    pub cases: Vec<Case>,
    pub peers: Vec<Peer>,
    pub repetitions: usize,
    /// How long requests are counted, per pair.
    pub window: Duration,
}

#[derive(Serialize)]
struct Row<'a> {
    bench: &'static str,
    case: Case,
    peer: Peer,
    /// Processor time per request of the peer, divided by ours.
    ratio: Spread,
    /// 99th percentile of the latency of the peer, divided by ours.
    p99_ratio: Spread,
    microseconds: Spread,
    goal: Option<f64>,
    raw: &'a [(Measured, Measured)],
    machine: &'a Machine,
}

/// Measures and writes JSON lines to `json` and a table to `text`.
///
/// # Errors
/// Without root, `wrk`, `nginx`, `haproxy`, `openssl` and `taskset`, or when a request fails.
pub fn run(options: &Options, json: &mut dyn Write, text: &mut dyn Write) -> Result<()> {
    ensure!(options.repetitions > 0, "nothing to do: no repetitions");
    let machine = Machine::detect();
    writeln!(
        text,
        "{machine}\n{:<12} {:<9} {:>18}  goal {:>18} {:>18}",
        "case", "peer", "CPU, peer/ours", "p99, peer/ours", "our µs"
    )?;
    for case in &options.cases {
        for peer in &options.peers {
            let mut pairs = Vec::new();
            for repetition in 0..options.repetitions {
                let bed = Bed::new(&options.headgate, *peer, *case)?;
                pairs.push(bed.measure(*case, options.window, repetition % 2 == 1)?);
            }
            let figures = |of: fn(&Measured) -> f64| -> (Vec<f64>, Vec<f64>) {
                pairs.iter().map(|(ours, theirs)| (of(ours), of(theirs))).unzip()
            };
            let (ours, theirs) = figures(|measured| measured.microseconds);
            let (our_p99, their_p99) = figures(|measured| measured.p99);
            let (Some(ratio), Some(p99_ratio), Some(microseconds)) =
                (Spread::of_ratios(&theirs, &ours), Spread::of_ratios(&their_p99, &our_p99), Spread::of(ours.clone()))
            else {
                continue;
            };
            let goal = case.goal().filter(|_| *peer == Peer::Nginx);
            let row = Row {
                bench: "l7",
                case: *case,
                peer: *peer,
                ratio,
                p99_ratio,
                microseconds,
                goal,
                raw: &pairs,
                machine: &machine,
            };
            writeln!(json, "{}", serde_json::to_string(&row)?)?;
            let goal = goal.map_or_else(String::new, |goal| format!("{goal:.1}"));
            let (case, peer) = (format!("{case:?}").to_lowercase(), format!("{peer:?}").to_lowercase());
            writeln!(text, "{case:<12} {peer:<9} {ratio:>18.2} {goal:>5} {p99_ratio:>18.2} {microseconds:>18.1}")?;
        }
    }
    Ok(())
}

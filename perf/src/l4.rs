//! `perf l4`: packets per second of the real daemon and of `nft` doing the same destination NAT, one worker core each.
//!
//! ```text
//!  client, generator on core 0 ─ front [ director: headgate or nft, core 1 ] back ─ server, dropped by nft on arrival
//! ```
//!
//! 64-byte UDP packets of 1000 flows are offered faster than either can take them, and counted where they arrive. Repetitions are the
//! outermost loop, cases the innermost, each in fresh namespaces; ratios are taken within a repetition.

mod bed;

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

use crate::machine::Machine;
use crate::stats::Spread;
use bed::{Bed, Rate};

/// Headgate is to carry this many times what nft does.
pub const GOAL: f64 = 1.5;
/// Flows, told apart by the client's port.
pub const FLOWS: u16 = 1000;

const WARM_UP: Duration = Duration::from_millis(400);

/// What to measure.
#[derive(Debug, Clone)]
pub struct Options {
    pub headgate: PathBuf,
    pub repetitions: usize,
    /// How long packets are counted, per case and repetition.
    pub window: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Case {
    Headgate,
    NftDnat,
}

#[derive(Serialize)]
struct Row<'a> {
    bench: &'static str,
    case: Case,
    mpps: Spread,
    /// Per second that the worker's thread ran; the same as `mpps` on a machine that has nothing else to do.
    mpps_of_worker_time: Spread,
    /// Of `mpps_of_worker_time` to nft's in the same repetition.
    ratio: Option<Spread>,
    /// Of `mpps`.
    ratio_of_rates: Option<Spread>,
    raw: &'a [Rate],
    flows: u16,
    window_ms: u128,
    machine: &'a Machine,
}

/// Measures and writes JSON lines to `json` and a table to `text`.
///
/// # Errors
/// Without root, `nft`, `ethtool` and `taskset`, or when nothing arrives.
pub fn run(options: &Options, json: &mut dyn Write, text: &mut dyn Write) -> Result<()> {
    let machine = Machine::detect();
    let cases = Case::value_variants();
    let mut results = vec![Vec::new(); cases.len()];
    for _ in 0..options.repetitions {
        for (case, results) in cases.iter().zip(&mut results) {
            let bed = match case {
                Case::Headgate => Bed::headgate(&options.headgate)?,
                Case::NftDnat => Bed::nft()?,
            };
            results.push(bed.measure(WARM_UP, options.window)?);
        }
    }
    writeln!(
        text,
        "{machine}\n{:<10} {:>18} {:>22} {:>18}  goal",
        "case", "Mpps", "Mpps of worker time", "ratio to nft"
    )?;
    let rates = |case: Case| -> Vec<f64> { results[case as usize].iter().map(|rate| rate.per_second / 1e6).collect() };
    let per_time =
        |case: Case| -> Vec<f64> { results[case as usize].iter().map(|rate| rate.per_worker_second / 1e6).collect() };
    for (case, raw) in cases.iter().copied().zip(&results) {
        let (Some(mpps), Some(mpps_of_worker_time)) = (Spread::of(rates(case)), Spread::of(per_time(case))) else {
            continue;
        };
        let against_nft = |values: &dyn Fn(Case) -> Vec<f64>| match case {
            Case::Headgate => Spread::of_ratios(&values(case), &values(Case::NftDnat)),
            Case::NftDnat => None,
        };
        let ratio = against_nft(&per_time);
        let row = Row {
            bench: "l4",
            case,
            mpps,
            mpps_of_worker_time,
            ratio,
            ratio_of_rates: against_nft(&rates),
            raw,
            flows: FLOWS,
            window_ms: options.window.as_millis(),
            machine: &machine,
        };
        writeln!(json, "{}", serde_json::to_string(&row)?)?;
        let goal = ratio.map(|_| format!("{GOAL:.1}")).unwrap_or_default();
        let ratio = ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        writeln!(text, "{:<10} {mpps:>18.2} {mpps_of_worker_time:>22.2} {ratio:>18}  {goal}", format!("{case:?}"))?;
    }
    Ok(())
}

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
use bed::Bed;

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
    /// To nft in the same repetition.
    ratio: Option<Spread>,
    raw: &'a [f64],
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
            results.push(bed.measure(WARM_UP, options.window)? / 1e6);
        }
    }
    writeln!(text, "{machine}\n{:<10} {:>20} {:>20}  goal", "case", "Mpps", "ratio to nft")?;
    let nft = &results[Case::NftDnat as usize];
    for (case, raw) in cases.iter().copied().zip(&results) {
        let Some(mpps) = Spread::of(raw.iter().copied()) else { continue };
        let ratio = if case == Case::Headgate { Spread::of_ratios(raw, nft) } else { None };
        let row = Row {
            bench: "l4",
            case,
            mpps,
            ratio,
            raw,
            flows: FLOWS,
            window_ms: options.window.as_millis(),
            machine: &machine,
        };
        writeln!(json, "{}", serde_json::to_string(&row)?)?;
        let goal = ratio.map(|_| format!("{GOAL:.1}")).unwrap_or_default();
        let ratio = ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        writeln!(text, "{:<10} {mpps:>20.2} {ratio:>20}  {goal}", format!("{case:?}"))?;
    }
    Ok(())
}

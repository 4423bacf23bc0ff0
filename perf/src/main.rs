//! The benchmarks that criterion cannot do: interleaved comparisons, instruction counts, whole systems.

#![forbid(unsafe_code)]

use std::io::{stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use headgate_perf::{compare, instructions, l4, l7};

/// Benchmarks of Headgate. JSON lines go to standard output, tables for people to standard error.
#[derive(Parser)]
#[command(name = "perf")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Nanoseconds per packet, in memory, beside a plain single-threaded table.
    Table {
        /// Numbers of connections.
        #[arg(long, value_delimiter = ',', default_values_t = [1_000, 100_000, 1_000_000, 10_000_000])]
        connections: Vec<u32>,
        #[arg(long, default_value_t = 7)]
        repetitions: usize,
        /// Packets per case and repetition.
        #[arg(long, default_value_t = 1_000_000)]
        packets: usize,
    },
    /// Instructions per packet, counted by valgrind.
    Instructions {
        /// Fail when a count exceeds the baseline by more than a tenth.
        #[arg(long, conflicts_with = "write")]
        check: bool,
        /// Make the counts the new baseline.
        #[arg(long)]
        write: bool,
        /// The baseline's file.
        #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json"))]
        baseline: PathBuf,
    },
    /// Packets per second through the real daemon, beside nft doing the same NAT; root.
    L4 {
        /// The daemon; by default the one beside this program.
        #[arg(long)]
        headgate: Option<PathBuf>,
        #[arg(long, default_value_t = 5)]
        repetitions: usize,
        /// Milliseconds that packets are counted, per case and repetition.
        #[arg(long, default_value_t = 1500)]
        window: u64,
    },
    /// Processor time per HTTP request through the real daemon, beside tuned nginx and HAProxy at the same time on the same core; root.
    L7 {
        /// The daemon; by default the one beside this program.
        #[arg(long)]
        headgate: Option<PathBuf>,
        /// Kinds of load; by default all.
        #[arg(long, value_delimiter = ',')]
        cases: Vec<l7::Case>,
        #[arg(long, value_delimiter = ',', default_values = ["nginx", "haproxy"])]
        peers: Vec<l7::Peer>,
        #[arg(long, default_value_t = 5)]
        repetitions: usize,
        /// Seconds that requests are counted, per pair.
        #[arg(long, default_value_t = 4)]
        window: u64,
    },
    /// What valgrind runs.
    #[command(hide = true)]
    Workload { case: instructions::Case, packets: u32 },
}

/// The daemon that is meant: by default the one beside this program.
fn or_beside(headgate: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    headgate.map_or_else(|| Ok(std::env::current_exe()?.with_file_name("headgate")), Ok)
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Table { connections, repetitions, packets } => {
            let options = compare::Options { sizes: connections, repetitions, packets };
            compare::run(&options, &mut stdout(), &mut stderr()).map(|()| true)
        }
        Command::Instructions { check, write, baseline } => {
            let mode = match (check, write) {
                (true, _) => instructions::Mode::Check,
                (_, true) => instructions::Mode::Write,
                _ => instructions::Mode::Print,
            };
            instructions::run(mode, &baseline, &mut stdout(), &mut stderr())
        }
        Command::L4 { headgate, repetitions, window } => or_beside(headgate).and_then(|headgate| {
            let options = l4::Options { headgate, repetitions, window: Duration::from_millis(window) };
            l4::run(&options, &mut stdout(), &mut stderr()).map(|()| true)
        }),
        Command::L7 { headgate, cases, peers, repetitions, window } => {
            let cases = if cases.is_empty() { l7::Case::value_variants().to_vec() } else { cases };
            or_beside(headgate).and_then(|headgate| {
                let window = Duration::from_secs(window);
                let options = l7::Options { headgate, cases, peers, repetitions, window };
                l7::run(&options, &mut stdout(), &mut stderr()).map(|()| true)
            })
        }
        Command::Workload { case, packets } => instructions::workload(case, packets).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("perf: {error:#}");
            ExitCode::FAILURE
        }
    }
}

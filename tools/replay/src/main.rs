//! `replay ipvs PATH…`: replays recordings of Linux IPVS; `replay http FILE…`: plays files of the HTTP corpus; exit status 1 when one of them
//! differs; `replay vrrp FILE…`: plays the VRRP receive cases. `replay pack PATH…`: packs recordings.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use headgate_replay::http::bed::Bed;
use headgate_replay::http::corpus::Cases;
use headgate_replay::recording::Recording;
use headgate_replay::vrrp::Cases as Receptions;

#[derive(Parser)]
#[command(
    about = "Replays recordings through the packet path, the HTTP corpus through the proxy, adverts through VRRP"
)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Folders with fixture.json, in.pcap and out.pcap, and files of state graphs
    Ipvs { recordings: Vec<PathBuf> },
    /// Play files of the HTTP corpus through the proxy on loopback: `replay http tools/replay/http-corpus/*.json`
    Http {
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Play VRRP receive cases: `replay vrrp tools/replay/vrrp-captures/receive-cases.json`
    Vrrp {
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Print recordings as one JSON object a line, for the tests
    Pack { recordings: Vec<PathBuf> },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().what {
        What::Ipvs { recordings } => return replay(&recordings),
        What::Http { files } => http(&files),
        What::Vrrp { files } => vrrp(&files),
        What::Pack { recordings } => pack(&recordings).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

fn replay(recordings: &[PathBuf]) -> ExitCode {
    let (mut passed, mut failed) = (0, 0);
    for path in recordings {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match Recording::read(path).and_then(|recording| recording.play()) {
            Ok(differences) if differences.is_empty() => {
                println!("ok {name}");
                passed += 1;
            }
            Ok(differences) => {
                for difference in differences {
                    println!("FAIL {name}: event {}: {}", difference.event, difference.what);
                }
                failed += 1;
            }
            Err(error) => {
                println!("FAIL {name}: {error:#}");
                failed += 1;
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn http(files: &[PathBuf]) -> Result<ExitCode> {
    /// Cases at a time: most of them wait more than they work.
    const LANES: usize = 8;
    let (mut passed, mut failed) = (0, 0);
    for file in files {
        let cases = Cases::read(file)?;
        let bed = Bed::start(LANES)?;
        headgate_replay::http::play(&cases, bed.lanes(), |verdict| {
            if verdict.differences.is_empty() {
                println!("ok {}", verdict.id);
                passed += 1;
            } else {
                println!("FAIL {}: {}", verdict.id, verdict.differences.join("; "));
                failed += 1;
            }
        })?;
    }
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn vrrp(files: &[PathBuf]) -> Result<ExitCode> {
    let (mut passed, mut failed) = (0, 0);
    for file in files {
        for case in &Receptions::read(file)?.cases {
            let differences = case.play()?;
            if differences.is_empty() {
                println!("ok {}", case.id);
                passed += 1;
            } else {
                println!("FAIL {}: {}", case.id, differences.join("; "));
                failed += 1;
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn pack(recordings: &[PathBuf]) -> Result<()> {
    for path in recordings {
        println!("{}", serde_json::to_string(&Recording::read(path)?)?);
    }
    Ok(())
}

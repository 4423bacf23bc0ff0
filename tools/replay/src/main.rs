//! `replay ipvs DIR…`: replays recordings of Linux IPVS; exit status 1 when one of them differs.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use headgate_replay::fixture::Fixture;
use headgate_replay::{run, states};

#[derive(Parser)]
#[command(about = "Replays recordings through the packet path")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Folders with fixture.json, in.pcap and out.pcap, and files of state graphs
    Ipvs { recordings: Vec<PathBuf> },
}

fn main() -> ExitCode {
    let What::Ipvs { recordings } = Arguments::parse().what;
    let (mut passed, mut failed) = (0, 0);
    for path in recordings {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let result = if path.is_dir() {
            Fixture::read(&path).and_then(|fixture| run::fixture(&fixture))
        } else {
            states::read(&path).and_then(|states| states::play(&states))
        };
        match result {
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

//! `headgate demo`: the product on one machine, narrated.

mod config;
mod pair;
mod show;
mod stage;
mod story;

use std::io::{self, BufRead};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::{Failure, output};
use pair::Pair;
use show::Show;
use stage::Stage;

/// Show Headgate at work, in network namespaces of this machine
///
/// Makes namespaces for a client, a director and two servers, runs the daemon in the director's, and sends real requests through
/// it: NAT with weights, direct routing, a tunnel, IPv6, draining a server, and throughput. Then two nodes with an application each, of
/// which one dies: the proxy asks the other. At last the node that is master leaves, and the other takes the address over. Nothing
/// outside of the namespaces is touched, and all of it is removed at the end, also after Ctrl-C. Takes less than 30 seconds; needs root.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Leave it up to play with until Enter or Ctrl-C, and print how
    #[arg(long)]
    keep: bool,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  sudo headgate demo
  sudo headgate demo --keep                      then use it from another terminal
  sudo headgate demo --json | jq '.steps[] | {name, ok, summary}'

Needs iproute2 (\"ip\"); the throughput step needs iperf3 and is skipped without it.
Exits 0 if every step passed, 1 if one failed, 130 after Ctrl-C.";

/// What a shell reports for a program that SIGINT has ended.
const INTERRUPTED: u8 = 130;
/// Longer than any request of the demo may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Set once by a signal or Enter, looked at before every request.
type Stop = Arc<AtomicBool>;

enum Ended {
    Passed,
    Failed,
    Broken(anyhow::Error),
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Failure::Failed(
            "demo needs root, because it makes network namespaces: sudo headgate demo".to_owned(),
        ));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(watch(args));
    // Whatever a thread that did not end in time has left.
    headgate_testbed::remove_all();
    code
}

/// The play runs on a thread of its own, so that this one can hear signals all the time.
async fn watch(args: &Args) -> Result<ExitCode, Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let stop = Stop::default();
    let (done, mut ended) = oneshot::channel();
    let (keep, json, flag) = (args.keep, args.json, Arc::clone(&stop));
    std::thread::Builder::new().name("demo".to_owned()).spawn(move || {
        // The receiver is gone only when the process is about to end.
        let _ = done.send(play(keep, json, &flag));
    })?;
    let result = tokio::select! {
        result = &mut ended => Some(result),
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
        _ = hang_up.recv() => None,
    };
    let Some(result) = result else {
        stop.store(true, Ordering::Relaxed);
        output::complain("headgate: demo interrupted, cleaning up");
        return Ok(match tokio::time::timeout(PATIENCE, ended).await {
            // Ctrl-C is the regular end of what was kept.
            Ok(Ok(Ended::Passed)) => ExitCode::SUCCESS,
            _ => ExitCode::from(INTERRUPTED),
        });
    };
    match result {
        Ok(Ended::Passed) => Ok(ExitCode::SUCCESS),
        Ok(Ended::Failed) => Ok(ExitCode::FAILURE),
        Ok(Ended::Broken(error)) => match error.downcast::<io::Error>() {
            Ok(error) => Err(Failure::Output(error)),
            Err(error) => Err(Failure::Failed(format!("demo: {error:#}"))),
        },
        Err(_) => Err(Failure::Failed("the demo's thread ended without a result".to_owned())),
    }
}

fn play(keep: bool, json: bool, stop: &Stop) -> Ended {
    perform(keep, json, stop).unwrap_or_else(Ended::Broken)
}

/// Sets the stage, tells the story and, if wanted, waits. The stage goes with the end of this function.
fn perform(keep: bool, json: bool, stop: &Stop) -> Result<Ended> {
    let mut show = Show::new(json, Arc::clone(stop));
    story::introduce(&show)?;
    let stage = Stage::set().context("cannot set the stage")?;
    let mut passed = story::tell(&stage, &mut show)?;
    if !passed {
        show::log_tail(&stage.daemon.log());
    }
    passed &= tell_of_the_pair(&mut show)?;
    show.finish(passed)?;
    if keep {
        let text = stage.instructions();
        if json {
            output::complain(&text);
        } else {
            output::print(&text)?;
        }
        wait(stop)?;
    }
    Ok(if passed { Ended::Passed } else { Ended::Failed })
}

/// Whether its steps passed. The pair is gone with the end of this function.
fn tell_of_the_pair(show: &mut Show) -> Result<bool> {
    let mut pair = Pair::set().context("cannot set the stage of the pair")?;
    let mut passed = show.step("pair", "Two nodes, each with an application", |show| pair::own(&pair, show))?;
    passed &=
        show.step("backup", "An application dies: the other node's answers", |show| pair::backup(&mut pair, show))?;
    passed &=
        show.step("master", "The master leaves: the other node takes over", |show| pair::master(&mut pair, show))?;
    if !passed {
        show::log_tail(&pair.log());
    }
    Ok(passed)
}

/// Until Enter or a signal. At the end of a standard input that is no terminal only the signal is left.
fn wait(stop: &Stop) -> Result<()> {
    let flag = Arc::clone(stop);
    std::thread::Builder::new().name("enter".to_owned()).spawn(move || {
        if io::stdin().lock().read_line(&mut String::new()).is_ok_and(|length| length > 0) {
            flag.store(true, Ordering::Relaxed);
        }
    })?;
    while !stop.load(Ordering::Relaxed) {
        // A deadline that passes is no error here: it is waited for again.
        let _ = headgate_testbed::wait_for(Duration::from_hours(1), "the end", || stop.load(Ordering::Relaxed));
    }
    Ok(())
}

/// An error once the demo shall stop.
fn go_on(stop: &Stop) -> Result<()> {
    if stop.load(Ordering::Relaxed) { Err(anyhow!("interrupted")) } else { Ok(()) }
}

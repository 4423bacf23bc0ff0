//! iperf3 for two seconds.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use headgate_testbed::{Process, wait_for};
use serde_json::{Value, json};

use super::super::show::{Outcome, Show};
use super::super::stage::Stage;

/// Beyond the two seconds of the test.
const PATIENCE: Duration = Duration::from_secs(8);

pub fn measure(stage: &Stage, show: &Show) -> Result<Outcome> {
    let found = Command::new("iperf3").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_err() {
        return Ok(Outcome::Skipped("iperf3 is missing; apt-get install iperf3 (or: cargo xtask demo)".to_owned()));
    }
    let server = stage.topology.server(0).spawn(&["iperf3", "-s", "-1", "--forceflush"])?;
    until(show, "iperf3 listening", || server.log().contains("listening"))?;
    let words = ["iperf3", "-c", "10.0.0.100", "-t", "2", "--connect-timeout", "3000", "-J"];
    show.command("iperf3 -c 10.0.0.100 -t 2", "")?;
    let mut client: Process = stage.topology.client().spawn(&words)?;
    let mut ended = None;
    until(show, "the end of iperf3", || {
        ended = client.exited().ok().flatten();
        ended.is_some()
    })?;
    let report: Value = serde_json::from_str(&client.log()).context("iperf3's report")?;
    if let Some(error) = report["error"].as_str() {
        anyhow::bail!("iperf3: {error}");
    }
    let received = report["end"]["sum_received"]["bits_per_second"].as_f64().context("iperf3 reports no figure")?;
    let retransmits = report["end"]["sum_sent"]["retransmits"].as_u64();
    ensure!(received > 0.0, "nothing arrived");
    show.say(
        "Not the figure of a NIC: packets pass veth devices one MTU at a time, since XDP\n\
         takes segmentation offload (TSO) away, and client, director and server share\n\
         the cores of this machine.",
    )?;
    let (gigabits, build) = (received / 1e9, if cfg!(debug_assertions) { " (debug build: slow)" } else { "" });
    let details =
        json!({ "bits_per_second": received, "retransmits": retransmits, "debug_build": cfg!(debug_assertions) });
    Ok(Outcome::Passed(format!("{gigabits:.2} Gbit/s in 2 s through NAT{build}"), details))
}

fn until(show: &Show, what: &str, mut condition: impl FnMut() -> bool) -> Result<()> {
    wait_for(PATIENCE, what, || condition() || show.go_on().is_err())?;
    show.go_on()
}

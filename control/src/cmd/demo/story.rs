//! The steps, in order. Each sends real traffic and fails if it did not go as the text says.

mod throughput;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use headgate_testbed::decap::Tunnel;
use headgate_testbed::traffic::{HttpClient, Response, http_get};
use serde_json::{Value, json};

use super::config;
use super::show::{Outcome, Show};
use super::stage::Stage;

/// The server that is drained.
const DRAINED: &str = "10.1.0.11:8080";
const FIRST: &str = "server-1";
const SECOND: &str = "server-2";

pub fn introduce(show: &Show) -> Result<()> {
    show.say(
        "Headgate demo: one client, a director and two servers, each in a network\n\
         namespace of its own. The daemon is this very program; all traffic is real.\n\
         \n\
         \x20 client 10.0.0.2 ----+---- director 10.0.0.1, 10.1.0.1\n\
         \x20                     |     service address 10.0.0.100, fd00::100\n\
         \x20                     +---- server-1 10.1.0.11, fd00:1::11\n\
         \x20                     +---- server-2 10.1.0.12, fd00:1::12",
    )?;
    Ok(())
}

/// Whether every step passed.
pub fn tell(stage: &Stage, show: &mut Show) -> Result<bool> {
    let mut ok = show.step("daemon", "The daemon starts: headgate run -c headgate.toml", |show| daemon(stage, show))?;
    ok &= show.step("nat", "NAT, weighted round robin 3:1", |show| nat(stage, show))?;
    ok &= show.step("dr", "Direct routing: the answer bypasses the director", |show| direct(stage, show))?;
    ok &= show.step("tunnel", "Tunnel: IP in IP to servers anywhere", |show| tunnel(stage, show))?;
    ok &= show.step("ipv6", "IPv6, the same way", |show| ipv6(stage, show))?;
    ok &= show.step("drain", "Drain a server: its connections go on", |show| drain(stage, show))?;
    ok &= show.step("services", "What the daemon says: headgate services", |show| services(stage, show))?;
    ok &= show.step("throughput", "Throughput: iperf3 through NAT", |show| throughput::measure(stage, show))?;
    ok &= show.step("status", "The node on one screen: headgate status", |show| status(stage, show))?;
    Ok(ok)
}

fn daemon(stage: &Stage, show: &Show) -> Result<Outcome> {
    show.toml(config::BASE)?;
    let status = stage.daemon.json(&["status"])?;
    let interface = &status["dataplane"]["interfaces"][0];
    let name = interface["name"].as_str().context("no interface in the status")?;
    let mode = interface["mode"].as_str().unwrap_or("unknown");
    let summary = format!("runs as pid {}, AF_XDP in {mode} mode on {name}", stage.daemon.pid());
    Ok(Outcome::Passed(summary, json!({ "pid": stage.daemon.pid(), "interface": name, "mode": mode })))
}

fn nat(stage: &Stage, show: &Show) -> Result<Outcome> {
    show.toml(config::NAT)?;
    let seen = ask(stage, show, Stage::vip(80), 8)?;
    ensure!(seen.count(FIRST) == 6 && seen.count(SECOND) == 2, "8 requests went {}, not 6:2", seen.ratio());
    seen.ensure_client(stage)?;
    Ok(Outcome::Passed(format!("8 requests went {}, as 3:1 says", seen.ratio()), seen.json()))
}

fn direct(stage: &Stage, show: &Show) -> Result<Outcome> {
    show.toml(config::DR)?;
    let seen = ask(stage, show, Stage::vip(81), 4)?;
    ensure!(seen.count(FIRST) == 2 && seen.count(SECOND) == 2, "4 requests went {}, not 2:2", seen.ratio());
    seen.ensure_client(stage)?;
    let stats = stats(stage, "direct")?;
    let (inward, outward) = (stats["packets_in"].as_u64().unwrap_or(0), stats["packets_out"].as_u64());
    ensure!(inward > 0 && outward == Some(0), "the director counted {inward} packets in, {outward:?} out");
    let summary = format!("servers saw the client; the director forwarded {inward} packets in, 0 out");
    Ok(Outcome::Passed(summary, seen.json()))
}

fn tunnel(stage: &Stage, show: &Show) -> Result<Outcome> {
    show.toml(config::TUNNEL)?;
    let unwrapped = || stage.topology.decapsulators().iter().map(|d| d.packets(Tunnel::OverV4)).sum::<u64>();
    let before = unwrapped();
    let seen = ask(stage, show, Stage::vip(82), 4)?;
    ensure!(seen.count(FIRST) == 2 && seen.count(SECOND) == 2, "4 requests went {}, not 2:2", seen.ratio());
    seen.ensure_client(stage)?;
    let packets = unwrapped() - before;
    ensure!(packets > 0, "the servers unwrapped no packet");
    Ok(Outcome::Passed(format!("the servers unwrapped {packets} IPIP packets"), seen.json()))
}

fn ipv6(stage: &Stage, show: &Show) -> Result<Outcome> {
    let seen = ask(stage, show, Stage::vip6(80), 2)?;
    ensure!(seen.count(FIRST) == 1 && seen.count(SECOND) == 1, "2 requests went {}, not 1:1", seen.ratio());
    Ok(Outcome::Passed(format!("2 requests to [fd00::100]:80 went {}", seen.ratio()), seen.json()))
}

fn drain(stage: &Stage, show: &Show) -> Result<Outcome> {
    let mut old = open_on_first(stage, show)?;
    show.say(&format!("A connection to {FIRST} is open, from {}.", old.local_addr()?))?;
    let words = ["server", "web", DRAINED, "drain"];
    show.command(&format!("headgate {}", words.join(" ")), &stage.daemon.run(&words)?)?;
    let seen = ask(stage, show, Stage::vip(80), 4)?;
    let answer = old.get("/")?;
    let kept = answer.server().unwrap_or("nobody").to_owned();
    show.say(&format!("  the old connection is still answered by {kept}"))?;
    ensure!(kept == FIRST, "the connection from before was answered by {kept}");
    ensure!(seen.count(SECOND) == 4, "4 new requests went {}", seen.ratio());
    let words = ["server", "web", DRAINED, "enable"];
    show.command(&format!("headgate {}", words.join(" ")), &stage.daemon.run(&words)?)?;
    Ok(Outcome::Passed(format!("new ones went to {SECOND}, the old one stayed on {FIRST}"), seen.json()))
}

fn services(stage: &Stage, show: &Show) -> Result<Outcome> {
    show.command("headgate services", &stage.daemon.run(&["services"])?)?;
    let all = stage.daemon.json(&["services"])?;
    let list = all["services"].as_array().context("no list of services")?;
    let up = list.iter().filter(|service| service["up"] == true).count();
    ensure!(up == list.len(), "{up} of {} services are up", list.len());
    Ok(Outcome::Passed(format!("{up} services, all up"), all))
}

fn status(stage: &Stage, show: &Show) -> Result<Outcome> {
    show.command("headgate status", &stage.daemon.run(&["status"])?)?;
    let status = stage.daemon.json(&["status"])?;
    ensure!(status["node"] == "demo", "the node calls itself {}", status["node"]);
    Ok(Outcome::Passed("the daemon is well".to_owned(), status))
}

/// A kept connection that the first server answers; others are closed.
fn open_on_first(stage: &Stage, show: &Show) -> Result<HttpClient> {
    for _ in 0..8 {
        show.go_on()?;
        let mut client = HttpClient::connect(stage.topology.client(), Stage::vip(80))?;
        if client.get("/")?.server() == Some(FIRST) {
            return Ok(client);
        }
    }
    anyhow::bail!("{FIRST} answered none of 8 connections")
}

/// The counters of one service.
fn stats(stage: &Stage, service: &str) -> Result<Value> {
    Ok(stage.daemon.json(&["services", service])?["services"][0]["stats"].clone())
}

/// Who answered how often, and which client addresses the servers saw.
struct Seen {
    by_server: BTreeMap<String, usize>,
    requests: Vec<(String, String)>,
}

impl Seen {
    fn count(&self, server: &str) -> usize {
        self.by_server.get(server).copied().unwrap_or(0)
    }

    fn ratio(&self) -> String {
        format!("{}:{}", self.count(FIRST), self.count(SECOND))
    }

    fn ensure_client(&self, stage: &Stage) -> Result<()> {
        let start = format!("{}:", stage.topology.client().v4());
        let stranger = self.requests.iter().find(|(_, client)| !client.starts_with(&start));
        ensure!(stranger.is_none(), "a server saw {stranger:?} instead of {start}");
        Ok(())
    }

    fn json(&self) -> Value {
        let requests: Vec<Value> =
            self.requests.iter().map(|(server, client)| json!({ "server": server, "client": client })).collect();
        json!({ "by_server": self.by_server, "requests": requests })
    }
}

/// Requests on a connection each, shown as they are answered.
fn ask(stage: &Stage, show: &Show, target: SocketAddr, count: usize) -> Result<Seen> {
    let mut seen = Seen { by_server: BTreeMap::new(), requests: Vec::new() };
    for _ in 0..count {
        show.go_on()?;
        let answer = http_get(stage.topology.client(), target, "/")?;
        let server = answer.server().context("an answer without a server's name")?.to_owned();
        let client = client_of(&answer)?;
        show.say(&format!("  GET http://{target}/ -> {server} saw client {client}"))?;
        *seen.by_server.entry(server.clone()).or_default() += 1;
        seen.requests.push((server, client));
    }
    for (server, requests) in &seen.by_server {
        show.say(&format!("  {server:<10} {requests:>3}  {}", "#".repeat(*requests)))?;
    }
    Ok(seen)
}

/// The client's address in the backend's answer.
fn client_of(answer: &Response) -> Result<String> {
    let text = answer.text();
    let line = text.lines().find_map(|line| line.strip_prefix("client: "));
    Ok(line.context("an answer without the client's address")?.to_owned())
}

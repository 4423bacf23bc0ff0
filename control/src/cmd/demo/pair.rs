//! Two nodes, each with its own application and the other's as backup: the smallest site that survives the death of an application, and
//! of a node.

mod gap;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use headgate_testbed::topology::plan::HOST_DEVICE;
use headgate_testbed::traffic::{HttpBackend, http_get};
use headgate_testbed::{Daemon, Topology, wait_for};
use serde_json::json;

use super::show::{Outcome, Show};

const CLIENT: &str = "192.168.162.1/24";
const NODES: [&str; 2] = ["192.168.162.131", "192.168.162.132"];
const PRIORITIES: [u8; 2] = [100, 90];
const APPLICATIONS: [&str; 2] = ["app-1", "app-2"];
/// Where the applications listen, each on its node.
const PORT: u16 = 8080;
const PATIENCE: Duration = Duration::from_secs(10);

/// The address that clients know; the master has it.
fn vip() -> SocketAddr {
    SocketAddr::from(([192, 168, 162, 130], 80))
}

/// Fields are dropped in order: daemons end while their namespaces are there.
pub struct Pair {
    daemons: Vec<Daemon>,
    applications: Vec<Option<HttpBackend>>,
    topology: Topology,
}

/// The file of one node: its application is the server, the other's the backup.
fn file(node: usize) -> String {
    let (own, other) = (NODES[node], NODES[1 - node]);
    let priority = PRIORITIES[node];
    format!(
        "[[virtual_router]]\nname = \"VI_1\"\ninterface = \"{HOST_DEVICE}\"\nid = 121\npriority = {priority}\n\
         advert_interval = \"100ms\"\nsource = \"{own}\"\naddresses = [\"192.168.162.130/24\"]\n\n\
         [[virtual_router.track]]\nscript = [\"/bin/bash\", \"-c\", \": < /dev/tcp/127.0.0.1/80\"]\nweight = -20\n\n\
         [[upstream]]\nname = \"app\"\n\n\
         [[upstream.server]]\naddress = \"{own}:{PORT}\"\nfail_timeout = \"1s\"\n\n\
         [[upstream.server]]\naddress = \"{other}:{PORT}\"\nbackup = true\n\n\
         [[listener]]\nname = \"http\"\naddress = [\"0.0.0.0:80\"]\n\n\
         [[listener.route]]\nupstream = \"app\"\ntimeouts = {{ connect = \"1s\", send = \"1s\", read = \"1s\" }}\n"
    )
}

impl Pair {
    pub fn set() -> Result<Self> {
        let binary: PathBuf = std::env::current_exe().context("where is this program?")?;
        let topology = Topology::new("pair").servers(2).flat().without_vip().build()?;
        topology.client().ip(&format!("addr add {CLIENT} dev {HOST_DEVICE}"))?;
        let (mut daemons, mut applications) = (Vec::new(), Vec::new());
        for (node, (name, address)) in APPLICATIONS.iter().zip(NODES).enumerate() {
            let ns = topology.server(node);
            ns.ip(&format!("addr add {address}/24 dev {HOST_DEVICE}"))?;
            applications.push(Some(HttpBackend::start(ns, name, PORT)?));
            daemons.push(Daemon::start(ns, &binary, &file(node))?);
        }
        let pair = Self { daemons, applications, topology };
        pair.await_master(0)?;
        Ok(pair)
    }

    /// Who answers.
    fn ask(&self) -> Result<String> {
        let answer = http_get(self.topology.client(), vip(), "/")?;
        ensure!(answer.status == 200, "a request was answered with {}", answer.status);
        Ok(answer.server().context("an answer without a server's name")?.to_owned())
    }

    /// Waits until a node is master, and its application answers.
    fn await_master(&self, node: usize) -> Result<()> {
        let is_master = || {
            let answer = self.daemons[node].json(&["vrrp"]);
            answer.is_ok_and(|answer| answer["virtual_routers"][0]["state"] == "master")
        };
        wait_for(PATIENCE, "the node to become master", || is_master() && self.ask().is_ok())
    }

    /// The logs of both nodes.
    pub fn log(&self) -> String {
        self.daemons.iter().map(Daemon::log).collect()
    }
}

/// Both applications work: the node's own is asked.
pub fn own(pair: &Pair, show: &Show) -> Result<Outcome> {
    show.say(
        "\x20 client 192.168.162.1 ----+---- node 1  192.168.162.131  app-1  (master: .130)\n\
         \x20                          +---- node 2  192.168.162.132  app-2",
    )?;
    show.say("The file of node 1; node 2 has the addresses exchanged and priority 90:")?;
    show.toml(&file(0))?;
    let answers = (0..4).map(|_| pair.ask()).collect::<Result<Vec<_>>>()?;
    for server in &answers {
        show.say(&format!("  GET http://192.168.162.130/ -> {server}"))?;
    }
    ensure!(answers.iter().all(|server| server == APPLICATIONS[0]), "answers came from {answers:?}");
    Ok(Outcome::Passed("4 requests, all answered by the node's own application".to_owned(), json!(answers)))
}

/// The application of node 1 stops while requests come, and comes back.
pub fn backup(pair: &mut Pair, show: &Show) -> Result<Outcome> {
    show.say("  app-1 is stopped; the client goes on asking.")?;
    pair.applications[0] = None;
    let (mut slowest, mut answered) = (Duration::ZERO, 0);
    while answered < 50 {
        show.go_on()?;
        let begun = Instant::now();
        let server = pair.ask()?;
        slowest = slowest.max(begun.elapsed());
        ensure!(server == APPLICATIONS[1], "{server} answered, which is stopped");
        answered += 1;
    }
    show.say(&format!("  {answered} requests, all answered by app-2, the slowest after {} ms", slowest.as_millis()))?;
    let daemon = &pair.daemons[0];
    show.command("headgate upstreams", &daemon.run(&["upstreams"])?)?;
    show.say("  app-1 is started again.")?;
    let begun = Instant::now();
    pair.applications[0] = Some(HttpBackend::start(pair.topology.server(0), APPLICATIONS[0], PORT)?);
    wait_for(PATIENCE, "app-1 to answer again", || pair.ask().is_ok_and(|server| server == APPLICATIONS[0]))?;
    let back = begun.elapsed();
    let summary = format!("no request failed; app-1 answers again after {:.1} s", back.as_secs_f64());
    let details = json!({ "answered_by_backup": answered, "slowest_ms": slowest.as_millis() as u64,
        "back_after_ms": back.as_millis() as u64 });
    Ok(Outcome::Passed(summary, details))
}

/// The master leaves in order, comes back, loses its link and gets it back; the client asks about once per millisecond.
pub fn master(pair: &mut Pair, show: &Show) -> Result<Outcome> {
    let status = pair.daemons[0].run(&["vrrp"])?;
    show.command("headgate vrrp", status.lines().take(3).collect::<Vec<_>>().join("\n").as_str())?;
    let mut gaps = Vec::new();
    let mut tell = |what: &str, gap: Duration| {
        let millis = gap.as_secs_f64() * 1000.0;
        gaps.push(json!({ "event": what, "gap_ms": (millis * 10.0).round() / 10.0 }));
        show.say(&format!("  {what}: no answer for {millis:.1} ms"))
    };
    let Pair { daemons, topology, .. } = pair;
    let (client, node) = (topology.client(), topology.server(0));
    let [first, second] = &mut daemons[..] else { anyhow::bail!("there are two nodes") };
    show.go_on()?;
    let gap = gap::during(client, vip(), APPLICATIONS[1], || first.stop().map(drop))?;
    tell("node 1 is stopped", gap)?;
    show.go_on()?;
    tell("node 1 is started again", gap::during(client, vip(), APPLICATIONS[0], || first.restart())?)?;
    show.go_on()?;
    let link = |state: &str| node.run(&["ip", "link", "set", HOST_DEVICE, state]).map(drop);
    tell("node 1 loses its link", gap::during(client, vip(), APPLICATIONS[1], || link("down"))?)?;
    show.go_on()?;
    tell("node 1 has its link again", gap::during(client, vip(), APPLICATIONS[0], || link("up"))?)?;
    ensure!(second.run(&["vrrp"])?.contains("backup"), "node 2 did not become backup again");
    Ok(Outcome::Passed("the address moved 4 times, each time to the right node".to_owned(), json!(gaps)))
}

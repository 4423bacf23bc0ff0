//! A namespace with the backend, Headgate and a peer, and loads on both at the same time.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use headgate_testbed::{Daemon, Namespace, Process, Topology, wait_for};

use super::load::{Case, Measured, parse};
use super::peers::{self, Peer};

const CANDIDATES_CORE: usize = 0;
const LOAD_CORE: usize = 1;
const PATIENCE: Duration = Duration::from_secs(10);
const WARM_UP: &str = "1";

/// What runs is ended before the namespace goes.
pub(super) struct Bed {
    headgate: Daemon,
    peer: Running,
    _backend: Process,
    topology: Topology,
}

enum Running {
    Daemon(Daemon),
    Process(Process),
}

impl Running {
    fn pid(&self) -> u32 {
        match self {
            Self::Daemon(daemon) => daemon.pid(),
            Self::Process(process) => process.pid(),
        }
    }
}

impl Bed {
    pub(super) fn new(headgate: &Path, peer: Peer, case: Case) -> Result<Self> {
        let topology = Topology::new("l7").build()?;
        let ns = topology.director();
        // Pacing controls set a timer per socket, which would be measured too.
        ns.sysctl(&[("ipv4/tcp_congestion_control", "reno"), ("ipv4/tcp_tw_reuse", "1")])?;
        ns.sysctl(&[("ipv4/ip_local_port_range", "10000 65000"), ("core/somaxconn", "4096")])?;
        let home = ns.directory().to_str().context("the folder has an odd name")?.to_owned();
        fs::create_dir_all(format!("{home}/www"))?;
        fs::write(format!("{home}/www/body"), "x".repeat(case.size()))?;
        fs::write(format!("{home}/load.lua"), case.script())?;
        if case.is_tls() {
            certificate(ns, &home)?;
        }
        let pinned = |core: usize, command: &[&str], name: &str, text: String| -> Result<Process> {
            let file = format!("{home}/{name}.conf");
            fs::write(&file, text)?;
            let core = core.to_string();
            ns.spawn(&[&["taskset", "-c", &core], command, &[&file]].concat())
        };
        let nginx = ["nginx", "-e", "/dev/null", "-c"];
        let backend = pinned(LOAD_CORE, &nginx, "backend", peers::backend(&home))?;
        let daemon = |port| Daemon::start(ns, headgate, &peers::headgate(&home, case, CANDIDATES_CORE, port));
        let peer = match peer {
            Peer::Nginx => Running::Process(pinned(CANDIDATES_CORE, &nginx, "nginx", peers::nginx(&home, case))?),
            Peer::Haproxy => {
                Running::Process(pinned(CANDIDATES_CORE, &["haproxy", "-f"], "haproxy", peers::haproxy(&home, case))?)
            }
            Peer::Headgate => Running::Daemon(daemon(peers::PEER)?),
        };
        let headgate = daemon(peers::HEADGATE)?;
        for port in [peers::BACKEND, peers::PEER, peers::HEADGATE] {
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            wait_for(PATIENCE, "a server listens", || {
                ns.enter(|| TcpStream::connect(address)).is_ok_and(|c| c.is_ok())
            })?;
        }
        Ok(Self { headgate, peer, _backend: backend, topology })
    }

    /// Ours and the peer's. `swapped`: the peer's load begins first.
    pub(super) fn measure(&self, case: Case, window: Duration, swapped: bool) -> Result<(Measured, Measured)> {
        let seconds = window.as_secs().max(1).to_string();
        for port in [peers::HEADGATE, peers::PEER] {
            self.check(case, port)?;
            let mut load = self.load(case, port, WARM_UP)?;
            finished(&mut load)?;
        }
        let pids = (self.headgate.pid(), self.peer.pid());
        let before = (ran(pids.0)?, ran(pids.1)?);
        let first = if swapped { [peers::PEER, peers::HEADGATE] } else { [peers::HEADGATE, peers::PEER] };
        let mut loads = [self.load(case, first[0], &seconds)?, self.load(case, first[1], &seconds)?];
        let [one, other] = &mut loads;
        let results = [finished(one)?, finished(other)?];
        let after = (ran(pids.0)?, ran(pids.1)?);
        let (ours, theirs) = if swapped { (1, 0) } else { (0, 1) };
        let measured = |index: usize, before: Duration, after: Duration| {
            let (requests, p99) = results[index];
            Measured { microseconds: after.saturating_sub(before).as_secs_f64() * 1e6 / requests as f64, p99, requests }
        };
        Ok((measured(ours, before.0, after.0), measured(theirs, before.1, after.1)))
    }

    fn url(case: Case, port: u16) -> String {
        let scheme = if case.is_tls() { "https" } else { "http" };
        let path = if case == Case::Post32 { "post" } else { "body" };
        format!("{scheme}://127.0.0.1:{port}/{path}")
    }

    fn load(&self, case: Case, port: u16, seconds: &str) -> Result<Process> {
        let (core, connections) = (LOAD_CORE.to_string(), case.connections().to_string());
        let ns = self.topology.director();
        let script = ns.directory().join("load.lua");
        let script = script.to_str().context("the folder has an odd name")?;
        let url = Self::url(case, port);
        let wrk = ["taskset", "-c", &core, "wrk", "-t", "1", "-c", &connections, "-d", seconds];
        ns.spawn(&[&wrk[..], &["--timeout", "10", "--latency", "-s", script, &url]].concat())
    }

    /// That the whole body comes through.
    fn check(&self, case: Case, port: u16) -> Result<()> {
        let url = Self::url(case, port);
        let data: &[&str] = if case == Case::Post32 { &["-d", "x"] } else { &[] };
        let curl = ["curl", "-sk", "--max-time", "10", "-w", "%{http_code} %{size_download}", "-o", "/dev/null"];
        let got = self.topology.director().run(&[&curl[..], data, &[&url]].concat())?;
        ensure!(got.trim() == format!("200 {}", case.size()), "port {port} answers {got}");
        Ok(())
    }
}

fn certificate(ns: &Namespace, home: &str) -> Result<()> {
    let (key, cert) = (format!("{home}/a.key"), format!("{home}/a.pem"));
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=perf"];
    ns.run(&[&["openssl", "req", "-x509", "-keyout", &key, "-out", &cert][..], &curve].concat())?;
    fs::write(format!("{home}/both.pem"), fs::read_to_string(&cert)? + &fs::read_to_string(&key)?)?;
    Ok(())
}

fn finished(load: &mut Process) -> Result<(u64, f64)> {
    let status = load.wait(Duration::from_mins(2))?;
    ensure!(status.success(), "wrk: {status}\n{}", load.log());
    parse(&load.log())
}

/// How long the threads of a process and its descendants have been on a core.
fn ran(pid: u32) -> Result<Duration> {
    let mut all = Duration::ZERO;
    let mut processes = vec![pid.to_string()];
    while let Some(process) = processes.pop() {
        for thread in fs::read_dir(format!("/proc/{process}/task"))? {
            let thread = thread?.path();
            let text = fs::read_to_string(thread.join("schedstat"))?;
            let nanoseconds = text.split_whitespace().next().ok_or_else(|| anyhow!("schedstat is empty"))?;
            all += Duration::from_nanos(nanoseconds.parse()?);
            processes.extend(fs::read_to_string(thread.join("children"))?.split_whitespace().map(str::to_owned));
        }
    }
    Ok(all)
}

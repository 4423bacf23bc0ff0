//! Three namespaces with one of the candidates in the middle, a generator at one end and a counting drain at the other.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use headgate_testbed::topology::plan::VIP;
use headgate_testbed::{Daemon, Namespace, Topology, wait_for};
use headgate_xsk::generator::Generator;
use serde::Serialize;

use super::FLOWS;
use crate::packets::udp4;

const GENERATOR_CORE: usize = 0;
const WORKER_CORE: usize = 1;
/// The name of the daemon's first worker thread.
const WORKER_THREAD: &str = "dp-0";
const PORT: u16 = 80;
const SERVER_PORT: u16 = 8080;
/// Packets between two looks at whether to stop; some milliseconds.
const SLICE: u32 = 16 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);

/// A topology that forwards. The daemon stops before the namespaces go.
pub(super) struct Bed {
    _daemon: Option<Daemon>,
    topology: Topology,
    /// The `schedstat` file of the thread that does the work.
    worker: PathBuf,
}

/// What a measurement saw.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Rate {
    /// Packets per second.
    pub(super) per_second: f64,
    /// Packets per second that the worker's thread was on its core: what others on the core take away is not in it.
    pub(super) per_worker_second: f64,
}

impl Bed {
    pub(super) fn headgate(binary: &Path) -> Result<Self> {
        let topology = topology()?;
        let config = format!(
            "[dataplane]\ninterfaces = {:?}\nconnections = 65536\nworkers = [{WORKER_CORE}]\n\
             [[service]]\nname = \"perf\"\nprotocol = \"udp\"\naddress = \"{VIP}:{PORT}\"\nscheduler = \"rr\"\nforward = \"nat\"\n\
             [[service.server]]\naddress = \"{}:{SERVER_PORT}\"\n",
            topology.director_devices(),
            topology.server(0).v4()
        );
        let daemon = Daemon::start(topology.director(), binary, &config)?;
        // A thread names itself once it runs.
        wait_for(PATIENCE, "the worker's thread", || thread_of(daemon.pid(), WORKER_THREAD).is_ok())?;
        let worker = thread_of(daemon.pid(), WORKER_THREAD)?;
        Ok(Self { _daemon: Some(daemon), topology, worker })
    }

    pub(super) fn nft() -> Result<Self> {
        let topology = topology()?;
        let director = topology.director();
        let rule = format!(
            "table ip perf {{ chain pre {{ type nat hook prerouting priority dstnat; \
             ip daddr {VIP} udp dport {PORT} dnat to {}:{SERVER_PORT}; }}; }}",
            topology.server(0).v4()
        );
        director.run(&["nft", &rule])?;
        // Redirected frames need a peer with NAPI, which veth has with GRO on. Its thread is what is pinned.
        director.run(&["ethtool", "-K", director.device(), "gro", "on"])?;
        let before = napi_threads(director.device())?;
        director.run(&["sh", "-c", &format!("echo 1 > /sys/class/net/{}/threaded", director.device())])?;
        let mut threads = napi_threads(director.device())?;
        threads.retain(|pid| !before.contains(pid));
        let [pid] = threads[..] else { bail!("{} new NAPI threads for {}", threads.len(), director.device()) };
        director.run(&["taskset", "-pc", &WORKER_CORE.to_string(), &pid.to_string()])?;
        Ok(Self { _daemon: None, topology, worker: format!("/proc/{pid}/schedstat").into() })
    }

    /// How many packets arrive at the server.
    pub(super) fn measure(&self, warm_up: Duration, window: Duration) -> Result<Rate> {
        let client = self.topology.client();
        let mut frame = udp4((client.v4(), 0), (VIP, PORT));
        frame[..6].copy_from_slice(&self.topology.director().mac());
        frame[6..12].copy_from_slice(&client.mac());
        let generator = Generator::new(frame, FLOWS)?;
        let device = client.run(&["cat", &format!("/sys/class/net/{}/ifindex", client.device())])?;
        let ifindex = device.trim().parse().with_context(|| format!("interface index {device:?}"))?;

        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let sender = client.thread("generator", move || -> Result<()> {
            ensure!(core_affinity::set_for_current(core_affinity::CoreId { id: GENERATOR_CORE }), "cannot pin");
            while !told.load(Ordering::Relaxed) {
                generator.run(ifindex, SLICE).context("BPF_PROG_TEST_RUN")?;
            }
            Ok(())
        })?;
        let counted = self.count(warm_up, window);
        stop.store(true, Ordering::Relaxed);
        sender.join().map_err(|_| anyhow!("the generator panicked"))???;
        counted
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a measurement lasts as long as it lasts; nothing is synchronised by it"
    )]
    fn count(&self, warm_up: Duration, window: Duration) -> Result<Rate> {
        let server = self.topology.server(0);
        let received = || received(server, server.device());
        let first = received()?.0;
        wait_for(PATIENCE, "packets at the server", || received().is_ok_and(|now| now.0 > first + 1000))?;
        sleep(warm_up);
        let ((before, start), ran_before) = (received()?, self.ran()?);
        sleep(window);
        let ((after, end), ran) = (received()?, self.ran()?);
        ensure!(after > before && ran > ran_before, "no packets arrive at the server");
        let packets = (after - before) as f64;
        Ok(Rate {
            per_second: packets / (end - start).as_secs_f64(),
            per_worker_second: packets / ran.saturating_sub(ran_before).as_secs_f64(),
        })
    }

    /// How long the worker's thread has been on its core.
    fn ran(&self) -> Result<Duration> {
        let text = std::fs::read_to_string(&self.worker).with_context(|| format!("read {}", self.worker.display()))?;
        let nanoseconds = text.split_whitespace().next().context("schedstat is empty")?;
        Ok(Duration::from_nanos(nanoseconds.parse()?))
    }
}

/// The `schedstat` file of a thread of this name in a process or its descendants.
fn thread_of(pid: u32, name: &str) -> Result<PathBuf> {
    let mut processes = vec![pid.to_string()];
    while let Some(process) = processes.pop() {
        for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
            let thread = thread?.path();
            if std::fs::read_to_string(thread.join("comm")).is_ok_and(|comm| comm.trim() == name) {
                return Ok(thread.join("schedstat"));
            }
            let children = std::fs::read_to_string(thread.join("children"))?;
            processes.extend(children.split_whitespace().map(str::to_owned));
        }
    }
    bail!("process {pid} has no thread {name}")
}

fn topology() -> Result<Topology> {
    let topology = Topology::new("l4").permanent_neighbours().build()?;
    let server = topology.server(0);
    server.run(&[
        "nft",
        &format!(
            "table netdev perf {{ chain sink {{ type filter hook ingress device {} priority 0; policy drop; }}; }}",
            server.device()
        ),
    ])?;
    Ok(topology)
}

/// Packets that a device has received so far, and when.
fn received(ns: &Namespace, device: &str) -> Result<(u64, Instant)> {
    let (table, when) = ns.enter(|| (std::fs::read_to_string("/proc/thread-self/net/dev"), Instant::now()))?;
    let table = table?;
    let line = table.lines().find_map(|line| line.trim_start().strip_prefix(device)?.strip_prefix(':'));
    let packets = line.and_then(|line| line.split_whitespace().nth(1)).context("the device is not listed")?;
    Ok((packets.parse()?, when))
}

/// Process ids of the kernel's NAPI threads for devices of this name.
fn napi_threads(device: &str) -> Result<Vec<u32>> {
    let prefix = format!("napi/{device}-");
    let mut pids = Vec::new();
    for process in std::fs::read_dir("/proc")? {
        let process = process?;
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process may end meanwhile.
        let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        if name.starts_with(&prefix) {
            pids.push(pid);
        }
    }
    Ok(pids)
}

//! Health checks: whether servers work is asked again and again, by tasks of the control thread.
//!
//! * [`check`]: what is asked, and how often
//! * [`machine`]: what follows from the answers, without I/O and clock
//! * `probe`: asking
//!
//! Equal checks of the same address are one, whoever wants to know.

pub mod check;
pub mod machine;
mod probe;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use headgate_l7::clock::millis;
use headgate_l7::upstream::Server;
use tokio::task::AbortHandle;

pub use check::{Check, Kind};
use machine::{Machine, Verdict};

/// The first checks of many servers are spread over this time, or over an interval if that is shorter.
const SPREAD: Duration = Duration::from_secs(1);

/// What is to be checked.
#[derive(Debug)]
pub struct Wanted {
    pub server: Arc<Server>,
    pub check: Arc<Check>,
}

/// All checks that run.
#[derive(Debug, Default)]
pub struct Health {
    running: HashMap<SocketAddr, Vec<Running>>,
}

#[derive(Debug)]
struct Running {
    check: Arc<Check>,
    told: Arc<Told>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Who is told, and what the last word was.
#[derive(Debug)]
struct Told {
    servers: Mutex<Vec<Arc<Server>>>,
    status: Mutex<Status>,
}

/// What a check says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Before the first answer nobody knows.
    pub verdict: Option<Verdict>,
    /// Since when, in milliseconds of the proxy's clock.
    pub since: u64,
    /// What was wrong the last time something was.
    pub reason: Option<String>,
}

impl Health {
    /// Goes over to these checks. What was checked so before keeps its state; what is no longer checked is taken for well.
    pub fn apply(&mut self, wanted: Vec<Wanted>) {
        let before = std::mem::take(&mut self.running);
        let all_before = before.values().flatten().flat_map(|running| running.told.servers());
        let mut left: Vec<Arc<Server>> = all_before.collect();
        let mut before = before;
        for Wanted { server, check } in wanted {
            let same = |known: &Arc<Server>| known.name() == server.name() && known.address() == server.address();
            left.retain(|known| !same(known));
            let target = check.target(server.address());
            let here = self.running.entry(target).or_default();
            if let Some(known) = here.iter().find(|known| known.check == check) {
                known.told.add(server);
                continue;
            }
            let known = before.get_mut(&target).and_then(|known| {
                let at = known.iter().position(|known| known.check == check)?;
                Some(known.swap_remove(at))
            });
            let running = known.map_or_else(|| Running::start(target, Arc::clone(&check)), Running::forget_servers);
            running.told.add(server);
            here.push(running);
        }
        for server in left {
            server.set_checked(true, millis());
        }
    }

    /// What the check of a server says.
    pub fn status(&self, server: &Server, check: &Check) -> Option<Status> {
        let running = self.running.get(&check.target(server.address()))?;
        let known = running.iter().find(|known| *known.check == *check)?;
        Some(known.told.status.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Running {
    fn start(target: SocketAddr, check: Arc<Check>) -> Self {
        let status = Status { verdict: None, since: millis(), reason: None };
        let told = Arc::new(Told { servers: Mutex::default(), status: Mutex::new(status) });
        let task = tokio::spawn(run(target, Arc::clone(&check), Arc::clone(&told))).abort_handle();
        Self { check, told, task }
    }

    fn forget_servers(self) -> Self {
        self.told.lock().clear();
        self
    }
}

impl Told {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Server>>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn servers(&self) -> Vec<Arc<Server>> {
        self.lock().clone()
    }

    /// The server is told what is known so far, and from now on.
    fn add(&self, server: Arc<Server>) {
        let down = self.status.lock().unwrap_or_else(PoisonError::into_inner).verdict == Some(Verdict::Down);
        server.set_checked(!down, millis());
        self.lock().push(server);
    }

    fn tell(&self, verdict: Verdict, now: u64) {
        for server in self.lock().iter() {
            server.set_checked(verdict == Verdict::Up, now);
        }
    }
}

/// Checks until it is ended.
async fn run(target: SocketAddr, check: Arc<Check>, told: Arc<Told>) {
    let spread = check.interval.min(SPREAD).as_millis() as u64;
    let first = RandomState::new().hash_one(target) % spread.max(1);
    let mut machine = Machine::new(check.rise, check.fall, check.interval, millis() + first);
    loop {
        tokio::time::sleep(Duration::from_millis(machine.next().saturating_sub(millis()))).await;
        machine.begin(millis());
        let asked = tokio::time::timeout(check.timeout, probe::probe(target, &check.kind)).await;
        let result = asked.unwrap_or_else(|_| Err(format!("no answer within {:?}", check.timeout)));
        let (now, reason) = (millis(), result.err());
        let change = machine.on_result(reason.is_none());
        if let Some(verdict) = change {
            told.tell(verdict, now);
            match verdict {
                Verdict::Up => {
                    tracing::info!(server = %target, check = %check.kind, "the server passes its check again");
                }
                Verdict::Down => {
                    let reason = reason.as_deref().unwrap_or_default();
                    tracing::warn!(server = %target, check = %check.kind, "the server fails its check: {reason}");
                }
            }
        }
        let mut status = told.status.lock().unwrap_or_else(PoisonError::into_inner);
        if change.is_some() || status.verdict.is_none() {
            (status.verdict, status.since) = (Some(machine.verdict()), now);
        }
        if reason.is_some() {
            status.reason = reason;
        }
    }
}

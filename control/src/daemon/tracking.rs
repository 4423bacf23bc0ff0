//! Finds out how it is with what virtual routers track, and tells them.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::program;
use crate::vrrp::Instance;
use crate::vrrp::track::{Script, Track, Tracked, Verdict};

/// Of which router, which of its tracks, and how it is.
pub type Finding = (String, usize, Verdict);

/// The tasks that look, one for each thing that is tracked.
#[derive(Debug)]
pub struct Tracking {
    tasks: Vec<Task>,
    findings: mpsc::UnboundedReceiver<Finding>,
    sender: mpsc::UnboundedSender<Finding>,
    /// What the daemon has found out itself, by router and track.
    own: HashMap<(String, usize), Verdict>,
}

#[derive(Debug)]
struct Task {
    router: String,
    index: usize,
    track: Track,
    handle: JoinHandle<()>,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

impl Tracking {
    pub fn new() -> Self {
        let (sender, findings) = mpsc::unbounded_channel();
        Self { tasks: Vec::new(), findings, sender, own: HashMap::new() }
    }

    /// Looks at what these track from now on. What is tracked as before goes on undisturbed.
    pub fn apply(&mut self, instances: &[Instance]) {
        // The lists may be others now.
        self.own.clear();
        let mut before = std::mem::take(&mut self.tasks);
        for instance in instances {
            for (index, track) in instance.tracks.iter().enumerate() {
                let router = &instance.router.name;
                let same = |task: &Task| task.router == *router && task.index == index && task.track == *track;
                let task = match before.iter().position(same) {
                    Some(at) => Some(before.swap_remove(at)),
                    None => start(router, index, track, self.sender.clone()),
                };
                self.tasks.extend(task);
            }
        }
    }

    /// May be dropped while waiting without losing anything.
    pub async fn next(&mut self) -> Finding {
        match self.findings.recv().await {
            Some(finding) => finding,
            // Cannot be: we have a sender ourselves.
            None => std::future::pending().await,
        }
    }

    /// Whether the virtual routers do not know this yet.
    pub fn is_news(&mut self, router: &str, track: usize, verdict: &Verdict) -> bool {
        let known = self.own.insert((router.to_owned(), track), verdict.clone());
        known.as_ref() != Some(verdict)
    }
}

/// `None`: somebody else looks (the threads of the virtual routers at interfaces, the daemon at its services and upstreams).
fn start(router: &str, index: usize, track: &Track, sender: mpsc::UnboundedSender<Finding>) -> Option<Task> {
    let name = router.to_owned();
    let tell = move |verdict| drop(sender.send((name.clone(), index, verdict)));
    let handle = match track.what.clone() {
        Tracked::Script(script) => tokio::task::spawn_local(watch_script(script, tell)),
        Tracked::File { path, interval } => tokio::task::spawn_local(watch(interval, move || number_in(&path), tell)),
        Tracked::Process { name, interval } => tokio::task::spawn_local(watch(interval, move || runs(&name), tell)),
        Tracked::Interface(_) | Tracked::Upstream(_) | Tracked::Service(_) => return None,
    };
    Some(Task { router: router.to_owned(), index, track: track.clone(), handle })
}

/// Tells each change.
async fn watch(interval: Duration, look: impl Fn() -> Verdict, tell: impl Fn(Verdict)) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last = None;
    loop {
        ticks.tick().await;
        let verdict = look();
        if last.as_ref() != Some(&verdict) {
            last = Some(verdict.clone());
            tell(verdict);
        }
    }
}

async fn watch_script(script: Script, tell: impl Fn(Verdict)) {
    let mut ticks = tokio::time::interval(script.interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut last, mut row) = (None, 0);
    loop {
        ticks.tick().await;
        let result = program::run(&script.command, &[], script.timeout).await;
        let verdict = result.map_or_else(|why| Verdict::Bad(why.into()), |()| Verdict::Good);
        let good = verdict == Verdict::Good;
        // The first result counts at once.
        let Some(known) = last else {
            last = Some(good);
            tell(verdict);
            continue;
        };
        row = if good == known { 0 } else { row + 1 };
        if row >= if good { script.rise } else { script.fall } && good != known {
            (last, row) = (Some(good), 0);
            tell(verdict);
        }
    }
}

/// 0 while there is none, as in keepalived.
fn number_in(path: &Path) -> Verdict {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    Verdict::Number(text.trim().parse().unwrap_or(0))
}

fn runs(name: &str) -> Verdict {
    // The kernel keeps the first 15 bytes.
    let comm = &name.as_bytes()[..name.len().min(15)];
    let is = |entry: &std::fs::DirEntry| {
        entry.file_name().to_str().is_some_and(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()))
            && std::fs::read(entry.path().join("comm")).is_ok_and(|found| found.trim_ascii_end() == comm)
    };
    let found = std::fs::read_dir("/proc").is_ok_and(|entries| entries.flatten().any(|entry| is(&entry)));
    if found { Verdict::Good } else { Verdict::Bad("it does not run".into()) }
}

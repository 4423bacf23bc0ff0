//! Tests against the kernel, each in network namespaces of its own.
//!
//! They need root. Without it they fail, unless `HEADGATE_UNPRIVILEGED=1` says that this is intended; then they print the reason.

use std::fs::File;
use std::net::IpAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use tokio::sync::watch;

use super::mirror::{Mirror, Options};
use super::state::NetState;

mod addresses;
mod follow;
mod resolution;

/// A network namespace, removed on drop.
pub(super) struct Namespace {
    name: String,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Namespace {
    pub(super) fn new() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let namespace = Self { name: format!("hgnl-{}-{number}", std::process::id()) };
        run("ip", &["netns", "add", &namespace.name]);
        namespace.ip("link set lo up");
        namespace
    }

    /// Runs `ip` with these words in the namespace; its output.
    pub(super) fn ip(&self, words: &str) -> String {
        let mut arguments = vec!["-n", self.name.as_str()];
        arguments.extend(words.split_whitespace());
        run("ip", &arguments)
    }

    /// Sets a sysctl, given as a path below /proc/sys.
    fn set(&self, path: &str, value: &str) {
        run("ip", &["netns", "exec", &self.name, "sh", "-c", &format!("echo {value} > /proc/sys/{path}")]);
    }

    /// `ip -j` with these words, parsed.
    fn json(&self, words: &str) -> Vec<serde_json::Value> {
        let text = self.ip(&format!("-j {words}"));
        if text.trim().is_empty() { Vec::new() } else { serde_json::from_str(&text).unwrap() }
    }

    /// Runs a test on a thread of its own inside the namespace, on a current-thread runtime.
    pub(super) fn block_on<F: Future<Output = ()>>(&self, test: impl FnOnce() -> F + Send) {
        let namespace = File::open(format!("/run/netns/{}", self.name)).unwrap();
        let done = std::thread::scope(|scope| {
            scope
                .spawn(move || {
                    setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
                    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test());
                })
                .join()
        });
        if let Err(panic) = done {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {}: {error}", arguments.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

/// Whether the test may run; prints why not, or panics when nobody allowed to leave it out.
pub(super) fn privileged() -> bool {
    if nix::unistd::geteuid().is_root() {
        return true;
    }
    let allowed = std::env::var("HEADGATE_UNPRIVILEGED").is_ok_and(|value| value == "1");
    assert!(allowed, "needs root for network namespaces; set HEADGATE_UNPRIVILEGED=1 to leave such tests out");
    println!("left out: needs root for network namespaces");
    false
}

/// Starts a mirror on this thread's runtime.
async fn mirror() -> watch::Receiver<Arc<NetState>> {
    let mirror = Mirror::open(Options::default()).await.unwrap();
    let states = mirror.subscribe();
    tokio::spawn(mirror.run());
    states
}

/// Waits until a published state fulfils the condition, the one that is current included.
pub(super) async fn wait_for(
    states: &mut watch::Receiver<Arc<NetState>>,
    what: &str,
    fulfils: impl Fn(&NetState) -> bool,
) {
    let waited = tokio::time::timeout(Duration::from_secs(20), states.wait_for(|state| fulfils(state))).await;
    let seen = waited.map(|seen| seen.is_ok());
    assert!(seen.is_ok(), "{what}: not seen within 20 s in {:#?}", states.borrow());
    assert_eq!(seen, Ok(true), "{what}: the mirror ended");
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

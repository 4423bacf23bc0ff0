//! Network namespaces joined by veth pairs, removed again whatever happens.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub mod wire;

/// Whether the tests of this file may run.
///
/// # Panics
/// Without root, unless HEADGATE_UNPRIVILEGED=1.
pub fn is_root() -> bool {
    // SAFETY: this call cannot fail and touches no memory of ours.
    if unsafe { libc::geteuid() } == 0 {
        return true;
    }
    let allowed = std::env::var("HEADGATE_UNPRIVILEGED").is_ok_and(|value| value == "1");
    assert!(
        allowed,
        "this test makes network namespaces: run it as root, or set HEADGATE_UNPRIVILEGED=1 to leave it out"
    );
    eprintln!("left out: needs root (HEADGATE_UNPRIVILEGED=1)");
    false
}

/// A network namespace of a unique name.
pub struct Namespace {
    pub name: String,
}

impl Namespace {
    pub fn new(role: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("hg-xsk-{}-{}-{role}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        ip(&["netns", "add", &name]);
        let namespace = Self { name };
        // No address, no neighbour discovery, no listener reports: only the frames of the test.
        namespace.run(|| {
            for key in ["all", "default"] {
                let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{key}/disable_ipv6"), "1");
            }
        });
        namespace
    }

    /// Runs `action` on a thread inside the namespace; a panic in it is a panic here.
    pub fn run<T: Send>(&self, action: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter(&self.name);
                action()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    pub fn ip(&self, arguments: &[&str]) {
        ip(&[&["-n", &self.name], arguments].concat());
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let removed = Command::new("ip").args(["netns", "del", &self.name]).status();
        if !removed.is_ok_and(|status| status.success()) {
            eprintln!("namespace {} could not be removed", self.name);
        }
    }
}

/// Moves the calling thread, and only it, to a namespace.
pub fn enter(name: &str) {
    use std::os::fd::AsRawFd;
    let file = std::fs::File::open(format!("/run/netns/{name}")).unwrap();
    // SAFETY: plain system call on a live descriptor.
    assert_eq!(unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) }, 0, "{}", std::io::Error::last_os_error());
}

/// `here` and `there`, and a veth pair of the same name at both ends for each name.
pub struct Pair {
    pub here: Namespace,
    pub there: Namespace,
}

impl Pair {
    pub fn new(devices: &[&str], queues: u32) -> Self {
        let pair = Self { here: Namespace::new("here"), there: Namespace::new("there") };
        let queues = queues.to_string();
        for device in devices {
            let numbers = ["numrxqueues", &queues, "numtxqueues", &queues];
            let near = ["link", "add", device, "netns", &pair.here.name];
            let far = ["type", "veth", "peer", "name", device, "netns", &pair.there.name];
            ip(&[&near[..], &numbers, &far, &numbers].concat());
            pair.here.ip(&["link", "set", device, "up"]);
            pair.there.ip(&["link", "set", device, "up"]);
        }
        pair
    }
}

/// Repeats `step` until it says true.
///
/// # Panics
/// When that takes longer than ten seconds.
pub fn until(what: &str, mut step: impl FnMut() -> bool) {
    let start = Instant::now();
    while !step() {
        assert!(start.elapsed() < Duration::from_secs(10), "waited in vain for: {what}");
        std::thread::yield_now();
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().unwrap();
    assert!(output.status.success(), "ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
}

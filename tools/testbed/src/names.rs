//! Names of what the testbed creates. They carry the pid of their maker, so leftovers of dead processes can be found.

use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::namespace;

/// Where iproute2 keeps named namespaces.
pub(crate) const NETNS_DIR: &str = "/run/netns";

/// `hg<pid>-<counter>`: removed with its owner. `hgk<pid>-<counter>`: kept until somebody removes it by hand.
pub(crate) fn unique_prefix(keep: bool) -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let mark = if keep { "hgk" } else { "hg" };
    format!("{mark}{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// The directory for logs, sockets and configurations of one topology.
pub(crate) fn directory(prefix: &str) -> PathBuf {
    std::env::temp_dir().join(prefix)
}

/// Removes namespaces and directories whose maker has died; once per process.
pub(crate) fn sweep_leftovers() {
    static ONCE: Once = Once::new();
    ONCE.call_once(sweep);
}

pub(crate) fn sweep() {
    remove_where(|pid| !is_alive(pid));
}

/// Removes every topology of this process that is not kept, whoever holds it: for a program that ends without
/// dropping it, such as one interrupted by a signal.
pub fn remove_all() {
    remove_where(|pid| pid == std::process::id());
}

/// Names of all namespaces that belong to topologies with `prefix`.
pub(crate) fn namespaces_of(prefix: &str) -> Vec<String> {
    let start = format!("{prefix}-");
    entries(Path::new(NETNS_DIR)).into_iter().filter(|name| name.starts_with(&start)).collect()
}

fn remove_where(doomed: impl Fn(u32) -> bool) {
    for name in owned_by(Path::new(NETNS_DIR), &doomed) {
        namespace::destroy(&name);
    }
    for name in owned_by(&std::env::temp_dir(), &doomed) {
        // Another process may sweep at the same time; whoever comes second finds nothing.
        let _ = std::fs::remove_dir_all(std::env::temp_dir().join(name));
    }
}

fn owned_by(directory: &Path, doomed: &dyn Fn(u32) -> bool) -> Vec<String> {
    entries(directory).into_iter().filter(|name| owner(name).is_some_and(doomed)).collect()
}

fn entries(directory: &Path) -> Vec<String> {
    let Ok(listing) = std::fs::read_dir(directory) else { return Vec::new() };
    listing.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn owner(name: &str) -> Option<u32> {
    let (pid, _) = name.strip_prefix("hg")?.split_once('-')?;
    pid.parse().ok()
}

fn is_alive(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

#[cfg(test)]
mod tests;

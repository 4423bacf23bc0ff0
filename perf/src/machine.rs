//! On what a figure was measured.

use std::fmt;
use std::fs::read_to_string;

use serde::Serialize;

/// The machine, for the record beside each figure.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    pub kernel: String,
    pub cpu: String,
    pub cores: usize,
    /// Vulnerabilities with a mitigation in force; each costs something per system call.
    pub mitigations: Vec<String>,
    pub transparent_huge_pages: String,
    pub shared_huge_pages: String,
}

impl Machine {
    pub fn detect() -> Self {
        let cpuinfo = read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model =
            cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
        Self {
            kernel: line("/proc/sys/kernel/osrelease"),
            cpu: model.unwrap_or("unknown").to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            mitigations: mitigations(),
            transparent_huge_pages: chosen("/sys/kernel/mm/transparent_hugepage/enabled"),
            shared_huge_pages: chosen("/sys/kernel/mm/transparent_hugepage/shmem_enabled"),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, cpu, cores, mitigations, .. } = self;
        write!(f, "Linux {kernel}, {cores} cores of {cpu}, mitigations: {}", mitigations.join(", "))
    }
}

fn mitigations() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/sys/devices/system/cpu/vulnerabilities") else {
        return Vec::new();
    };
    let mut active: Vec<String> = entries
        .flatten()
        .filter(|entry| read_to_string(entry.path()).is_ok_and(|state| state.starts_with("Mitigation")))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    active.sort();
    active
}

fn line(path: &str) -> String {
    read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// The bracketed word of a sysfs choice.
fn chosen(path: &str) -> String {
    let text = line(path);
    text.split(['[', ']']).nth(1).unwrap_or_default().to_owned()
}

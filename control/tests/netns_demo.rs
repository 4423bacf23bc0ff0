//! `headgate demo` as a user runs it: to its end, interrupted at any time, and kept. Whatever happens, nothing stays behind.

mod common;

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use common::{BINARY, PATIENCE};
use headgate_testbed::{privileged, wait_for};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::Value;

/// The demo promises to take less than 30 seconds.
const TO_THE_END: Duration = Duration::from_mins(1);
const COLUMNS: usize = 80;
const NETNS: &str = "/run/netns";

#[test]
fn as_json_every_step_passes() {
    if !privileged() {
        return;
    }
    let mut demo = Demo::start(&["--json"]);
    assert_eq!(demo.end(), Some(0), "{}", demo.errors());
    let results: Value = serde_json::from_str(&demo.output()).unwrap();
    assert_eq!((&results["version"], &results["ok"]), (&1.into(), &true.into()), "{results:#}");
    let steps = results["steps"].as_array().unwrap();
    let names: Vec<_> = steps.iter().map(|step| step["name"].as_str().unwrap()).collect();
    let expected = [
        "daemon",
        "nat",
        "dr",
        "tunnel",
        "ipv6",
        "drain",
        "services",
        "throughput",
        "status",
        "pair",
        "backup",
        "master",
    ];
    assert_eq!(names, expected);
    for step in steps {
        // Only the step that needs a program of its own may be left out.
        assert!(step["ok"] == true && (step["skipped"] == false || step["name"] == "throughput"), "{step:#}");
        assert!(!step["summary"].as_str().unwrap().is_empty(), "{step:#}");
    }
    let by_server = &steps[1]["details"]["by_server"];
    assert_eq!((&by_server["server-1"], &by_server["server-2"]), (&6.into(), &2.into()));
    let frames = &steps[8]["details"]["dataplane"]["frames"];
    assert!(frames["total"].as_u64() > Some(0) && frames["total"] == frames["accounted"], "{frames}");
    assert_eq!(demo.errors(), "");
    demo.left_nothing();
}

/// Told in 80 columns, then kept: it can be used as the text says, and goes with Enter.
#[test]
fn for_people_it_fits_a_terminal_and_may_be_kept() {
    if !privileged() {
        return;
    }
    let mut demo = Demo::start(&["--keep"]);
    wait_for(TO_THE_END, "the end of the show", || demo.output().contains("Enter or Ctrl-C here")).unwrap();
    let output = demo.output();
    let (show, instructions) = output.split_once("\nIt is all still up.").unwrap();
    for line in show.lines() {
        assert!(line.chars().count() <= COLUMNS && !line.contains('\u{1b}'), "{line:?}");
    }
    assert!(show.contains("0 failed, in "), "{show}");
    assert!(show.matches("[PASS]").count() >= 8, "{show}");

    // The lines are to be pasted into a shell.
    let lines = instructions.lines().map(str::trim);
    let shell = |word: &str| {
        let set: Vec<_> =
            lines.clone().filter(|line| ["N=", "HG=", "S="].iter().any(|start| line.starts_with(start))).collect();
        let line =
            lines.clone().find(|line| line.contains(word)).unwrap_or_else(|| panic!("no {word} in {instructions}"));
        let output = Command::new("sh").args(["-ec", &format!("{}\n{line}", set.join("\n"))]).output().unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_ok() {
        for word in ["# NAT", "# direct", "# tunnel", "# IPv6"] {
            assert!(shell(word).starts_with("server: server-"), "{word}");
        }
    }
    assert!(shell("drain").contains("10.1.0.11:8080: drain, weight 0"));
    assert!(shell(" services").contains("web: up"));
    assert!(shell(" status").contains("demo"));
    assert!(!demo.namespaces().is_empty());
    demo.press_enter();
    assert_eq!(demo.end(), Some(0), "{}", demo.errors());
    demo.left_nothing();
}

#[test]
fn what_is_kept_goes_with_ctrl_c() {
    if !privileged() {
        return;
    }
    let mut demo = Demo::start(&["--keep", "--json"]);
    wait_for(TO_THE_END, "the end of the show", || demo.errors().contains("Enter or Ctrl-C here")).unwrap();
    let results: Value = serde_json::from_str(&demo.output()).unwrap();
    assert_eq!(results["ok"], true);
    demo.ctrl_c();
    assert_eq!(demo.end(), Some(0), "{}", demo.errors());
    demo.left_nothing();
}

/// Ctrl-C reaches the whole process group; what the demo has started is outside of it and must not fail a step.
#[test]
fn ctrl_c_at_any_time_cleans_up() {
    if !privileged() {
        return;
    }
    // The empty moment: while the stage is being set.
    for moment in ["", "\n1. ", "\n2. ", "\n6. ", "iperf3 -c"] {
        let mut demo = Demo::start(&[]);
        let reached = || !demo.namespaces().is_empty() && demo.output().contains(moment);
        wait_for(TO_THE_END, moment, reached).unwrap();
        demo.ctrl_c();
        assert_eq!(demo.end(), Some(130), "at {moment:?}: {}", demo.errors());
        assert_eq!(demo.errors(), "headgate: demo interrupted, cleaning up\n");
        assert!(!demo.output().contains("FAIL"), "{}", demo.output());
        demo.left_nothing();
    }
}

#[test]
fn an_order_to_end_cleans_up_as_well() {
    if !privileged() {
        return;
    }
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let mut demo = Demo::start(&["--json"]);
        wait_for(TO_THE_END, "a namespace", || !demo.namespaces().is_empty()).unwrap();
        demo.remember();
        kill(demo.pid(), signal).unwrap();
        assert_eq!(demo.end(), Some(130), "{}", demo.errors());
        demo.left_nothing();
    }
}

/// A running demo in a process group of its own, as a shell starts it.
struct Demo {
    child: Child,
    directory: PathBuf,
    /// Inodes of its namespaces, by which processes in them are found.
    inodes: BTreeSet<u64>,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("headgate-demo-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).unwrap();
        let file = |name: &str| File::create(directory.join(name)).unwrap();
        let child = Command::new(BINARY)
            .arg("demo")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(file("output"))
            .stderr(file("errors"))
            .process_group(0)
            .spawn()
            .unwrap();
        Self { child, directory, inodes: BTreeSet::new() }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    fn output(&self) -> String {
        std::fs::read_to_string(self.directory.join("output")).unwrap()
    }

    fn errors(&self) -> String {
        std::fs::read_to_string(self.directory.join("errors")).unwrap()
    }

    fn press_enter(&mut self) {
        use std::io::Write;
        self.remember();
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    fn ctrl_c(&mut self) {
        self.remember();
        killpg(self.pid(), Signal::SIGINT).unwrap();
    }

    /// Waits for the end; the exit code.
    fn end(&mut self) -> Option<i32> {
        let mut status = None;
        wait_for(TO_THE_END, "the end of the demo", || {
            self.remember();
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .unwrap();
        status.unwrap().code()
    }

    /// Names of its namespaces that are there now.
    fn namespaces(&self) -> Vec<String> {
        let start = format!("hg{}-", self.child.id());
        let entries = std::fs::read_dir(NETNS).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.starts_with(&start))
            .collect()
    }

    fn remember(&mut self) {
        let inode = |name: &String| std::fs::metadata(format!("{NETNS}/{name}")).ok().map(|found| found.ino());
        let inodes: Vec<_> = self.namespaces().iter().filter_map(inode).collect();
        self.inodes.extend(inodes);
    }

    /// No namespace, no directory, and no process in a namespace that was there.
    fn left_nothing(&self) {
        assert!(!self.inodes.is_empty(), "no namespace was ever seen");
        assert_eq!(self.namespaces(), Vec::<String>::new());
        let start = format!("hg{}-", self.child.id());
        let temporary = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten();
        let left: Vec<_> = temporary.filter(|entry| entry.file_name().to_string_lossy().starts_with(&start)).collect();
        assert!(left.is_empty(), "{left:?}");
        // What was killed last may take a moment to vanish.
        wait_for(PATIENCE, "the end of all its processes", || !self.has_processes()).unwrap();
    }

    fn has_processes(&self) -> bool {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let mut namespaces = processes.filter_map(|process| std::fs::metadata(process.path().join("ns/net")).ok());
        namespaces.any(|namespace| self.inodes.contains(&namespace.ino()))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = kill(self.pid(), Signal::SIGTERM);
            let _ = wait_for(PATIENCE, "its end", || self.child.try_wait().is_ok_and(|status| status.is_some()));
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- output ---\n{}--- errors ---\n{}", self.output(), self.errors());
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

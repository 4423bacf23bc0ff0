//! One network namespace: commands, processes, threads and sockets inside it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context, Result, bail, ensure};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::names::NETNS_DIR;
use crate::process::Process;

/// A handle to a named namespace that a [`crate::Topology`] owns; cheap to clone.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: Arc<str>,
    directory: Arc<Path>,
}

impl Namespace {
    pub(crate) fn create(name: &str, directory: &Path) -> Result<Self> {
        host_command(&["ip", "netns", "add", name])?;
        Ok(Self { name: name.into(), directory: directory.into() })
    }

    /// The name under `ip netns`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The topology's directory for logs, sockets and configurations; removed with it.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Runs a command in the namespace and returns its standard output.
    ///
    /// # Errors
    /// When it cannot be started or exits non-zero; the message holds all of its output.
    pub fn run(&self, command: &[&str]) -> Result<String> {
        succeeded(command, self.output(command)?)
    }

    /// Runs a command in the namespace to its end, whatever its exit code.
    pub fn output(&self, command: &[&str]) -> Result<Output> {
        self.command(command)?.stdin(Stdio::null()).output().with_context(|| format!("start {}", command.join(" ")))
    }

    /// Starts a process in the namespace. Its output goes to a log file; it is killed when the handle is dropped.
    pub fn spawn(&self, command: &[&str]) -> Result<Process> {
        Process::start(self.command(command)?, command.first().copied().unwrap_or_default(), &self.directory)
    }

    /// A [`Command`] that will run inside the namespace, under its own pid (`ip netns exec` replaces itself), with
    /// the namespace's `/sys`.
    pub fn command<S: AsRef<OsStr>>(&self, command: &[S]) -> Result<Command> {
        ensure!(!command.is_empty(), "empty command");
        let mut result = program("ip");
        result.args(["netns", "exec", &self.name]).args(command);
        Ok(result)
    }

    /// Runs `work` on a thread inside the namespace and waits for it. Sockets made there stay there and may be used
    /// from any thread.
    ///
    /// # Panics
    /// Passes on a panic of `work`.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let file = self.open()?;
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(file, CloneFlags::CLONE_NEWNET)?;
                Ok(work())
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Starts a thread inside the namespace; threads it starts are inside as well.
    pub fn thread<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<Result<T>>> {
        let file = self.open()?;
        let inside = move || {
            setns(file, CloneFlags::CLONE_NEWNET)?;
            Ok(work())
        };
        Ok(std::thread::Builder::new().name(name.to_owned()).spawn(inside)?)
    }

    /// Sets `net.*` values; the key has the form `ipv4/ip_forward`.
    pub fn sysctl(&self, values: &[(&str, &str)]) -> Result<()> {
        self.enter(|| {
            for (key, value) in values {
                let path = Path::new("/proc/sys/net").join(key);
                std::fs::write(&path, value).with_context(|| format!("write {value} to {}", path.display()))?;
            }
            Ok(())
        })?
    }

    /// Executes lines of `ip -batch` in the namespace: one process for many settings.
    pub fn ip(&self, lines: &str) -> Result<()> {
        let mut child = program("ip")
            .args(["-n", &self.name, "-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("start ip")?;
        let written = child.stdin.take().map(|mut input| input.write_all(lines.as_bytes()));
        let output = child.wait_with_output()?;
        ensure!(
            output.status.success() && matches!(written, Some(Ok(()))),
            "ip batch in {} failed: {}\n{lines}",
            self.name,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    fn open(&self) -> Result<File> {
        let path = namespace_path(&self.name);
        File::open(&path).with_context(|| format!("open namespace {}", path.display()))
    }
}

/// Kills the processes of a namespace and deletes it. Errors mean that it is gone already.
pub(crate) fn destroy(name: &str) {
    for pid in host_command(&["ip", "netns", "pids", name]).unwrap_or_default().split_whitespace() {
        if let Ok(pid) = pid.parse::<i32>() {
            // A thread of this very process may be inside; it ends with its handle.
            if pid as u32 != std::process::id() {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }
    let _ = host_command(&["ip", "netns", "del", name]);
}

/// In a process group of its own: the Ctrl-C of a terminal reaches only this process, which ends the others in order.
fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.process_group(0);
    command
}

fn namespace_path(name: &str) -> PathBuf {
    Path::new(NETNS_DIR).join(name)
}

fn host_command(command: &[&str]) -> Result<String> {
    let output = program(command[0])
        .args(&command[1..])
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("start {}", command[0]))?;
    succeeded(command, output)
}

fn succeeded(command: &[&str], output: Output) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    bail!(
        "{} failed ({}):\n{}{}",
        command.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

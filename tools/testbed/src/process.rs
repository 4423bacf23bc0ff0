//! A child process whose output goes to a log file and which does not outlive its handle.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait::wait_for;

/// A running child; killed and reaped on drop.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
    label: String,
}

impl Process {
    pub(crate) fn start(mut command: Command, label: &str, directory: &Path) -> Result<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let label = Path::new(label).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let log = directory.join(format!("{label}-{}.log", COUNTER.fetch_add(1, Ordering::Relaxed)));
        let output = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("start {label}"))?;
        Ok(Self { child, log, label })
    }

    /// The pid of the process itself, not of a wrapper.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All it has written to standard output and standard error so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Where the log is.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Sends a signal; an ended process is no error.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        // A reaped pid may belong to somebody else.
        if self.exited()?.is_none() {
            kill(Pid::from_raw(self.child.id() as i32), signal).with_context(|| format!("signal {}", self.label))?;
        }
        Ok(())
    }

    /// The exit status if it has ended.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("wait for {}", self.label))
    }

    /// Waits for its end.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let mut status = None;
        let what = format!("the end of {} (pid {})", self.label, self.child.id());
        wait_for(deadline, &what, || {
            status = self.child.try_wait().ok().flatten();
            status.is_some()
        })?;
        status.context("no exit status")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a process that has been reaped, which is the goal.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

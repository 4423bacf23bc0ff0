//! Programs that the daemon runs: tracking and notify scripts, and health checks.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, User};
use tokio::process::Command as Process;

/// A program with its arguments; no shell has to do with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub words: Vec<String>,
    /// Else the user of the daemon.
    pub user: Option<String>,
}

/// Runs it to its end; it and all it has started that stayed in its process group are killed when it takes too long, or when this is
/// dropped.
///
/// # Errors
/// Why it did not end with status 0, in words.
pub async fn run(command: &Command, more: &[&str], timeout: Duration) -> Result<(), String> {
    let status = status(command, more, &[], timeout).await?;
    if status.success() { Ok(()) } else { Err(status.to_string()) }
}

/// The same, with more variables in its environment. How it ended.
///
/// # Errors
/// When it did not start, or not end in time, in words.
pub async fn status(
    command: &Command,
    more: &[&str],
    environment: &[(&str, String)],
    timeout: Duration,
) -> Result<ExitStatus, String> {
    let (program, arguments) = command.words.split_first().ok_or("no program")?;
    let mut process = Process::new(program);
    process.args(arguments).args(more).process_group(0);
    process.envs(environment.iter().map(|(name, value)| (name, value)));
    process.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(name) = &command.user {
        let user = User::from_name(name).map_err(|error| format!("user {name}: {error}"))?;
        let user = user.ok_or_else(|| format!("there is no user {name}"))?;
        process.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    let mut child = process.spawn().map_err(|error| format!("cannot be run: {error}"))?;
    let mut group = Group(child.id());
    match tokio::time::timeout(timeout, child.wait()).await {
        Ok(Ok(status)) => {
            group.0 = None;
            Ok(status)
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => {
            drop(group);
            let _ = child.wait().await;
            Err(format!("did not end within {} ms", timeout.as_millis()))
        }
    }
}

/// Killed when dropped.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0.and_then(|leader| i32::try_from(leader).ok()) {
            // It may be gone by now.
            let _ = killpg(Pid::from_raw(leader), Signal::SIGKILL);
        }
    }
}

#[cfg(test)]
mod tests;

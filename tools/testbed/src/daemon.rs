//! `headgate run` in a namespace, and the client commands that talk to it.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;

use crate::{Namespace, Process};

/// How long the daemon may take to become ready or to stop; generous, since test machines are loaded.
const DEADLINE: Duration = Duration::from_secs(20);
/// How long a dropped daemon may take for an orderly end.
const DROP_DEADLINE: Duration = Duration::from_secs(5);
/// Stands for the daemon's own directory in a configuration.
pub const DIRECTORY: &str = "@DIR@";
const CONFIG_FILE: &str = "headgate.toml";

/// A running daemon; stopped on drop. When that happens in a panic, its log and counters are printed first.
#[derive(Debug)]
pub struct Daemon {
    process: Process,
    setup: Setup,
}

/// All that a start needs.
#[derive(Clone, Debug)]
struct Setup {
    ns: Namespace,
    binary: PathBuf,
    directory: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Daemon {
    /// Writes `config` to a file, starts `binary run -c FILE` in the namespace and waits for its `READY=1`.
    ///
    /// The control socket is `@DIR@/headgate.sock`: a configuration without `[control]` gets that section, and
    /// `@DIR@` is replaced everywhere.
    ///
    /// # Errors
    /// With the daemon's log when it exits or is not ready within 20 s.
    pub fn start(ns: &Namespace, binary: impl AsRef<Path>, config: &str) -> Result<Self> {
        Self::start_with(ns, binary, config, &[], &[])
    }

    /// As [`Self::start`], with more arguments of `run` and environment variables.
    pub fn start_with(
        ns: &Namespace,
        binary: impl AsRef<Path>,
        config: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let directory = ns.directory().join(format!("daemon-{}", COUNTER.fetch_add(1, Ordering::Relaxed)));
        std::fs::create_dir(&directory)?;
        let binary = binary.as_ref().to_path_buf();
        std::fs::write(directory.join(CONFIG_FILE), complete(config, &directory)?)?;
        let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
        let environment = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self::launch(Setup { ns: ns.clone(), binary, directory, arguments, environment })
    }

    /// Starts it again, with the configuration file, control socket, arguments and environment it had. It must have
    /// ended; its earlier log is gone from [`Self::log`].
    ///
    /// # Errors
    /// As [`Self::start`]; also while it still runs.
    pub fn restart(&mut self) -> Result<()> {
        ensure!(self.process.exited()?.is_some(), "headgate (pid {}) still runs", self.pid());
        *self = Self::launch(self.setup.clone())?;
        Ok(())
    }

    fn launch(setup: Setup) -> Result<Self> {
        let notify = setup.directory.join("notify");
        // Left over from an earlier start in this directory, if there was one.
        let _ = std::fs::remove_file(&notify);
        let socket = UnixDatagram::bind(&notify).context("bind the readiness socket")?;
        let config_file = setup.directory.join(CONFIG_FILE);
        let mut words = vec![text(&setup.binary)?, "run", "-c", text(&config_file)?];
        words.extend(setup.arguments.iter().map(String::as_str));
        let mut command = setup.ns.command(&words)?;
        command.env("NOTIFY_SOCKET", &notify).envs(setup.environment.iter().cloned());
        let process = Process::start(command, "headgate", &setup.directory)?;
        let mut daemon = Self { process, setup };
        if let Err(error) = daemon.wait_ready(&socket) {
            bail!("{error:#}\n--- log ---\n{}", daemon.log());
        }
        Ok(daemon)
    }

    /// The pid of the supervisor.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// All it has logged so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.setup.directory.join(CONFIG_FILE)
    }

    /// The control socket.
    pub fn control_socket(&self) -> PathBuf {
        self.setup.directory.join("headgate.sock")
    }

    /// Runs a client command (`&["services", "web"]`) against this daemon to its end.
    pub fn client(&self, arguments: &[&str]) -> Result<Output> {
        let socket = self.control_socket();
        let mut words = vec![text(&self.setup.binary)?, "--socket", text(&socket)?];
        words.extend(arguments);
        self.setup.ns.output(&words)
    }

    /// Runs a client command that must succeed and returns what it printed.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = self.client(arguments)?;
        let (printed, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "headgate {}: {}\n{printed}{errors}", arguments.join(" "), output.status);
        Ok(printed.into_owned())
    }

    /// Runs a client command with `--json`.
    pub fn json(&self, arguments: &[&str]) -> Result<serde_json::Value> {
        let printed = self.run(&[arguments, &["--json"]].concat())?;
        serde_json::from_str(&printed).with_context(|| format!("headgate {} --json: {printed}", arguments.join(" ")))
    }

    /// Replaces the configuration file, which the daemon does not notice by itself.
    pub fn write_config(&self, config: &str) -> Result<()> {
        Ok(std::fs::write(self.config_file(), complete(config, &self.setup.directory)?)?)
    }

    /// Replaces the configuration file and runs `headgate reload`; its exit code tells whether it was accepted.
    pub fn reload(&self, config: &str) -> Result<Output> {
        self.write_config(config)?;
        self.client(&["reload"])
    }

    /// Sends a signal to the supervisor.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// Orderly stop: SIGTERM, then waits for the end.
    ///
    /// # Errors
    /// With the log when it does not end within 20 s.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.wait(DEADLINE)
    }

    /// SIGKILL to the supervisor, then waits for its end.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::SIGKILL)?;
        self.wait(DEADLINE)
    }

    /// Waits for the end without asking for it.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        self.process.wait(deadline).with_context(|| format!("--- log ---\n{}", self.process.log()))
    }

    fn print_state(&self) {
        eprintln!("--- headgate log ({}) ---\n{}", self.setup.ns.name(), self.log());
        for command in ["status", "services"] {
            match self.json(&[command]) {
                Ok(value) => eprintln!("--- headgate {command} ---\n{value:#}"),
                Err(error) => eprintln!("--- headgate {command} ---\n{error:#}"),
            }
        }
        match self.setup.ns.run(&["ip", "-s", "link"]) {
            Ok(counters) => eprintln!("--- ip -s link ---\n{counters}"),
            Err(error) => eprintln!("--- ip -s link ---\n{error:#}"),
        }
    }

    fn wait_ready(&mut self, socket: &UnixDatagram) -> Result<()> {
        let end = Instant::now() + DEADLINE;
        socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        let mut buffer = [0; 4096];
        while Instant::now() < end {
            if let Ok(length) = socket.recv(&mut buffer)
                && buffer[..length].split(|byte| *byte == b'\n').any(|line| line == b"READY=1")
            {
                return Ok(());
            }
            if let Some(status) = self.process.exited()? {
                bail!("headgate ended before it was ready: {status}");
            }
        }
        bail!("headgate was not ready within {DEADLINE:?}")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_state();
        }
        // An orderly end first, so that its worker and its programs in the kernel go too; the process handle kills
        // what does not obey.
        let _ = self.signal(Signal::SIGTERM);
        let _ = self.process.wait(DROP_DEADLINE);
    }
}

/// Adds the control socket and replaces `@DIR@`.
fn complete(config: &str, directory: &Path) -> Result<String> {
    let socket = format!("{DIRECTORY}/headgate.sock");
    let has_section = config.lines().any(|line| line.trim_start().starts_with("[control]"));
    let complete = if has_section {
        ensure!(config.contains(&socket), "[control] has to contain socket = \"{socket}\"");
        config.to_owned()
    } else {
        format!("{config}\n[control]\nsocket = \"{socket}\"\n")
    };
    Ok(complete.replace(DIRECTORY, text(directory)?))
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

#[cfg(test)]
mod tests;

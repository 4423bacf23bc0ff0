//! Where lines go.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::Destination;
use super::time::with_times;
use crate::clock::millis;

/// Who may read a file that we make, besides those whom its folder keeps out.
const MODE: u32 = 0o640;
/// Facility local7, severity info (RFC 3164 section 4.1.1).
const PRIORITY: u32 = 23 * 8 + 6;
/// How long syslog may take for a line.
const SYSLOG_PATIENCE: Duration = Duration::from_secs(1);
/// Milliseconds between two warnings about the same sink.
const WARN_EVERY: u64 = 60_000;

/// An open destination. Closed once nobody writes to it any more.
#[derive(Debug)]
pub struct Sink {
    destination: Destination,
    target: ArcSwap<Target>,
    written: AtomicU64,
    dropped: AtomicU64,
    /// The last line in the file has no end.
    torn: AtomicBool,
    warned: AtomicU64,
}

#[derive(Debug)]
enum Target {
    File(File),
    Socket(UnixDatagram),
}

impl Sink {
    /// # Errors
    /// When it cannot be opened.
    pub(super) fn open(destination: &Destination) -> io::Result<Self> {
        Ok(Self {
            destination: destination.clone(),
            target: ArcSwap::from_pointee(open(destination)?),
            written: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            torn: AtomicBool::new(false),
            warned: AtomicU64::new(0),
        })
    }

    /// Goes over to what is at its place now: a file that has been renamed is left behind.
    ///
    /// # Errors
    /// When that cannot be opened: then nothing changes.
    pub(super) fn reopen(&self) -> io::Result<()> {
        if self.destination != Destination::Stdout {
            self.target.store(Arc::new(open(&self.destination)?));
        }
        Ok(())
    }

    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Lines that were written.
    pub fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Lines that were not, for want of room or by an error.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Lines will not be written.
    pub(super) fn lose(&self, lines: u64, why: &dyn std::fmt::Display) {
        self.dropped.fetch_add(lines, Relaxed);
        let (now, warned) = (millis(), self.warned.load(Relaxed));
        let is_due = warned == 0 || now.saturating_sub(warned) >= WARN_EVERY;
        if is_due && self.warned.compare_exchange(warned, now, Relaxed, Relaxed).is_ok() {
            tracing::warn!(log = %self.destination, "lines of the access log are lost: {why}");
        }
    }

    /// Writes whole lines; those that cannot be written are counted. For one thread only.
    pub(super) fn write(&self, lines: &[u8]) {
        let target = self.target.load_full();
        let (left, error) = match &*target {
            Target::File(file) => self.write_file(file, lines),
            Target::Socket(socket) => self.write_syslog(socket, lines),
        };
        let lost = count(left);
        self.written.fetch_add(count(lines) - lost, Relaxed);
        if let Some(error) = error {
            self.lose(lost, &error);
        }
    }

    /// What has not been written, and why.
    fn write_file<'a>(&self, mut file: &File, lines: &'a [u8]) -> (&'a [u8], Option<io::Error>) {
        if self.torn.load(Relaxed) {
            match file.write_all(b"\n") {
                Ok(()) => self.torn.store(false, Relaxed),
                Err(error) => return (lines, Some(error)),
            }
        }
        let mut left = lines;
        while !left.is_empty() {
            match file.write(left) {
                Ok(length @ 1..) => left = &left[length..],
                Ok(0) => return (left, Some(ErrorKind::WriteZero.into())),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    let done = &lines[..lines.len() - left.len()];
                    self.torn.store(done.last().is_some_and(|byte| *byte != b'\n'), Relaxed);
                    return (left, Some(error));
                }
            }
        }
        (left, None)
    }

    fn write_syslog<'a>(&self, socket: &UnixDatagram, lines: &'a [u8]) -> (&'a [u8], Option<io::Error>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut datagram = with_times(now, |times| format!("<{PRIORITY}>{} headgate: ", times.syslog).into_bytes());
        let head = datagram.len();
        let mut left = lines;
        while let Some(end) = memchr::memchr(b'\n', left) {
            datagram.truncate(head);
            datagram.extend_from_slice(&left[..end]);
            if let Err(error) = socket.send(&datagram) {
                // It may have been started anew; the next lines find out.
                let _ = self.reopen();
                return (left, Some(error));
            }
            left = &left[end + 1..];
        }
        (left, None)
    }
}

fn count(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}

fn open(destination: &Destination) -> io::Result<Target> {
    match destination {
        Destination::File(path) => open_file(path).map(Target::File),
        Destination::Stdout => io::stdout().as_fd().try_clone_to_owned().map(|fd| Target::File(fd.into())),
        Destination::Syslog(path) => {
            let socket = UnixDatagram::unbound()?;
            socket.connect(path)?;
            socket.set_write_timeout(Some(SYSLOG_PATIENCE))?;
            Ok(Target::Socket(socket))
        }
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    // A FIFO that nobody reads is an error, not a reason to wait.
    let file = File::options().create(true).append(true).mode(MODE).custom_flags(libc::O_NONBLOCK).open(path)?;
    fcntl(&file, FcntlArg::F_SETFL(OFlag::O_APPEND))?;
    Ok(file)
}

#[cfg(test)]
mod tests;

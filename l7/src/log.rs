//! The access log: a line for each request.
//!
//! ```text
//!  head ─▶ seen (keeps what the format names) ─▶ … end ─▶ line ─▶ buffers (of the worker) ─▶ writer (one thread) ─▶ sink
//! ```
//!
//! * [`format`](Format): which words a line has; [`variable`](Variable): what they can be
//! * [`seen`]: what is kept of a request while it runs
//! * [`line`]: the words of a line; [`escape`]: so that a client cannot forge one; [`time`]: how time is written
//! * [`buffers`], [`writer`], [`sink`]: the way to a file, to standard output or to syslog. A worker never waits for any of them: lines for
//!   which there is no room are dropped and counted.

mod buffers;
mod escape;
mod format;
mod line;
mod logs;
mod seen;
mod sink;
mod time;
mod variable;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};

pub(crate) use buffers::Buffers;
pub use format::{BadFormat, Format};
pub(crate) use line::Facts;
pub(crate) use logs::Logs;
pub use logs::OpenError;
pub(crate) use seen::{Head, Seen};
pub use sink::Sink;
pub use variable::Variable;
pub(crate) use writer::Queue;

/// Where local programs send what they have to say to syslog.
pub const DEV_LOG: &str = "/dev/log";

/// What is written of requests, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    pub destination: Destination,
    pub format: Format,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Made if missing, else appended to.
    File(PathBuf),
    Stdout,
    /// The socket that syslog listens on.
    Syslog(PathBuf),
}

/// As in the file.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Stdout => f.write_str("stdout"),
            Self::Syslog(path) if path == Path::new(DEV_LOG) => f.write_str("syslog"),
            Self::Syslog(path) => write!(f, "syslog:{}", path.display()),
        }
    }
}

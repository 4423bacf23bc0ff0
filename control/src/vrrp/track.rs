//! What decides about a virtual router besides adverts: each thing that is tracked adds to its priority, takes from it, or is a fault.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::program::Command;

/// A `[[virtual_router.track]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    pub what: Tracked,
    /// Above 0: added while all is well. Below: taken while it is not. 0: a fault while it is not.
    pub weight: i32,
    /// The other way round.
    pub reverse: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tracked {
    Script(Script),
    /// It has a carrier.
    Interface(String),
    /// The number in it, times the weight; nothing while it is missing.
    File {
        path: PathBuf,
        interval: Duration,
    },
    /// One of this name runs.
    Process {
        name: String,
        interval: Duration,
    },
    /// An upstream with a server that can be asked.
    Upstream(String),
    /// A service with a server that takes connections.
    Service(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    pub command: Command,
    pub interval: Duration,
    pub timeout: Duration,
    /// So many successes in a row count.
    pub rise: u32,
    pub fall: u32,
}

/// How it is with what is tracked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Good,
    /// Why not.
    Bad(Arc<str>),
    /// What a file says.
    Number(i32),
}

/// What that means to the virtual router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weighed {
    Priority(i32),
    Fault(Arc<str>),
}

/// A file with less than this times its weight is a fault, as in keepalived.
const LEAST: i32 = -253;

impl Track {
    /// Nothing is held against what is not known yet.
    pub fn weigh(&self, verdict: Option<&Verdict>) -> Weighed {
        let sign = if self.reverse { -1 } else { 1 };
        let (good, bad) = (self.weight.max(0) * sign, self.weight.min(0) * sign);
        match verdict.unwrap_or(&Verdict::Good) {
            Verdict::Number(number) => {
                let sum = number.saturating_mul(self.weight).saturating_mul(sign);
                if sum < LEAST { Weighed::Fault(format!("{self}: {number}").into()) } else { Weighed::Priority(sum) }
            }
            Verdict::Good if self.weight == 0 && self.reverse && verdict.is_some() => {
                Weighed::Fault(format!("{self}: all is well").into())
            }
            Verdict::Good => Weighed::Priority(good),
            Verdict::Bad(why) if self.weight == 0 && !self.reverse => Weighed::Fault(format!("{self}: {why}").into()),
            Verdict::Bad(_) => Weighed::Priority(bad),
        }
    }
}

impl std::fmt::Display for Track {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.what {
            Tracked::Script(script) => write!(f, "script {}", script.command.words.join(" ")),
            Tracked::Interface(name) => write!(f, "interface {name}"),
            Tracked::File { path, .. } => write!(f, "file {}", path.display()),
            Tracked::Process { name, .. } => write!(f, "process {name}"),
            Tracked::Upstream(name) => write!(f, "upstream {name}"),
            Tracked::Service(name) => write!(f, "service {name}"),
        }
    }
}

#[cfg(test)]
mod tests;

//! Outcomes: of a check, a reload, a runtime change of a server.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::ServerState;

/// The answer of `headgate check --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    pub version: u32,
    pub ok: bool,
    pub errors: Vec<Problem>,
    pub warnings: Vec<Problem>,
}

/// One error or warning about a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub file: String,
    /// 1-based; 0 when the problem has no place in the file.
    pub line: u32,
    /// 1-based, in characters; only where the key does not say enough (syntax errors).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// Key path such as `service[0].server[1].weight`; empty when the problem is not about one key.
    pub key: String,
    pub message: String,
}

/// The answer of `headgate reload`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadReport {
    pub version: u32,
    pub ok: bool,
    /// Number of the configuration in use after the reload.
    pub generation: u64,
    /// What is different now, one sentence each; empty when nothing changed or the file was refused.
    pub changes: Vec<String>,
    pub errors: Vec<Problem>,
    pub warnings: Vec<Problem>,
}

/// The answer of `headgate server`: the server as it is after the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerReport {
    pub version: u32,
    pub service: String,
    pub address: SocketAddr,
    pub state: ServerState,
    pub weight: u32,
    pub effective_weight: u32,
}

impl fmt::Display for Problem {
    /// One line: `headgate.toml:12: service[0].server[1].weight: …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
        }
        if let Some(column) = self.column {
            write!(f, "{column}:")?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", self.message)
    }
}

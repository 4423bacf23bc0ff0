//! The answer of `headgate upstreams`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::Histogram;

/// All upstreams of the proxy, or the one that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Upstreams {
    pub version: u32,
    pub upstreams: Vec<Upstream>,
}

impl Upstreams {
    pub fn new(upstreams: Vec<Upstream>) -> Self {
        Self { version: crate::VERSION, upstreams }
    }
}

/// An upstream with its servers in the order of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Upstream {
    pub name: String,
    pub balance: String,
    /// Where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<UpstreamQueue>,
    /// Backups take part while fewer primaries than this are up; 0: only while no primary can be asked.
    #[serde(default)]
    pub backup_below: u64,
    /// Requests that went to a server that is out, because all are.
    #[serde(default)]
    pub last_resorts: u64,
    /// The host names that servers are given by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<UpstreamName>,
    pub servers: Vec<UpstreamServer>,
}

/// Requests that had to wait for a server. Counters are since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamQueue {
    pub waiting: u64,
    pub queued: u64,
    pub timed_out: u64,
    /// That found it full.
    pub refused: u64,
}

/// A host name; each of its addresses is a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamName {
    /// As it is written.
    pub name: String,
    pub addresses: Vec<IpAddr>,
    /// Why the last lookup has failed, if it has; the addresses are of an earlier one then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A server of an upstream. Counters are since the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpstreamServer {
    pub address: SocketAddr,
    /// The host name that the address was found by, as it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub backup: bool,
    /// The weight in use.
    pub weight: u32,
    /// The share of it that the server has got back so far; 100 but for slow start.
    #[serde(default = "whole")]
    pub weight_percent: u32,
    pub state: UpstreamState,
    /// Requests that it works on now.
    pub in_flight: u64,
    /// Requests it was asked for.
    pub requests: u64,
    pub failures: u64,
    /// Requests that it failed and another server was asked for.
    pub retries: u64,
    /// Until a response began; absent before the first.
    pub latency_ms: Option<Latency>,
    /// What its check says, if it has any: the one that fails, or the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<ServerCheck>,
    /// The same as a distribution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Histogram>,
}

fn whole() -> u32 {
    100
}

/// What a health check says of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerCheck {
    /// What is asked, in words.
    pub check: String,
    pub state: CheckState,
    /// Seconds in this state.
    pub since_s: u64,
    /// What was wrong the last time something was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The verdict of a health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CheckState {
    /// There was no answer yet.
    Unknown,
    Up,
    Down,
}

/// Milliseconds, right to two digits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    pub p50: f64,
    pub p99: f64,
}

/// Whether a server of an upstream gets requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum UpstreamState {
    Up,
    /// It has failed too often, or the configuration says so.
    Down,
    /// An operator asked for no new requests until the next reload.
    Drain,
    /// It was down, and the next request finds out whether it works again.
    Probing,
}

impl fmt::Display for UpstreamState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Drain => "drain",
            Self::Probing => "probing",
        })
    }
}

/// The answer of `headgate server` for a server of an upstream: as it is after the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamServerReport {
    pub version: u32,
    pub upstream: String,
    pub address: SocketAddr,
    pub state: UpstreamState,
    /// The configured weight.
    pub weight: u32,
    /// The weight in use (0 while draining).
    pub effective_weight: u32,
}

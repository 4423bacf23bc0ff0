//! The answer of `headgate services`.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::ServerCheck;

/// All virtual services, or the one that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Services {
    pub version: u32,
    pub services: Vec<Service>,
}

impl Services {
    pub fn new(services: Vec<Service>) -> Self {
        Self { version: crate::VERSION, services }
    }
}

/// A virtual service with its servers in the order of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    pub name: String,
    pub protocol: Protocol,
    /// `IP:port`, or `IP:first-last` for a range; IPv6 in brackets.
    pub address: String,
    pub forward: Forward,
    pub scheduler: String,
    /// The weight of its living servers is enough, and at least one can take a new connection.
    pub up: bool,
    /// Seconds since it went up or down by the weight of its living servers.
    #[serde(default)]
    pub since_s: u64,
    /// The weight of living servers that keeps it up.
    #[serde(default)]
    pub quorum: u32,
    /// Takes the place of all servers while the service is down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sorry_server: Option<Box<Server>>,
    pub stats: Stats,
    pub servers: Vec<Server>,
}

/// A server of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// With the port that is really used: the service's port for direct routing and tunnels.
    pub address: SocketAddr,
    pub forward: Forward,
    /// The configured weight.
    pub weight: u32,
    /// The weight the scheduler uses now (0 while draining or down).
    pub effective_weight: u32,
    pub state: ServerState,
    pub active: u64,
    pub inactive: u64,
    /// Persistence templates that point to this server.
    pub persistent: u64,
    /// What its check says, if it has any: the one that fails, or the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<ServerCheck>,
    pub stats: Stats,
}

/// Counters since the start or the last `--zero`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    pub connections: u64,
    pub packets_in: u64,
    pub packets_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Present when rates were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rates: Option<Rates>,
}

/// The estimator's values, per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rates {
    pub connections: u64,
    pub packets_in: u64,
    pub packets_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Protocol {
    Tcp,
    Udp,
}

/// How packets reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Forward {
    /// Addresses are translated.
    Nat,
    /// Direct routing: only the link-layer destination changes.
    Dr,
    /// The packet is put into another one.
    Tunnel,
}

/// Why a server gets new connections or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ServerState {
    Up,
    /// Its check fails.
    Down,
    /// An operator asked for no new connections until the next reload.
    Drain,
    /// Its configured weight is 0.
    Disabled,
    /// It waits for the service to go down.
    Standby,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Nat => "nat",
            Self::Dr => "dr",
            Self::Tunnel => "tunnel",
        })
    }
}

impl fmt::Display for ServerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Drain => "drain",
            Self::Disabled => "disabled",
            Self::Standby => "standby",
        })
    }
}

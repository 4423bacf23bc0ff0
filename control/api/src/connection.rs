//! The answer of `headgate connections`.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{Forward, Protocol};

/// Part of the connection table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Connections {
    pub version: u32,
    /// Connections that passed the filter; `connections` may hold fewer because of the limit.
    pub total: u64,
    pub connections: Vec<Connection>,
}

impl Connections {
    pub fn new(total: u64, connections: Vec<Connection>) -> Self {
        Self { version: crate::VERSION, total, connections }
    }
}

/// One connection, or a persistence template (its client port is 0 and its client is the masked address).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    pub protocol: Protocol,
    pub client: SocketAddr,
    /// The service's address and port as the client sees them.
    #[serde(rename = "virtual")]
    pub virtual_address: SocketAddr,
    pub server: SocketAddr,
    /// Name of the protocol state, e.g. `ESTABLISHED`.
    pub state: String,
    /// Seconds until the entry ends if no packet comes, rounded down.
    pub expires_s: u64,
    pub forward: Forward,
    /// Name of the service; absent when the service has been removed since.
    pub service: Option<String>,
}

/// Which connections to list. An absent field matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectionFilter {
    /// Name of the service.
    pub service: Option<String>,
    pub client: Option<IpAddr>,
    pub server: Option<IpAddr>,
    /// Name of the state; upper and lower case are the same.
    pub state: Option<String>,
    /// Most connections to return; 0 = all.
    pub limit: u64,
}

//! The answer of `headgate status`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{AccessLog, Protocol, ProxyListener, VrrpState};

/// The node at one glance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub version: u32,
    /// The node's name.
    pub node: String,
    /// Version of the running program.
    pub headgate: String,
    pub pid: u32,
    pub uptime_s: u64,
    #[serde(default)]
    pub state: NodeState,
    /// Number of the configuration in use; grows with every one that is applied.
    pub generation: u64,
    pub dataplane: Dataplane,
    #[serde(default)]
    pub services: Vec<ServiceSummary>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub virtual_routers: Vec<VirtualRouterSummary>,
    #[serde(default)]
    pub proxy: Proxy,
    /// Absent before the first reload.
    pub last_reload: Option<LastReload>,
}

/// Whether the node does its work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum NodeState {
    #[default]
    Running,
    /// It was told to stop and waits for its connections to end.
    Draining,
    /// A worker thread has ended unexpectedly.
    Failed,
}

/// Without services there is no data plane: no workers, no interfaces, capacity 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataplane {
    pub workers: Vec<Worker>,
    pub interfaces: Vec<Interface>,
    /// Entries in the connection table.
    pub connections: u64,
    /// Most entries the connection table takes.
    pub capacity: u64,
    /// Packets dropped since the start, by reason; reasons that never happened may be left out.
    pub drops: BTreeMap<String, u64>,
    /// Packet memory of all workers.
    #[serde(default)]
    pub frames: Frames,
}

/// A reading taken every few milliseconds; at that moment every frame was free, in a ring, or held for a neighbour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frames {
    /// Frames whose place is known. Less than `total` means that some were lost, which is a bug.
    pub accounted: u64,
    pub total: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    pub id: u32,
    pub core: u32,
    /// Packets taken from the devices, sent to them, and handed to the kernel's own stack, since the start.
    #[serde(default)]
    pub received: u64,
    #[serde(default)]
    pub transmitted: u64,
    #[serde(default)]
    pub to_kernel: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    pub name: String,
    /// What was really obtained from the driver.
    pub mode: XdpMode,
    pub queues: u32,
    pub mtu: u32,
    /// False while the interface does not exist.
    #[serde(default = "yes")]
    pub present: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum XdpMode {
    /// The driver writes packets into our memory.
    Zerocopy,
    /// The driver runs the program, the kernel copies packets.
    Native,
    /// The kernel runs the program after the driver: slow, works everywhere.
    Generic,
}

/// One line per service; `headgate services` has the whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSummary {
    pub name: String,
    pub protocol: Protocol,
    pub address: String,
    pub up: bool,
    /// Servers that can take a new connection.
    pub servers_up: u64,
    pub servers: u64,
    pub active: u64,
    pub inactive: u64,
    /// Servers whose check fails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failing: Vec<FailingServer>,
}

/// A virtual router at one glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualRouterSummary {
    pub name: String,
    pub state: VrrpState,
    pub effective_priority: u8,
    /// Absent while it is not known.
    pub master: Option<IpAddr>,
    /// Of the last change of state.
    pub reason: String,
}

/// A server, and why it gets no connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailingServer {
    pub address: SocketAddr,
    /// What is asked, in words.
    pub check: String,
    /// Seconds since it went down.
    pub since_s: u64,
    pub reason: String,
}

/// Without listeners there are no workers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Proxy {
    pub workers: Vec<ProxyWorker>,
    /// Connections of clients.
    pub connections: u64,
    pub listeners: Vec<ProxyListener>,
    pub upstreams: Vec<UpstreamSummary>,
    #[serde(default)]
    pub access_logs: Vec<AccessLog>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyWorker {
    pub id: u32,
    /// Absent when it is on no core in particular.
    pub core: Option<u32>,
}

/// One line per upstream; `headgate upstreams` has the whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamSummary {
    pub name: String,
    pub servers_up: u64,
    pub servers: u64,
    pub in_flight: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastReload {
    /// RFC 3339, UTC.
    pub at: String,
    /// The same in seconds since 1970.
    #[serde(default)]
    pub unix_s: u64,
    pub ok: bool,
    /// What was applied, or why nothing was.
    pub message: String,
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Draining => "draining",
            Self::Failed => "failed",
        })
    }
}

impl fmt::Display for XdpMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Zerocopy => "zerocopy",
            Self::Native => "native",
            Self::Generic => "generic",
        })
    }
}

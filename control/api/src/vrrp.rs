//! The answer of `headgate vrrp`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// All virtual routers of the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Vrrp {
    pub version: u32,
    pub virtual_routers: Vec<VirtualRouter>,
    /// Adverts on their interfaces that are of none of them, by reason; reasons that never happened are left out.
    #[serde(default)]
    pub unmatched: BTreeMap<String, u64>,
}

impl Vrrp {
    pub fn new(virtual_routers: Vec<VirtualRouter>) -> Self {
        Self { version: crate::VERSION, virtual_routers, unmatched: BTreeMap::new() }
    }
}

/// A virtual router, in the order of the configuration. Counters are since it was configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualRouter {
    pub name: String,
    /// VRID.
    pub id: u8,
    pub interface: String,
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// Of the protocol: 2 or 3.
    pub vrrp_version: u8,
    /// Its sync group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    pub state: VrrpState,
    pub priority: u8,
    /// With what tracking takes from it or adds to it.
    pub effective_priority: u8,
    /// The address of the master's adverts, ours included; absent while it is not known.
    pub master: Option<IpAddr>,
    pub advert_interval_ms: u64,
    pub addresses: Vec<IpAddr>,
    pub transitions: u64,
    /// RFC 3339; absent before the first one.
    pub last_transition: Option<String>,
    /// Of the last transition.
    pub reason: String,
    /// What has failed, while it is in FAULT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// What it tracks, in the order of the configuration.
    #[serde(default)]
    pub tracks: Vec<VrrpTrack>,
    pub adverts_sent: u64,
    /// Those that counted.
    pub adverts_received: u64,
    /// Adverts that were thrown away, by reason; reasons that never happened are left out.
    pub discarded: BTreeMap<String, u64>,
    /// Adverts that counted though odd, by what is odd.
    #[serde(default)]
    pub warnings: BTreeMap<String, u64>,
    /// Adverts with the checksum of RFC 9568 (over the message alone).
    #[serde(default)]
    pub message_only_checksums: u64,
}

/// Something that is tracked, and what it does to the priority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VrrpTrack {
    /// `script /etc/check.sh`, `interface eth1`.
    pub what: String,
    pub state: TrackState,
    /// Why it fails; of a file, the number in it.
    pub detail: String,
    pub weight: i32,
    /// What it adds to the priority now.
    pub priority: i32,
    /// It keeps the router in FAULT.
    pub fault: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TrackState {
    /// It has not been looked at yet, and nothing is held against it.
    Unknown,
    Good,
    Failing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum VrrpState {
    Init,
    Backup,
    Master,
    Fault,
}

impl fmt::Display for VrrpState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Init => "init",
            Self::Backup => "backup",
            Self::Master => "master",
            Self::Fault => "fault",
        })
    }
}

//! The form of a recorded fixture.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::pcap;

/// `fixture.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Script {
    pub name: String,
    pub ipvsadm: Vec<String>,
    pub sysctls: BTreeMap<String, i64>,
    pub extra_ip_commands: Vec<String>,
    pub extra_commands: Vec<String>,
    pub events: Vec<Event>,
}

/// What happened next.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Event {
    Packet { r#in: FrameAt, out: Vec<FrameAt> },
    Connections { table: Vec<Connection> },
    Services { services: Vec<ServiceLine> },
    Stats { text: String },
    Advance { seconds: f64, out: Vec<FrameAt> },
    Ipvsadm { args: String, output: String },
    Sysctl { key: String, value: i64 },
    Shell {},
    LocalSocket {},
}

/// A frame of a pcap file and its device.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FrameAt {
    pub r#if: String,
    pub index: usize,
}

/// A row of the connection table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Connection {
    pub proto: String,
    pub client: String,
    pub r#virtual: String,
    pub dest: String,
    pub state: String,
    /// Whole seconds.
    pub expires: u32,
}

/// A service as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceLine {
    pub proto: String,
    pub vs: String,
    pub dests: Vec<ServerLine>,
}

/// A server as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerLine {
    pub addr: String,
    pub weight: u32,
    pub active: u32,
    pub inactive: u32,
}

/// A fixture with its frames.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fixture {
    pub script: Script,
    pub input: Vec<Vec<u8>>,
    pub output: Vec<Vec<u8>>,
}

impl Fixture {
    /// Reads a folder with `fixture.json`, `in.pcap` and `out.pcap`.
    ///
    /// # Errors
    /// When a file is missing or not of the known form.
    pub fn read(folder: &Path) -> Result<Self> {
        let file = |name: &str| fs::read(folder.join(name)).with_context(|| format!("{}/{name}", folder.display()));
        let script = serde_json::from_slice(&file("fixture.json")?).with_context(|| folder.display().to_string())?;
        Ok(Self { script, input: pcap::parse(&file("in.pcap")?)?, output: pcap::parse(&file("out.pcap")?)? })
    }
}

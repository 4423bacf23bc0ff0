//! The recordings' format; see `tests/recordings/README.md`.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub struct Recording {
    pub name: String,
    pub scheduler: String,
    pub flags: String,
    pub protocol: String,
    pub service: String,
    pub service_options: String,
    pub forward: String,
    pub sysctls: std::collections::BTreeMap<String, u32>,
    pub servers: Vec<Server>,
    pub kernel_dest_order: Vec<SocketAddr>,
    pub events: Vec<Event>,
}

#[derive(Debug, Deserialize)]
pub struct Server {
    pub addr: IpAddr,
    pub port: u16,
    pub weight: u32,
    pub x: u32,
    pub y: u32,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Event {
    Connect { client: SocketAddr, dst: Option<SocketAddr>, picked: Option<SocketAddr> },
    Establish { client: SocketAddr },
    Close { client: SocketAddr },
    Reset { client: SocketAddr },
    AddServer(Server),
    SetWeight(Server),
    DelServer { addr: IpAddr, port: u16 },
    EditService { scheduler: String, flags: String },
    Advance { seconds: u64 },
    Snapshot { dests: Vec<(SocketAddr, u32, u32, u32)> },
}

pub fn all() -> impl Iterator<Item = Recording> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings/sched.jsonl.zst");
    let packed = std::fs::File::open(path).unwrap();
    let unpacked = ruzstd::decoding::StreamingDecoder::new(BufReader::new(packed)).unwrap();
    BufReader::new(unpacked).lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap())
}

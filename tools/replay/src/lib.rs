//! Replays recordings of Linux IPVS through the real packet path, and says where the two differ.
//!
//! ```text
//!  fixture.json ─ fixture ─┐                 ┌─ configuration (ipvsadm lines) ─┐
//!  *.pcap ──────── pcap ───┴─ run ─ director ┤                                 ├─ Snapshot, Pipeline
//!                                │           └─ topology (ip lines) ───────────┘
//!                                └─ compare (frames), listing (tables)
//! ```
#![forbid(unsafe_code)]

pub mod compare;
pub mod configuration;
pub mod director;
pub mod fixture;
pub mod http;
pub mod listing;
pub mod pcap;
pub mod recording;
pub mod run;
pub mod states;
pub mod stats;
pub mod topology;
pub mod vrrp;

//! What Headgate says to the outside: the types of the control socket and of every `--json` output.
//!
//! Version 1. Fields and enum values may be added; none is ever renamed or removed. Times are seconds unless the name says
//! otherwise, sizes are bytes of the IP packet.
//!
//! * [`request`]: the lines a client sends to the control socket, and the lines it gets back
//! * [`service`]: virtual services and their servers
//! * [`upstream`]: the proxy's upstreams and their servers
//! * [`listener`]: the proxy's listeners, their routes and access logs
//! * [`histogram`]: durations as a distribution
//! * [`connection`]: the connection table
//! * [`status`]: the state of the whole node
//! * [`report`]: the outcome of `check`, `reload` and runtime changes

#![forbid(unsafe_code)]

pub mod connection;
pub mod histogram;
pub mod listener;
pub mod report;
pub mod request;
pub mod service;
pub mod status;
pub mod upstream;
pub mod vrrp;

pub use connection::{Connection, ConnectionFilter, Connections};
pub use histogram::{Bucket, Histogram};
pub use listener::{AccessLog, ProxyListener, ProxyRoute, RequestsByClass};
pub use report::{CheckReport, Problem, ReloadReport, ServerReport};
pub use request::{ErrorKind, ErrorReport, Request, RequestLine, Response, ServerChange};
pub use service::{Forward, Protocol, Rates, Server, ServerState, Service, Services, Stats};
pub use status::{
    Dataplane, FailingServer, Frames, Interface, LastReload, NodeState, Proxy, ProxyWorker, ServiceSummary, Status,
    UpstreamSummary, VirtualRouterSummary, Worker, XdpMode,
};
pub use upstream::{
    CheckState, Latency, ServerCheck, Upstream, UpstreamName, UpstreamQueue, UpstreamServer, UpstreamServerReport,
    UpstreamState, Upstreams,
};
pub use vrrp::{TrackState, VirtualRouter, Vrrp, VrrpState, VrrpTrack};

/// Version of the shapes in this crate. It changes only when a reader of the old shape would misread the new one.
pub const VERSION: u32 = 1;

#[cfg(test)]
mod tests;

//! The control socket: a stream socket that carries one JSON object per line. The client sends a [`RequestLine`], the daemon
//! answers with one [`Response`] line; a connection may carry any number of such exchanges, in order.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{
    ConnectionFilter, Connections, ReloadReport, ServerReport, Services, Status, UpstreamServerReport, Upstreams,
    VERSION, Vrrp,
};

/// What a client writes: `{"version":1,"request":"services","name":"web"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestLine {
    pub version: u32,
    #[serde(flatten)]
    pub request: Request,
}

impl From<Request> for RequestLine {
    fn from(request: Request) -> Self {
        Self { version: VERSION, request }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Request {
    Status,
    Services {
        /// Only this service.
        #[serde(default)]
        name: Option<String>,
        /// Fill in [`crate::Stats::rates`].
        #[serde(default)]
        rates: bool,
        /// Set the counters to zero after reading them.
        #[serde(default)]
        zero: bool,
    },
    Connections {
        #[serde(default)]
        filter: ConnectionFilter,
    },
    Reload,
    Upstreams {
        /// Only this upstream.
        #[serde(default)]
        name: Option<String>,
    },
    Vrrp,
    /// Answered with [`Response::Server`] or [`Response::UpstreamServer`].
    Server {
        /// Name of a service, or else of an upstream.
        service: String,
        /// Port 0: the port does not matter, there must be one server with this IP address.
        address: SocketAddr,
        change: ServerChange,
    },
}

/// Lasts until the next reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServerChange {
    /// No new connections; the present ones go on.
    Drain,
    /// Back to the configured weight.
    Enable,
    Weight(u32),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "response", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Response {
    Status(Box<Status>),
    Services(Services),
    Vrrp(Vrrp),
    Connections(Connections),
    Reload(ReloadReport),
    Server(ServerReport),
    Upstreams(Upstreams),
    UpstreamServer(UpstreamServerReport),
    Error(ErrorReport),
}

impl Response {
    pub fn error(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::Error(ErrorReport { version: VERSION, kind, message: message.into() })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReport {
    pub version: u32,
    pub kind: ErrorKind,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The line was not a request of a version the daemon knows.
    BadRequest,
    /// No service or server of that name.
    NotFound,
    /// The request was understood and cannot be carried out now.
    Failed,
}

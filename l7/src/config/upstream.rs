//! Upstreams, their servers, and how one is chosen.

use std::net::SocketAddr;
use std::time::Duration;

use crate::tls::Connector;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    pub name: String,
    pub balance: Balance,
    /// Idle connections kept per worker and server.
    pub keepalive: usize,
    pub retry: Retry,
    /// Backups take part while fewer primaries than this are up; 0: only while no primary can be asked.
    pub backup_below: u32,
    pub servers: Vec<Server>,
    pub tls: Option<Connector>,
    /// Whether the servers are spoken to in HTTP/2, with TLS or without.
    pub http2: bool,
    /// Whether connections to servers begin with a header of the PROXY protocol, which names the client; such a connection is for one request.
    pub send_proxy: Option<ProxyVersion>,
    /// How clients keep their server.
    pub sticky: Option<Sticky>,
    /// For requests that find all servers with as many requests as they may have; `None`: they are refused.
    pub queue: Option<Queue>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyVersion {
    V1,
    V2,
}

/// A cookie that names the server which has answered first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sticky {
    /// Its name: a token.
    pub cookie: String,
    pub path: String,
    pub domain: Option<String>,
    /// How long clients keep it, counted from their latest response; `None`: until they end their session.
    pub max_age: Option<Duration>,
    pub secure: bool,
    pub http_only: bool,
    pub same_site: Option<SameSite>,
}

impl Sticky {
    pub fn new(cookie: String) -> Self {
        let path = "/".to_owned();
        Self { cookie, path, domain: None, max_age: None, secure: false, http_only: true, same_site: None }
    }
}

/// With which requests of other sites a cookie is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    Strict,
    Lax,
    None,
}

impl SameSite {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "Strict",
            Self::Lax => "Lax",
            Self::None => "None",
        }
    }
}

/// How many requests may wait, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    pub size: usize,
    pub timeout: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// Smooth weighted round robin, as nginx.
    RoundRobin,
    LeastConn,
    /// As nginx's `ip_hash`.
    IpHash,
    /// As nginx's `hash KEY consistent`.
    HashConsistent(HashKey),
    /// As nginx's `hash KEY`.
    Hash(HashKey),
    /// As nginx's `random two least_conn`.
    RandomTwo,
    /// The smaller of two random servers' peak EWMA latency times its requests in flight.
    Ewma,
}

/// What is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashKey {
    /// Path and query as sent.
    Uri,
    /// The client's address.
    Client,
    Host,
}

/// When a request is passed on to the next server, as nginx's `proxy_next_upstream`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// Connection refused or reset, or closed before the response.
    pub on_error: bool,
    pub on_timeout: bool,
    /// A response that is no HTTP.
    pub on_invalid_header: bool,
    /// Statuses that count as failure and are passed on: of 403, 404, 429, 500, 502, 503, 504.
    pub on_status: Vec<u16>,
    /// Servers asked for one request, the first included; 0 = all.
    pub tries: u32,
    /// No further try is begun later than this; zero = no limit.
    pub timeout: Duration,
    /// Pass on POST, LOCK and PATCH too, although a server may have acted on them.
    pub non_idempotent: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// As it is written in the file; names the server, also for consistent hashing.
    pub name: String,
    /// The host name that the address was found by, if it was. The name that its certificate has to have, unless the upstream says otherwise.
    pub host: Option<String>,
    pub address: SocketAddr,
    pub weight: u32,
    /// Failures within `fail_timeout` that take it out; 0 = never.
    pub max_fails: u32,
    pub fail_timeout: Duration,
    pub backup: bool,
    pub down: bool,
    /// Requests in flight; 0 = no limit.
    pub max_connections: u32,
    /// How long its share of requests takes to become whole once it has come back; zero: it has it at once.
    pub slow_start: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            on_error: true,
            on_timeout: true,
            on_invalid_header: true,
            on_status: Vec::new(),
            tries: 0,
            timeout: Duration::ZERO,
            non_idempotent: false,
        }
    }
}

//! What the pool is told to do: an immutable value that control compiles from the model. Nothing here is checked again.

use std::net::SocketAddr;
use std::time::Duration;

use regex::bytes::Regex;

/// Everything the proxy does. Listeners refer to upstreams by index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proxy {
    pub listeners: Vec<Listener>,
    pub upstreams: Vec<Upstream>,
    /// Our name in `Via` (RFC 9110 section 7.6.3): a token.
    pub pseudonym: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    pub name: String,
    pub addresses: Vec<SocketAddr>,
    pub routes: Vec<Route>,
    pub limits: Limits,
}

/// What requests look like and where they go. Of the routes that fit a request the most specific one is taken: by host (exact, longest
/// wildcard, pattern, any), then by path (exact, pattern, longest prefix), then the first of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub host: Host,
    pub path: Path,
    pub action: Action,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    Any,
    /// In lower case, without a port.
    Exact(String),
    /// `*.example.org`: any number of labels before this suffix, which begins with its dot.
    Wildcard(String),
    /// Found anywhere in the host, which is compared in lower case.
    Pattern(Pattern),
}

/// A regular expression. Equal when written alike.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// # Errors
    /// When it is none.
    pub fn new(text: &str) -> Result<Self, regex::Error> {
        Regex::new(text).map(Self)
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub fn is_match(&self, bytes: &[u8]) -> bool {
        self.0.is_match(bytes)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

/// Compared with the path of the target after percent-decoding and removal of dot segments; the query does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Path {
    Exact(String),
    Prefix(String),
    /// Found anywhere in the path.
    Pattern(Pattern),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Proxy(Forward),
    /// Answered here with a short page.
    Respond {
        status: u16,
        body: String,
    },
    /// A redirect with this status. In `location` `$host` stands for the host of the request without its port, `$request_uri` for its
    /// target.
    Redirect {
        status: u16,
        location: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// Index in [`Proxy::upstreams`].
    pub upstream: usize,
    pub timeouts: Timeouts,
    /// Read a request body whole before a server is asked, so that it can be sent again to another.
    pub request_buffering: bool,
    /// Let clients go over to the WebSocket protocol.
    pub websocket: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    pub connect: Duration,
    /// Between two successful writes to the server.
    pub send: Duration,
    /// Between two successful reads from the server.
    pub read: Duration,
}

/// Of what clients send; each violation has its own status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the request line; more is 414.
    pub request_line: usize,
    /// Bytes of the whole head; more is 431.
    pub head: usize,
    /// Fields; more is 431.
    pub fields: usize,
    /// Bytes of a body; more is 413. `u64::MAX`: no limit.
    pub body: u64,
    /// Bytes of a body that are held in memory; what is more goes to a file.
    pub body_in_memory: usize,
    /// For the whole head, from its first byte; later is 408.
    pub head_timeout: Duration,
    /// Between two reads of the body; later is 408.
    pub body_timeout: Duration,
    /// Between two writes to the client.
    pub send_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub keep_alive: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    pub name: String,
    pub balance: Balance,
    /// Idle connections kept per worker and server.
    pub keepalive: usize,
    pub retry: Retry,
    pub servers: Vec<Server>,
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
    pub address: SocketAddr,
    pub weight: u32,
    /// Failures within `fail_timeout` that take it out; 0 = never.
    pub max_fails: u32,
    pub fail_timeout: Duration,
    pub backup: bool,
    pub down: bool,
    /// Requests in flight; 0 = no limit.
    pub max_connections: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_line: 16 << 10,
            head: 64 << 10,
            fields: 128,
            body: 1 << 30,
            body_in_memory: 1 << 20,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_mins(1),
            send_timeout: Duration::from_mins(1),
            keep_alive: Duration::from_secs(75),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        let minute = Duration::from_mins(1);
        Self { connect: Duration::from_secs(5), send: minute, read: minute }
    }
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

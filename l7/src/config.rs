//! What the pool is told to do: an immutable value that control compiles from the model. Nothing here is checked again.

mod edits;
mod files;
mod rewrite;
mod route;
mod template;
mod trust;
mod upstream;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub use edits::Edits;
pub use files::{ErrorPage, ErrorPages, Files};
pub use rewrite::Rewrite;
pub use route::{Action, Conditions, FieldMatch, Forward, Host, Path, Pattern, Route, Timeouts, label};
pub use template::{Template, UnknownVariable, Values};
pub use trust::{Forwarding, Networks, Style, Underscores};
pub use upstream::{Balance, HashKey, ProxyVersion, Queue, Retry, SameSite, Server, Sticky, Upstream};

use crate::log::AccessLog;
use crate::tls::Acceptor;

/// Everything the proxy does. Listeners refer to upstreams by index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proxy {
    pub listeners: Vec<Listener>,
    pub upstreams: Vec<Upstream>,
    /// Our name in `Via` (RFC 9110 section 7.6.3): a token.
    pub pseudonym: String,
}

/// What a listener speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    #[default]
    Http,
    /// Connections are passed on as they are. Routes look at the name that a TLS client asks for, if they have a host.
    Tcp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    pub name: String,
    pub protocol: Protocol,
    pub addresses: Vec<SocketAddr>,
    pub routes: Vec<Route>,
    pub limits: Limits,
    pub tls: Option<Acceptor>,
    /// Whether clients may speak HTTP/2 on connections without TLS, from the first byte.
    pub http2: bool,
    /// Whether connections begin with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    pub forwarding: Forwarding,
    pub underscores: Underscores,
    /// For requests that no route fits, or that are not understood.
    pub error_pages: ErrorPages,
    /// The same.
    pub access_log: Option<Arc<AccessLog>>,
}

impl Proxy {
    /// All logs that there are, some more than once.
    pub fn access_logs(&self) -> impl Iterator<Item = &AccessLog> {
        let routes = self.listeners.iter().flat_map(|listener| &listener.routes).map(|route| &route.access_log);
        let listeners = self.listeners.iter().map(|listener| &listener.access_log);
        listeners.chain(routes).flatten().map(Arc::as_ref)
    }
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
    /// Bytes per second that a body comes in with at least, on average after the first `body_timeout`, where it is read whole; slower is 408.
    /// 0: no limit.
    pub body_rate: u64,
    /// Between two writes to the client.
    pub send_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub keep_alive: Duration,
}

impl Limits {
    /// How long a body may have taken once so many bytes of it are here.
    pub fn body_patience(&self, bytes: u64) -> Duration {
        let earned = bytes.checked_div(self.body_rate).map_or(Duration::MAX, Duration::from_secs);
        self.body_timeout.saturating_add(earned)
    }
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
            body_rate: 240,
            send_timeout: Duration::from_mins(1),
            keep_alive: Duration::from_secs(75),
        }
    }
}

//! Routes: which requests, and what is done with them.

use std::time::Duration;

use regex::bytes::Regex;

use super::files::{ErrorPages, Files};

/// What requests look like and where they go. Of the routes that fit a request the most specific one is taken: by host (exact, longest
/// wildcard, pattern, any), then by path (exact, pattern, longest prefix), then the first of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub host: Host,
    pub path: Path,
    pub action: Action,
    /// For answers of our own, those of the listener included.
    pub error_pages: ErrorPages,
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
    /// Answered with a file.
    Files(Files),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// Index in [`super::Proxy::upstreams`].
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

impl Default for Timeouts {
    fn default() -> Self {
        let minute = Duration::from_mins(1);
        Self { connect: Duration::from_secs(5), send: minute, read: minute }
    }
}

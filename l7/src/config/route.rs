//! Routes: which requests, and what is done with them.

use std::sync::Arc;
use std::time::Duration;

use regex::bytes::Regex;

use super::edits::Edits;
use super::files::{ErrorPages, Files};
use super::rewrite::Rewrite;
use super::template::Template;
use crate::http1::request::Request;
use crate::log::AccessLog;

/// What requests look like and where they go. Of the routes that fit a request the most specific one is taken: by host (exact, longest
/// wildcard, pattern, any), then by path (exact, pattern, longest prefix), then the first of the file; those whose conditions do not hold
/// are passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub host: Host,
    pub path: Path,
    pub conditions: Conditions,
    pub action: Action,
    /// For answers of our own, those of the listener included.
    pub error_pages: ErrorPages,
    /// Of all responses.
    pub response_headers: Edits,
    /// That of the listener, or its own; `None`: its requests are not logged.
    pub access_log: Option<Arc<AccessLog>>,
}

/// What else must hold of a request; all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// One of these; none: any.
    pub methods: Vec<String>,
    pub fields: Vec<(String, FieldMatch)>,
}

/// What a field must be. Of several of a name one is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldMatch {
    Present,
    Absent,
    Exact(String),
    /// Found anywhere in the value.
    Pattern(Pattern),
}

impl Conditions {
    pub fn is_empty(&self) -> bool {
        self.methods.is_empty() && self.fields.is_empty()
    }

    /// In words; nothing where there are none.
    fn label(&self) -> String {
        let mut all = Vec::new();
        if !self.methods.is_empty() {
            all.push(self.methods.join("|"));
        }
        all.extend(self.fields.iter().map(|(name, wanted)| match wanted {
            FieldMatch::Present => format!("{name} there"),
            FieldMatch::Absent => format!("{name} not there"),
            FieldMatch::Exact(value) => format!("{name} = {value:?}"),
            FieldMatch::Pattern(pattern) => format!("{name} ~ {}", pattern.as_str()),
        }));
        if all.is_empty() { String::new() } else { format!(" [{}]", all.join(", ")) }
    }

    pub fn hold(&self, request: &Request<'_>) -> bool {
        let method = self.methods.is_empty() || self.methods.iter().any(|method| method.as_bytes() == request.method);
        method
            && self.fields.iter().all(|(name, wanted)| {
                let mut values =
                    request.fields.iter().filter(|line| line.name.eq_ignore_ascii_case(name)).map(|line| line.value);
                match wanted {
                    FieldMatch::Present => values.next().is_some(),
                    FieldMatch::Absent => values.next().is_none(),
                    FieldMatch::Exact(wanted) => values.any(|value| value == wanted.as_bytes()),
                    FieldMatch::Pattern(pattern) => values.any(|value| pattern.is_match(value)),
                }
            })
    }
}

/// Host, path and conditions of a route as they are written: what it is called.
pub fn label(host: &Host, path: &Path, conditions: &Conditions) -> String {
    let host = match host {
        Host::Any => String::new(),
        Host::Exact(host) => host.clone(),
        Host::Wildcard(suffix) => format!("*{suffix}"),
        Host::Pattern(pattern) => format!("~ {} ", pattern.as_str()),
    };
    let conditions = conditions.label();
    match path {
        Path::Exact(path) => format!("{host}= {path}{conditions}"),
        Path::Prefix(path) => format!("{host}{path}{conditions}"),
        Path::Pattern(pattern) => format!("{host}~ {}{conditions}", pattern.as_str()),
    }
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

    /// Fills in what the groups of the first match are: `$1`, `${name}`.
    pub fn expand(&self, bytes: &[u8], template: &str) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(captures) = self.0.captures(bytes) {
            captures.expand(template.as_bytes(), &mut out);
        }
        out
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
    /// A redirect with this status.
    Redirect {
        status: u16,
        location: Template,
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
    pub rewrite: Option<Rewrite>,
    /// What servers get as `Host`, if not what the client has sent.
    pub host: Option<Template>,
    pub request_headers: Edits,
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

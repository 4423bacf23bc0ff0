//! What is asked of a server, and how often.

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use headgate_l7::config::Pattern;
use headgate_l7::tls::Connector;

/// A check of a server. Those that are equal can be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub kind: Kind,
    pub interval: Duration,
    /// For the whole of it, from the connection on.
    pub timeout: Duration,
    /// Successes in a row that bring a server back.
    pub rise: u32,
    /// Failures in a row that take it out.
    pub fall: u32,
    /// Another port than the server's.
    pub port: Option<u16>,
    /// What a server is taken for before the first answers.
    pub starts_up: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A connection can be made.
    Tcp,
    Http(Box<Http>),
}

/// A request, and what its response must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Absent: the server's address.
    pub host: Option<String>,
    pub status: Vec<RangeInclusive<u16>>,
    /// Found somewhere in the first 64 KiB of the body.
    pub body: Option<Pattern>,
    /// The host name that the server's address was found by.
    pub found_by: Option<String>,
    pub tls: Option<Connector>,
    pub http2: bool,
}

impl Check {
    /// Where a server of this address is asked.
    pub fn target(&self, server: SocketAddr) -> SocketAddr {
        SocketAddr::new(server.ip(), self.port.unwrap_or(server.port()))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("tcp"),
            Self::Http(http) => write!(f, "http {} {}", http.method, http.path),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, interval, timeout, rise, fall, port, starts_up } = self;
        write!(f, "{kind}")?;
        if let Kind::Http(http) = kind {
            let Http { host, status, body, tls, http2, .. } = &**http;
            if *http2 {
                f.write_str(" by HTTP/2")?;
            }
            if tls.is_some() {
                f.write_str(" over TLS")?;
            }
            if let Some(host) = host {
                write!(f, " for {host}")?;
            }
            let shown: Vec<_> = status.iter().map(|range| format!("{}-{}", range.start(), range.end())).collect();
            write!(f, " {}", shown.join(","))?;
            if let Some(body) = body {
                write!(f, " ~ {}", body.as_str())?;
            }
        }
        if let Some(port) = port {
            write!(f, " port {port}")?;
        }
        let start = if *starts_up { "" } else { ", down at first" };
        write!(f, " every {interval:?} within {timeout:?}, rise {rise}, fall {fall}{start}")
    }
}

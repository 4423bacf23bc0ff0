//! The proxy. What its listeners and upstreams are is told in the words of `headgate_l7`, which are as strict.

use std::net::SocketAddr;
use std::sync::Arc;

use headgate_l7::config;

use super::{Workers, word};
use crate::health::Check;

/// `[proxy]`, `[[upstream]]` and `[[listener]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    pub(in crate::config) workers: Workers,
    pub(in crate::config) config: config::Proxy,
    pub(in crate::config) checks: Vec<UpstreamCheck>,
}

/// The check of a server of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamCheck {
    pub upstream: String,
    pub server: SocketAddr,
    pub check: Arc<Check>,
}

impl Proxy {
    pub fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Whether there is anything to do.
    pub fn is_used(&self) -> bool {
        !self.config.listeners.is_empty()
    }

    /// Of servers that are checked.
    pub fn checks(&self) -> &[UpstreamCheck] {
        &self.checks
    }

    /// Names are unique, and so are addresses; routes refer to upstreams that exist.
    pub fn config(&self) -> &config::Proxy {
        &self.config
    }
}

impl Default for Proxy {
    fn default() -> Self {
        Self { workers: Workers::Auto, config: config::Proxy::default(), checks: Vec::new() }
    }
}

/// A way to choose servers, as the file names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BalanceWord {
    RoundRobin,
    LeastConn,
    IpHash,
    Hash,
    RandomTwo,
    Ewma,
}

impl BalanceWord {
    pub(in crate::config) const WORDS: [(&'static str, Option<Self>); 6] = [
        ("round_robin", Some(Self::RoundRobin)),
        ("least_conn", Some(Self::LeastConn)),
        ("ip_hash", Some(Self::IpHash)),
        ("hash", Some(Self::Hash)),
        ("random_two", Some(Self::RandomTwo)),
        ("ewma", Some(Self::Ewma)),
    ];
}

/// As in the file.
pub fn balance_word(balance: config::Balance) -> &'static str {
    let balance = match balance {
        config::Balance::RoundRobin => BalanceWord::RoundRobin,
        config::Balance::LeastConn => BalanceWord::LeastConn,
        config::Balance::IpHash => BalanceWord::IpHash,
        config::Balance::Hash(_) | config::Balance::HashConsistent(_) => BalanceWord::Hash,
        config::Balance::RandomTwo => BalanceWord::RandomTwo,
        config::Balance::Ewma => BalanceWord::Ewma,
    };
    word(&BalanceWord::WORDS, balance)
}

/// What is hashed, as the file names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashWord {
    Uri,
    Client,
    Host,
}

impl HashWord {
    pub(in crate::config) const WORDS: [(&'static str, Option<Self>); 3] =
        [("uri", Some(Self::Uri)), ("client", Some(Self::Client)), ("host", Some(Self::Host))];
}

/// A reason to pass a request on, under nginx's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryOn {
    Error,
    Timeout,
    InvalidHeader,
    Status(u16),
}

impl RetryOn {
    pub(in crate::config) const WORDS: [(&'static str, Option<Self>); 10] = [
        ("error", Some(Self::Error)),
        ("timeout", Some(Self::Timeout)),
        ("invalid_header", Some(Self::InvalidHeader)),
        ("http_403", Some(Self::Status(403))),
        ("http_404", Some(Self::Status(404))),
        ("http_429", Some(Self::Status(429))),
        ("http_500", Some(Self::Status(500))),
        ("http_502", Some(Self::Status(502))),
        ("http_503", Some(Self::Status(503))),
        ("http_504", Some(Self::Status(504))),
    ];
}

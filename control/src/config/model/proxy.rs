//! The proxy. What its listeners and upstreams are is told in the words of `headgate_l7`, which are as strict.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use headgate_l7::config;

use super::{Workers, word};
use crate::health::Check;

/// `[proxy]`, `[[upstream]]` and `[[listener]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    pub(in crate::config) workers: Workers,
    pub(in crate::config) config: config::Proxy,
    /// By the name of the upstream and the server's [`server_key`].
    pub(in crate::config) checks: BTreeMap<(String, String), Vec<Arc<Check>>>,
    pub(in crate::config) resolve_intervals: BTreeMap<String, Duration>,
}

impl Proxy {
    pub fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Whether there is anything to do.
    pub fn is_used(&self) -> bool {
        !self.config.listeners.is_empty()
    }

    /// How a server is checked, if it is.
    pub fn checks(&self, upstream: &str, server: &config::Server) -> &[Arc<Check>] {
        self.checks.get(&(upstream.to_owned(), server_key(server))).map_or(&[], Vec::as_slice)
    }

    /// How often the host names of an upstream are looked up; for upstreams that have any.
    pub fn resolve_intervals(&self) -> &BTreeMap<String, Duration> {
        &self.resolve_intervals
    }

    /// Names are unique, and so are addresses; routes refer to upstreams that exist. A server with a host name stands for all its addresses:
    /// its own one is but a port.
    pub fn config(&self) -> &config::Proxy {
        &self.config
    }
}

impl Default for Proxy {
    fn default() -> Self {
        Self {
            workers: Workers::Auto,
            config: config::Proxy::default(),
            checks: BTreeMap::new(),
            resolve_intervals: BTreeMap::new(),
        }
    }
}

/// Tells a server of an upstream from the others, as the file has them: its address, or its host name as it is written.
pub fn server_key(server: &config::Server) -> String {
    if server.host.is_some() { server.name.clone() } else { server.address.to_string() }
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

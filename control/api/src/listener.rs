//! The proxy's listeners in the answer of `headgate status`. Counters are since the start.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::Histogram;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProxyListener {
    pub name: String,
    pub addresses: Vec<SocketAddr>,
    /// That clients have open.
    #[serde(default)]
    pub connections: u64,
    #[serde(default)]
    pub requests: RequestsByClass,
    /// From clients: heads and bodies.
    #[serde(default)]
    pub bytes_in: u64,
    /// To clients.
    #[serde(default)]
    pub bytes_out: u64,
    /// In the order of the configuration; the last one, `-`, stands for requests that no route fits or that were refused.
    #[serde(default)]
    pub routes: Vec<ProxyRoute>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProxyRoute {
    /// Host and path as in the configuration.
    pub route: String,
    pub requests: RequestsByClass,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// From the first byte of a request to the end of its response.
    pub duration: Histogram,
}

/// Requests by the first digit of their status. A client that did not wait for its answer counts as 499.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestsByClass {
    #[serde(rename = "1xx")]
    pub informational: u64,
    #[serde(rename = "2xx")]
    pub successful: u64,
    #[serde(rename = "3xx")]
    pub redirected: u64,
    #[serde(rename = "4xx")]
    pub client_errors: u64,
    #[serde(rename = "5xx")]
    pub server_errors: u64,
}

impl RequestsByClass {
    /// The names of the classes, as in JSON.
    pub const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

    /// In the order of [`Self::CLASSES`].
    pub fn to_array(self) -> [u64; 5] {
        [self.informational, self.successful, self.redirected, self.client_errors, self.server_errors]
    }
}

impl From<[u64; 5]> for RequestsByClass {
    fn from([informational, successful, redirected, client_errors, server_errors]: [u64; 5]) -> Self {
        Self { informational, successful, redirected, client_errors, server_errors }
    }
}

/// Where access logs go. Counters are since it was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessLog {
    pub path: String,
    /// Lines that were written.
    pub lines: u64,
    /// Lines that were not: they came faster than they could be written, or writing failed.
    pub dropped: u64,
}

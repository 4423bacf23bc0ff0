//! The validated configuration. Fields are private and only validation builds it: what is in a [`Model`] is consistent, and
//! nothing behind it checks again.

mod dataplane;
mod health;
mod proxy;
mod server;
mod service;
mod virtual_router;

pub use dataplane::{Dataplane, Ipvs, ReuseMode, Timeouts, Workers, XdpMode};
pub use health::{ServiceHealth, ServiceNotify};
pub use proxy::{BalanceWord, HashWord, Proxy, RetryOn, balance_word, server_key};
pub use server::Server;
pub(in crate::config) use server::ServerParts;
pub(in crate::config) use service::ServiceParts;
pub use service::{
    Forward, Persistence, Ports, Protocol, Scheduler, SchedulerFlags, Service, ServiceAddress, Thresholds, Tunnel,
    Weight,
};
pub use virtual_router::VirtualRouters;

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// Everything one configuration file says, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    pub(in crate::config) node: Node,
    pub(in crate::config) control: Control,
    pub(in crate::config) dataplane: Dataplane,
    pub(in crate::config) addresses: Vec<HeldAddress>,
    pub(in crate::config) services: Vec<Service>,
    pub(in crate::config) virtual_routers: VirtualRouters,
    pub(in crate::config) proxy: Proxy,
}

impl Model {
    pub fn node(&self) -> &Node {
        &self.node
    }

    pub fn control(&self) -> &Control {
        &self.control
    }

    pub fn dataplane(&self) -> &Dataplane {
        &self.dataplane
    }

    /// Addresses this node holds while Headgate runs.
    pub fn addresses(&self) -> &[HeldAddress] {
        &self.addresses
    }

    /// In the order of the file; names and addresses are unique.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|s| s.name() == name)
    }

    pub fn virtual_routers(&self) -> &VirtualRouters {
        &self.virtual_routers
    }

    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// The addresses of services, each once.
    pub fn virtual_addresses(&self) -> BTreeSet<IpAddr> {
        self.services.iter().map(|s| s.address().ip()).collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub(in crate::config) name: String,
}

impl Node {
    pub fn name(&self) -> &str {
        &self.name
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    pub(in crate::config) socket: PathBuf,
    pub(in crate::config) admin: Option<SocketAddr>,
    pub(in crate::config) log: Log,
}

impl Control {
    /// Absolute, and short enough for a socket address.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Where metrics and the status page are served, if they are.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    pub fn log(&self) -> Log {
        self.log
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    pub(in crate::config) level: LogLevel,
    pub(in crate::config) format: LogFormat,
}

impl Log {
    pub fn level(self) -> LogLevel {
        self.level
    }

    pub fn format(self) -> LogFormat {
        self.format
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: LogLevel::Info, format: LogFormat::Text }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// An `[[address]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldAddress {
    pub(in crate::config) interface: String,
    pub(in crate::config) prefix: Prefix,
}

impl HeldAddress {
    pub fn interface(&self) -> &str {
        &self.interface
    }

    pub fn prefix(&self) -> Prefix {
        self.prefix
    }
}

/// An address with the length of its network: `10.0.0.1/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    pub(in crate::config) fn new(address: IpAddr, length: u8) -> Self {
        Self { address, length }
    }

    pub fn address(self) -> IpAddr {
        self.address
    }

    /// 1 to 32, for IPv6 1 to 128.
    pub fn length(self) -> u8 {
        self.length
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl LogLevel {
    pub(in crate::config) const WORDS: [(&'static str, Option<Self>); 5] = [
        ("error", Some(Self::Error)),
        ("warn", Some(Self::Warn)),
        ("info", Some(Self::Info)),
        ("debug", Some(Self::Debug)),
        ("trace", Some(Self::Trace)),
    ];

    /// As in the file.
    pub fn word(self) -> &'static str {
        word(&Self::WORDS, self)
    }
}

impl LogFormat {
    pub(in crate::config) const WORDS: [(&'static str, Option<Self>); 2] =
        [("text", Some(Self::Text)), ("json", Some(Self::Json))];

    /// As in the file.
    pub fn word(self) -> &'static str {
        word(&Self::WORDS, self)
    }
}

/// The word of a value in its table of words.
fn word<T: PartialEq + Copy>(words: &[(&'static str, Option<T>)], value: T) -> &'static str {
    words.iter().find(|(_, v)| *v == Some(value)).map_or("", |(word, _)| word)
}

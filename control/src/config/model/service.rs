//! `[[service]]` and `[[service.server]]`.

use std::fmt;
use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use headgate_api as api;

use super::{Server, ServiceHealth, word};

/// A virtual service. Names are unique, and no two services of a protocol claim the same address and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service(ServiceParts);

/// The fields of a [`Service`], for validation to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct ServiceParts {
    pub name: String,
    pub protocol: Protocol,
    pub address: ServiceAddress,
    pub forward: Forward,
    pub scheduler: Scheduler,
    pub flags: SchedulerFlags,
    pub one_packet: bool,
    pub persistence: Option<Persistence>,
    pub tunnel: Tunnel,
    pub servers: Vec<Server>,
    pub health: ServiceHealth,
}

impl Service {
    pub(in crate::config) fn new(parts: ServiceParts) -> Self {
        Self(parts)
    }

    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub fn protocol(&self) -> Protocol {
        self.0.protocol
    }

    pub fn address(&self) -> ServiceAddress {
        self.0.address
    }

    /// What servers use that do not say otherwise.
    pub fn forward(&self) -> Forward {
        self.0.forward
    }

    pub fn scheduler(&self) -> Scheduler {
        self.0.scheduler
    }

    pub fn scheduler_flags(&self) -> SchedulerFlags {
        self.0.flags
    }

    /// UDP only: no connection is kept, each datagram is scheduled.
    pub fn one_packet(&self) -> bool {
        self.0.one_packet
    }

    pub fn persistence(&self) -> Option<Persistence> {
        self.0.persistence
    }

    pub fn tunnel(&self) -> Tunnel {
        self.0.tunnel
    }

    /// In the order of the file; IPVS walks its list the other way round, because it puts new servers at the head.
    pub fn servers(&self) -> &[Server] {
        &self.0.servers
    }

    pub fn health(&self) -> &ServiceHealth {
        &self.0.health
    }

    /// As if nobody had asked for checks, scripts and a sorry server.
    #[cfg(test)]
    pub fn without_examples(&self) -> Self {
        let mut parts = self.0.clone();
        (parts.health.sorry_server, parts.health.notify) = (None, std::sync::Arc::default());
        parts.servers.iter_mut().for_each(Server::forget_checks);
        Self(parts)
    }
}

/// Where a service listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceAddress {
    ip: IpAddr,
    ports: Ports,
}

impl ServiceAddress {
    pub(in crate::config) fn new(ip: IpAddr, ports: Ports) -> Self {
        Self { ip, ports }
    }

    pub fn ip(self) -> IpAddr {
        self.ip
    }

    pub fn ports(self) -> Ports {
        self.ports
    }
}

impl fmt::Display for ServiceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            IpAddr::V4(ip) => write!(f, "{ip}:{}", self.ports),
            IpAddr::V6(ip) => write!(f, "[{ip}]:{}", self.ports),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ports {
    /// Port 0 in the file: every port no other service claims. Such a service is persistent.
    All,
    One(NonZeroU16),
    /// Both ends belong to it; `first < last`.
    Range {
        first: NonZeroU16,
        last: NonZeroU16,
    },
}

impl Ports {
    /// First and last port; `None` for all ports, which give way to any other.
    pub fn bounds(self) -> Option<(u16, u16)> {
        match self {
            Self::All => None,
            Self::One(port) => Some((port.get(), port.get())),
            Self::Range { first, last } => Some((first.get(), last.get())),
        }
    }

    /// All ports and a single port may live together (the port wins); everything else that shares a port may not.
    pub fn overlaps(self, other: Self) -> bool {
        match (self.bounds(), other.bounds()) {
            (None, None) => true,
            (Some((a, b)), Some((c, d))) => a <= d && c <= b,
            _ => false,
        }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => write!(f, "0"),
            Self::One(port) => write!(f, "{port}"),
            Self::Range { first, last } => write!(f, "{first}-{last}"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    pub(in crate::config) const WORDS: [(&'static str, Option<Self>); 3] =
        [("tcp", Some(Self::Tcp)), ("udp", Some(Self::Udp)), ("sctp", None)];

    /// As in the file.
    pub fn word(self) -> &'static str {
        word(&Self::WORDS, self)
    }
}

impl From<Protocol> for api::Protocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Tcp => Self::Tcp,
            Protocol::Udp => Self::Udp,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Forward {
    Nat,
    Dr,
    Tunnel,
}

impl Forward {
    pub(in crate::config) const WORDS: [(&'static str, Option<Self>); 4] =
        [("nat", Some(Self::Nat)), ("dr", Some(Self::Dr)), ("tunnel", Some(Self::Tunnel)), ("fullnat", None)];

    /// As in the file.
    pub fn word(self) -> &'static str {
        word(&Self::WORDS, self)
    }
}

impl From<Forward> for api::Forward {
    fn from(forward: Forward) -> Self {
        match forward {
            Forward::Nat => Self::Nat,
            Forward::Dr => Self::Dr,
            Forward::Tunnel => Self::Tunnel,
        }
    }
}

/// How a packet is wrapped on its way to a tunnel server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tunnel {
    /// IP in IP, in any mix of versions.
    Ipip,
}

impl Tunnel {
    pub(in crate::config) const WORDS: [(&'static str, Option<Self>); 3] =
        [("ipip", Some(Self::Ipip)), ("gre", None), ("gue", None)];

    /// As in the file.
    pub fn word(self) -> &'static str {
        word(&Self::WORDS, self)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheduler {
    Rr,
    Wrr,
    Lc,
    Wlc,
    Lblc,
    Lblcr,
    Dh,
    Sh,
    Mh,
    Sed,
    Nq,
    Fo,
    Ovf,
    Twos,
}

impl Scheduler {
    pub(in crate::config) const WORDS: [(&'static str, Option<Self>); 14] = [
        ("rr", Some(Self::Rr)),
        ("wrr", Some(Self::Wrr)),
        ("lc", Some(Self::Lc)),
        ("wlc", Some(Self::Wlc)),
        ("lblc", Some(Self::Lblc)),
        ("lblcr", Some(Self::Lblcr)),
        ("dh", Some(Self::Dh)),
        ("sh", Some(Self::Sh)),
        ("mh", Some(Self::Mh)),
        ("sed", Some(Self::Sed)),
        ("nq", Some(Self::Nq)),
        ("fo", Some(Self::Fo)),
        ("ovf", Some(Self::Ovf)),
        ("twos", Some(Self::Twos)),
    ];

    /// As in the file, which is the kernel's name.
    pub fn word(self) -> &'static str {
        word(&Self::WORDS, self)
    }
}

/// Of the hashing schedulers sh and mh.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct SchedulerFlags {
    pub(in crate::config) fallback: bool,
    pub(in crate::config) port: bool,
}

impl SchedulerFlags {
    /// Try other servers when the chosen one is not available.
    pub fn fallback(self) -> bool {
        self.fallback
    }

    /// Hash the client's port too.
    pub fn port(self) -> bool {
        self.port
    }
}

/// Share of new connections. 0 = none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Weight(u32);

impl Weight {
    /// The kernel keeps weights in a signed 32-bit number.
    pub const MAX: Self = Self(i32::MAX as u32);
    pub const ONE: Self = Self(1);

    /// `None` above [`Weight::MAX`].
    pub fn new(weight: u32) -> Option<Self> {
        (weight <= Self::MAX.0).then_some(Self(weight))
    }

    pub fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Limits on the connections of a server: it gets no new ones at `max`, and again some below `min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Thresholds {
    pub(in crate::config) max: NonZeroU32,
    pub(in crate::config) min: u32,
}

impl Thresholds {
    pub fn max(self) -> NonZeroU32 {
        self.max
    }

    /// 0 = three quarters of `max`, as IPVS rounds it. Never above `max`.
    pub fn min(self) -> u32 {
        self.min
    }
}

/// Clients of one network keep their server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Persistence {
    pub(in crate::config) timeout: Duration,
    pub(in crate::config) prefix: u8,
}

impl Persistence {
    pub fn timeout(self) -> Duration {
        self.timeout
    }

    /// Leading bits of the client address that count: 1 to 32, for IPv6 1 to 128.
    pub fn prefix(self) -> u8 {
        self.prefix
    }
}

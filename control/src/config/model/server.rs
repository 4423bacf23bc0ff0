//! `[[service.server]]`.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use super::{Forward, Thresholds, Weight};
use crate::health::Check;

/// A server of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server(ServerParts);

/// The fields of a [`Server`], for validation to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct ServerParts {
    pub ip: IpAddr,
    pub port: Option<NonZeroU16>,
    pub shown_port: Option<NonZeroU16>,
    pub forward: Forward,
    pub weight: Weight,
    pub thresholds: Option<Thresholds>,
    pub checks: Vec<Arc<Check>>,
    pub inhibit_on_failure: bool,
    pub slow_start: Duration,
}

impl Server {
    pub(in crate::config) fn new(parts: ServerParts) -> Self {
        Self(parts)
    }

    pub fn ip(&self) -> IpAddr {
        self.0.ip
    }

    /// The port to rewrite to; `None` keeps the packet's destination port (always so with direct routing and tunnels).
    pub fn port(&self) -> Option<NonZeroU16> {
        self.0.port
    }

    /// The port packets really arrive at, as listings show it; port 0 where it varies with the packet. Unique in the service.
    pub fn address(&self) -> SocketAddr {
        crate::config::text::endpoint(self.0.ip, self.0.shown_port)
    }

    pub fn forward(&self) -> Forward {
        self.0.forward
    }

    pub fn weight(&self) -> Weight {
        self.0.weight
    }

    pub fn thresholds(&self) -> Option<Thresholds> {
        self.0.thresholds
    }

    /// It works while it passes all of them.
    pub fn checks(&self) -> &[Arc<Check>] {
        &self.0.checks
    }

    /// When it fails it gets weight 0, so that its connections go on, in place of leaving.
    pub fn inhibit_on_failure(&self) -> bool {
        self.0.inhibit_on_failure
    }

    /// How long its weight grows after it has come back.
    pub fn slow_start(&self) -> Duration {
        self.0.slow_start
    }

    #[cfg(test)]
    pub fn forget_checks(&mut self) {
        self.0.checks.clear();
    }
}

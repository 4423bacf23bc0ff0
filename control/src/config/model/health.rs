//! What a service does about servers that fail.

use std::sync::Arc;

use super::Server;
use crate::program::Command;

/// What follows when servers fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceHealth {
    /// Weight of living servers with which the service is up.
    pub quorum: u32,
    /// So much more to come up, so much less to go down.
    pub hysteresis: u32,
    /// Takes the place of all servers while the service is down.
    pub sorry_server: Option<Server>,
    pub notify: Arc<ServiceNotify>,
}

/// What is run when the state of a server or the service has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceNotify {
    pub up: Option<Command>,
    pub down: Option<Command>,
    pub quorum_up: Option<Command>,
    pub quorum_down: Option<Command>,
}

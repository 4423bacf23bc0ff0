//! What the virtual routers are to be, as the thread wants it.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use headgate_vrrp::Router;
use headgate_vrrp::router::Family;

use super::track::Track;
use crate::config::model::Prefix;
use crate::program::Command;

/// All virtual routers of the node.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Setup {
    pub instances: Vec<Instance>,
    /// Sync groups: their names and the indexes of their members.
    pub groups: Vec<(Arc<str>, Vec<usize>)>,
    /// Of all of them: no advert comes from these.
    virtual_addresses: HashSet<IpAddr>,
}

/// A virtual router and what the protocol does not need to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub router: Arc<Router>,
    /// The addresses the master holds: those of the adverts and others.
    pub addresses: Vec<Prefix>,
    /// Of our adverts; else an address of the interface.
    pub source: Option<IpAddr>,
    pub announcing: Announcing,
    pub tracks: Vec<Track>,
    pub notify: Arc<Notify>,
}

/// What is run when the state has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notify {
    pub master: Option<Command>,
    pub backup: Option<Command>,
    pub fault: Option<Command>,
    pub stop: Option<Command>,
    /// Whatever it has become.
    pub any: Option<Command>,
}

/// How a new master tells switches and hosts about its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcing {
    /// Frames for each address, at once and again after the delay.
    pub repeat: u32,
    /// Zero: not again.
    pub delay: Duration,
    /// Again and again, once for each address; zero for never.
    pub refresh: Duration,
}

/// Tells virtual routers apart, whatever they are called.
pub type Key = (String, Family, u8);

impl Instance {
    pub fn key(&self) -> Key {
        (self.router.interface.clone(), self.router.family, self.router.id)
    }
}

impl Setup {
    pub fn new(instances: Vec<Instance>, groups: Vec<(Arc<str>, Vec<usize>)>) -> Self {
        let virtual_addresses = instances.iter().flat_map(|i| &i.addresses).map(|prefix| prefix.address()).collect();
        Self { instances, groups, virtual_addresses }
    }

    pub fn routers(&self) -> Vec<Arc<Router>> {
        self.instances.iter().map(|instance| Arc::clone(&instance.router)).collect()
    }

    /// Whether this is an address of a virtual router.
    pub fn is_virtual(&self, address: IpAddr) -> bool {
        self.virtual_addresses.contains(&address)
    }
}

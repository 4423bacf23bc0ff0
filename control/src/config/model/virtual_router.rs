//! `[[virtual_router]]`.

use std::net::IpAddr;
use std::sync::Arc;

use crate::vrrp::{Instance, Setup};

/// The virtual routers and their sync groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VirtualRouters {
    pub(in crate::config) instances: Vec<Instance>,
    /// By the indexes of their members.
    pub(in crate::config) groups: Vec<(Arc<str>, Vec<usize>)>,
}

impl VirtualRouters {
    /// In the order of the file; names are unique.
    pub fn instances(&self) -> &[Instance] {
        &self.instances
    }

    /// Names of sync groups and of their members.
    pub fn groups(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        let name = |index: &usize| &*self.instances[*index].router.name;
        self.groups.iter().map(move |(group, members)| (&**group, members.iter().map(name).collect()))
    }

    pub fn setup(&self) -> Setup {
        Setup::new(self.instances.clone(), self.groups.clone())
    }

    /// Whether a virtual router of this node may hold it.
    pub fn hold(&self, address: IpAddr) -> bool {
        self.instances.iter().any(|instance| instance.addresses.iter().any(|prefix| prefix.address() == address))
    }
}

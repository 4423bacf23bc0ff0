//! Where a virtual router is: its interface as the kernel shows it.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use headgate_vrrp::announce::Mac;
use headgate_vrrp::router::Family;

use super::setup::{Instance, Setup};
use crate::netlink::NetState;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// 0: there is no such interface.
    pub ifindex: u32,
    pub mac: Option<Mac>,
    /// All of the family, the virtual ones too: none of them may be the source of an advert that comes.
    pub addresses: Vec<IpAddr>,
    /// The source of our adverts, and what ties are decided by.
    pub primary: Option<IpAddr>,
    /// Why no advert can be sent from here.
    pub fault: Option<Arc<str>>,
}

impl Place {
    /// Whether an address of a virtual router was here and is not any more.
    pub fn lost(&self, now: &Self, instance: &Instance) -> bool {
        let here: HashSet<&IpAddr> = now.addresses.iter().collect();
        let wanted: HashSet<IpAddr> = instance.addresses.iter().map(|prefix| prefix.address()).collect();
        self.addresses.iter().any(|address| wanted.contains(address) && !here.contains(address))
    }

    pub fn find(instance: &Instance, setup: &Setup, network: &NetState) -> Self {
        let (name, family) = (&instance.router.interface, instance.router.family);
        let Some(link) = network.interface_by_name(name) else {
            return Self { fault: Some(format!("there is no interface {name}").into()), ..Self::default() };
        };
        let known = || network.addresses_of(link.index).filter(|known| Family::of(known.ip) == family);
        let own: Vec<IpAddr> =
            known().filter(|known| known.is_usable() && !setup.is_virtual(known.ip)).map(|known| known.ip).collect();
        // Adverts of IPv6 are to come from a link-local address (RFC 9568 section 5.1.2.1).
        let is_local = |ip: &&IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        let primary = instance.source.or_else(|| own.iter().find(is_local).or(own.first()).copied());
        let fault = if !link.up {
            Some(format!("{name} is down"))
        } else if !link.running {
            Some(format!("{name} has no carrier"))
        } else if primary.is_none_or(|primary| !own.contains(&primary)) {
            Some(match instance.source {
                Some(source) => format!("{name} does not have {source}"),
                None => format!("{name} has no {} address", if family == Family::V4 { "IPv4" } else { "IPv6" }),
            })
        } else {
            None
        };
        Self {
            ifindex: link.index,
            mac: link.mac,
            addresses: known().map(|known| known.ip).collect(),
            primary,
            fault: fault.map(Into::into),
        }
    }
}

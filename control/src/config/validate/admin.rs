//! The address of the admin endpoint against all others.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use headgate_l7::config::Proxy;

use crate::config::error::{Findings, Problem};
use crate::config::model::{Ports, Protocol, Service};
use crate::config::reader::At;

/// The place of the address, if a host has to hold it.
pub(super) fn admin(
    at: &At<SocketAddr>,
    services: &[Service],
    proxy: &Proxy,
    findings: &Findings,
) -> Option<At<IpAddr>> {
    let (address, place) = (at.value, &at.place);
    if address.ip().is_multicast() {
        findings.error(place, Problem::NotAHost(address.ip()));
        return None;
    }
    let port = NonZeroU16::new(address.port()).map_or(Ports::All, Ports::One);
    let takes = |service: &&Service| {
        let service = (service.protocol(), service.address());
        service.0 == Protocol::Tcp && service.1.ip() == address.ip() && service.1.ports().overlaps(port)
    };
    if let Some(service) = services.iter().find(takes) {
        findings.error(place, Problem::TakenByService { address, service: service.name().to_owned() });
    }
    let shared = |listener: &&headgate_l7::config::Listener| {
        listener.addresses.iter().any(|known| both_cannot_be_bound(*known, address))
    };
    if let Some(listener) = proxy.listeners.iter().find(shared) {
        findings.error(place, Problem::TakenByListener { address, listener: listener.name.clone() });
    }
    (!address.ip().is_unspecified()).then(|| At { value: address.ip(), place: place.clone() })
}

/// An unspecified address stands for all of its family.
fn both_cannot_be_bound(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port()
        && one.is_ipv4() == other.is_ipv4()
        && (one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified())
}

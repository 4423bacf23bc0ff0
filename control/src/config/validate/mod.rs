//! From raw values to the model: defaults, and whatever takes more than one value to judge. One function per section; the
//! comparisons between sections come last.

mod admin;
mod check;
mod dataplane;
mod proxy;
mod service;
mod track;
mod virtual_router;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::IpAddr;

use super::environment::Environment;
use super::error::{Advice, ConfigWarning, Findings, Place, Problem};
use super::model::{Control, HeldAddress, Log, Model, Node, VirtualRouters};
use super::raw;
use super::reader::{At, Field};

/// Also returns, for each service or listener address without an `[[address]]`, the warning that applies if the host lacks it too.
///
/// When errors were noted the model is made of what is left and must not be used.
pub(super) fn model(raw: raw::Config, environment: &Environment, findings: &Findings) -> (Model, Vec<ConfigWarning>) {
    let first_service = raw.services.first().map(|service| service.place.line);
    let node = Node { name: field(raw.node_name, environment.hostname.clone()) };
    let admin = raw.control.as_ref().and_then(|raw| raw.admin.clone().set());
    let control = control(raw.control);
    let dataplane = dataplane::dataplane(raw.dataplane, first_service, environment, findings);
    let addresses = addresses(raw.addresses, findings);
    let (services, mut places) = service::services(raw.services, findings);
    let sections = proxy::Sections { proxy: raw.proxy, upstreams: raw.upstreams, listeners: raw.listeners };
    let (proxy, listening) = proxy::proxy(sections, node.name(), &services, environment, findings);
    places.extend(listening);
    if let Some(admin) = admin {
        places.extend(admin::admin(&admin, &services, proxy.config(), findings));
    }
    let upstreams: Vec<String> = proxy.config().upstreams.iter().map(|known| known.name.clone()).collect();
    let names: Vec<String> = services.iter().map(|service| service.name().to_owned()).collect();
    let known = track::Known { upstreams: &upstreams, services: &names };
    let virtual_routers =
        virtual_router::virtual_routers(raw.virtual_routers, raw.sync_groups, &addresses, &known, findings);
    let unassigned = unassigned(&places, &addresses, &virtual_routers, findings);
    (Model { node, control, dataplane, addresses, services, virtual_routers, proxy }, unassigned)
}

fn control(raw: Option<raw::Control>) -> Control {
    let default = Control { socket: super::DEFAULT_SOCKET.into(), admin: None, log: Log::default() };
    let Some(raw) = raw else { return default };
    let log =
        Log { level: field(raw.log_level, default.log.level()), format: field(raw.log_format, default.log.format()) };
    Control { socket: raw.socket.or(default.socket), admin: raw.admin.set().map(|at| at.value), log }
}

fn addresses(raw: Vec<raw::Address>, findings: &Findings) -> Vec<HeldAddress> {
    let mut unique = Unique::default();
    let mut addresses = Vec::new();
    for raw in raw {
        let interface = raw.interface.required("an interface name such as \"eth1\"", findings);
        let prefix = raw.address.required("an address such as \"10.0.0.1/24\"", findings);
        let (Some(interface), Some(prefix)) = (interface, prefix) else { continue };
        let ip = prefix.value.address();
        if host_address(ip, &prefix.place, findings) && unique.insert(&ip, &prefix.place, findings) {
            addresses.push(HeldAddress { interface: interface.value, prefix: prefix.value });
        }
    }
    addresses
}

fn unassigned(
    services: &[At<IpAddr>],
    addresses: &[HeldAddress],
    routers: &VirtualRouters,
    findings: &Findings,
) -> Vec<ConfigWarning> {
    let held =
        |ip: IpAddr| ip.is_loopback() || addresses.iter().any(|a| a.prefix().address() == ip) || routers.hold(ip);
    let foreign = services.iter().filter(|at| !held(at.value));
    foreign.map(|at| findings.conditional(&at.place, Advice::NotHeld(at.value))).collect()
}

/// Notes an error unless `ip` can belong to a host.
fn host_address(ip: IpAddr, place: &Place, findings: &Findings) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    let fits = !ip.is_unspecified() && !ip.is_multicast() && !broadcast;
    if !fits {
        findings.error(place, Problem::NotAHost(ip));
    }
    fits
}

/// Notes an error when a value comes a second time.
struct Unique<T>(HashMap<T, u32>);

impl<T> Default for Unique<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Hash + Eq + Clone + std::fmt::Display> Unique<T> {
    fn insert(&mut self, value: &T, place: &Place, findings: &Findings) -> bool {
        match self.0.entry(value.clone()) {
            Entry::Vacant(vacant) => {
                vacant.insert(place.line);
                true
            }
            Entry::Occupied(first) => {
                findings.error(place, Problem::Duplicate { value: value.to_string(), line: *first.get() });
                false
            }
        }
    }
}

/// A field of a section that may be absent.
fn field<T>(field: Option<Field<T>>, default: T) -> T {
    field.and_then(Field::set).map_or(default, |at| at.value)
}

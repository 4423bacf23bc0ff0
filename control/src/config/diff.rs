//! What a reload changes.

use std::fmt;
use std::net::SocketAddr;

use super::model::{Model, Persistence, SchedulerFlags, Server, Service, Thresholds, Workers};
use super::text::show_duration;

/// One difference between two models; its `Display` is what a reload prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A key outside of services.
    Setting {
        key: &'static str,
        from: String,
        to: String,
        /// The running process keeps the old value until it is started anew.
        needs_restart: bool,
    },
    AddressAdded {
        address: String,
    },
    AddressRemoved {
        address: String,
    },
    ServiceAdded {
        service: String,
        servers: usize,
    },
    ServiceRemoved {
        service: String,
    },
    ServiceChanged {
        service: String,
        key: &'static str,
        from: String,
        to: String,
    },
    ServerAdded {
        service: String,
        server: SocketAddr,
        weight: u32,
    },
    ServerRemoved {
        service: String,
        server: SocketAddr,
    },
    ServerChanged {
        service: String,
        server: SocketAddr,
        key: &'static str,
        from: String,
        to: String,
    },
}

impl Change {
    pub fn needs_restart(&self) -> bool {
        matches!(self, Self::Setting { needs_restart: true, .. })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting { key, from, to, needs_restart } => {
                let note = if *needs_restart { " (takes effect at the next start)" } else { "" };
                write!(f, "{key}: {from} -> {to}{note}")
            }
            Self::AddressAdded { address } => write!(f, "address {address} added"),
            Self::AddressRemoved { address } => write!(f, "address {address} removed"),
            Self::ServiceAdded { service, servers: 1 } => write!(f, "service {service} added with 1 server"),
            Self::ServiceAdded { service, servers } => write!(f, "service {service} added with {servers} servers"),
            Self::ServiceRemoved { service } => write!(f, "service {service} removed"),
            Self::ServiceChanged { service, key, from, to } => write!(f, "service {service}: {key}: {from} -> {to}"),
            Self::ServerAdded { service, server, weight } => {
                write!(f, "service {service}: server {server} added with weight {weight}")
            }
            Self::ServerRemoved { service, server } => write!(f, "service {service}: server {server} removed"),
            Self::ServerChanged { service, server, key, from, to } => {
                write!(f, "service {service}: server {server}: {key}: {from} -> {to}")
            }
        }
    }
}

/// Services are the same when their names are, servers when their addresses are. Empty when the models are equal, but for the
/// order of services and servers.
pub fn diff(old: &Model, new: &Model) -> Vec<Change> {
    let mut changes = settings(old, new);
    addresses(old, new, &mut changes);
    for service in old.services().iter().filter(|s| new.service(s.name()).is_none()) {
        changes.push(Change::ServiceRemoved { service: service.name().to_owned() });
    }
    for service in new.services() {
        match old.service(service.name()) {
            None => changes
                .push(Change::ServiceAdded { service: service.name().to_owned(), servers: service.servers().len() }),
            Some(before) => service_changes(before, service, &mut changes),
        }
    }
    changes
}

/// A key and how to show its value.
type Row<T> = (&'static str, fn(&T) -> String);

/// The same, and whether only a new start applies it.
type Setting = (&'static str, fn(&Model) -> String, bool);

const SETTINGS: &[Setting] = &[
    ("node.name", |m| m.node().name().to_owned(), false),
    ("control.socket", |m| m.control().socket().display().to_string(), true),
    ("control.log.level", |m| m.control().log().level().word().to_owned(), false),
    ("control.log.format", |m| m.control().log().format().word().to_owned(), true),
    ("dataplane.interfaces", |m| list(m.dataplane().interfaces()), true),
    ("dataplane.workers", |m| workers(m.dataplane().workers()), true),
    ("dataplane.xdp", |m| m.dataplane().xdp().word().to_owned(), true),
    ("dataplane.connections", |m| m.dataplane().connections().to_string(), true),
    ("dataplane.busy_poll", |m| m.dataplane().busy_poll().to_string(), true),
    ("dataplane.timeouts.tcp", |m| show_duration(m.dataplane().timeouts().tcp()), false),
    ("dataplane.timeouts.tcp_fin", |m| show_duration(m.dataplane().timeouts().tcp_fin()), false),
    ("dataplane.timeouts.udp", |m| show_duration(m.dataplane().timeouts().udp()), false),
    ("dataplane.ipvs.expire_nodest_conn", |m| m.dataplane().ipvs().expire_nodest_conn().to_string(), false),
    (
        "dataplane.ipvs.expire_quiescent_template",
        |m| m.dataplane().ipvs().expire_quiescent_template().to_string(),
        false,
    ),
    ("dataplane.ipvs.conn_reuse_mode", |m| m.dataplane().ipvs().conn_reuse_mode().bits().to_string(), false),
    ("dataplane.ipvs.sloppy_tcp", |m| m.dataplane().ipvs().sloppy_tcp().to_string(), false),
    ("dataplane.ipvs.secure_tcp", |m| m.dataplane().ipvs().secure_tcp().to_string(), false),
    ("dataplane.ipvs.nat_icmp_send", |m| m.dataplane().ipvs().nat_icmp_send().to_string(), false),
    ("dataplane.ipvs.pmtu_disc", |m| m.dataplane().ipvs().pmtu_disc().to_string(), false),
    ("dataplane.ipvs.schedule_icmp", |m| m.dataplane().ipvs().schedule_icmp().to_string(), false),
    ("dataplane.ipvs.lblc_expiration", |m| show_duration(m.dataplane().ipvs().lblc_expiration()), false),
    ("dataplane.ipvs.lblcr_expiration", |m| show_duration(m.dataplane().ipvs().lblcr_expiration()), false),
];

const SERVICE: &[Row<Service>] = &[
    ("protocol", |s| s.protocol().word().to_owned()),
    ("address", |s| s.address().to_string()),
    ("forward", |s| s.forward().word().to_owned()),
    ("scheduler", |s| s.scheduler().word().to_owned()),
    ("scheduler_flags", |s| flags(s.scheduler_flags())),
    ("one_packet", |s| s.one_packet().to_string()),
    ("persistence", |s| persistence(s.persistence())),
    ("tunnel", |s| s.tunnel().word().to_owned()),
];

const SERVER: &[Row<Server>] = &[
    ("forward", |s| s.forward().word().to_owned()),
    ("weight", |s| s.weight().to_string()),
    ("max_connections", |s| s.thresholds().map_or(0, |t| t.max().get()).to_string()),
    ("min_connections", |s| s.thresholds().map_or(0, Thresholds::min).to_string()),
    // The shown address is equal here; this tells a port that is written from one that is kept.
    ("port", |s| s.port().map_or("kept".to_owned(), |p| p.to_string())),
];

fn settings(old: &Model, new: &Model) -> Vec<Change> {
    let change = |(key, show, needs_restart): &Setting| {
        let (from, to) = (show(old), show(new));
        (from != to).then_some(Change::Setting { key, from, to, needs_restart: *needs_restart })
    };
    SETTINGS.iter().filter_map(change).collect()
}

fn addresses(old: &Model, new: &Model, changes: &mut Vec<Change>) {
    let show = |a: &super::model::HeldAddress| format!("{} on {}", a.prefix(), a.interface());
    let gone = old.addresses().iter().filter(|a| !new.addresses().contains(a));
    changes.extend(gone.map(|a| Change::AddressRemoved { address: show(a) }));
    let come = new.addresses().iter().filter(|a| !old.addresses().contains(a));
    changes.extend(come.map(|a| Change::AddressAdded { address: show(a) }));
}

fn service_changes(old: &Service, new: &Service, changes: &mut Vec<Change>) {
    let service = new.name();
    for (key, from, to) in rows(SERVICE, old, new) {
        changes.push(Change::ServiceChanged { service: service.to_owned(), key, from, to });
    }
    let find = |servers: &[Server], address| servers.iter().position(|s| s.address() == address);
    for server in old.servers().iter().filter(|s| find(new.servers(), s.address()).is_none()) {
        changes.push(Change::ServerRemoved { service: service.to_owned(), server: server.address() });
    }
    for server in new.servers() {
        let address = server.address();
        let Some(before) = find(old.servers(), address) else {
            let weight = server.weight().get();
            changes.push(Change::ServerAdded { service: service.to_owned(), server: address, weight });
            continue;
        };
        for (key, from, to) in rows(SERVER, &old.servers()[before], server) {
            changes.push(Change::ServerChanged { service: service.to_owned(), server: address, key, from, to });
        }
    }
}

fn rows<T>(rows: &[Row<T>], old: &T, new: &T) -> Vec<(&'static str, String, String)> {
    let values = rows.iter().map(|(key, show)| (*key, show(old), show(new)));
    values.filter(|(_, from, to)| from != to).collect()
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn workers(workers: &Workers) -> String {
    match workers {
        Workers::Auto => "auto".to_owned(),
        Workers::Cores(cores) => list(&cores.iter().map(u16::to_string).collect::<Vec<_>>()),
    }
}

fn flags(flags: SchedulerFlags) -> String {
    let named = [("fallback", flags.fallback()), ("port", flags.port())];
    list(&named.iter().filter(|(_, on)| *on).map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>())
}

fn persistence(persistence: Option<Persistence>) -> String {
    persistence.map_or("none".to_owned(), |p| format!("{} for /{}", show_duration(p.timeout()), p.prefix()))
}

#[cfg(test)]
mod tests;

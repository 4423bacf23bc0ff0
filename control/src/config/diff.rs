//! What a reload changes.

mod proxy;
mod virtual_router;

use std::fmt;

use super::model::{Model, Persistence, SchedulerFlags, Server, Service, Thresholds, Workers};
use super::text::show_duration;
use crate::program::Command;

/// One difference between two models; its `Display` is what a reload prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A key outside of what has a name.
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
    /// `kind`: service, upstream or listener.
    Added {
        kind: &'static str,
        name: String,
        /// Of what has any.
        servers: Option<usize>,
    },
    Removed {
        kind: &'static str,
        name: String,
    },
    Changed {
        kind: &'static str,
        name: String,
        key: &'static str,
        from: String,
        to: String,
    },
    ServerAdded {
        kind: &'static str,
        name: String,
        server: String,
        weight: u32,
    },
    ServerRemoved {
        kind: &'static str,
        name: String,
        server: String,
    },
    ServerChanged {
        kind: &'static str,
        name: String,
        server: String,
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
            Self::Added { kind, name, servers: None } => write!(f, "{kind} {name} added"),
            Self::Added { kind, name, servers: Some(1) } => write!(f, "{kind} {name} added with 1 server"),
            Self::Added { kind, name, servers: Some(servers) } => {
                write!(f, "{kind} {name} added with {servers} servers")
            }
            Self::Removed { kind, name } => write!(f, "{kind} {name} removed"),
            Self::Changed { kind, name, key, from, to } => write!(f, "{kind} {name}: {key}: {from} -> {to}"),
            Self::ServerAdded { kind, name, server, weight } => {
                write!(f, "{kind} {name}: server {server} added with weight {weight}")
            }
            Self::ServerRemoved { kind, name, server } => write!(f, "{kind} {name}: server {server} removed"),
            Self::ServerChanged { kind, name, server, key, from, to } => {
                write!(f, "{kind} {name}: server {server}: {key}: {from} -> {to}")
            }
        }
    }
}

/// Services, upstreams and listeners are the same when their names are, servers when their addresses are. Empty when the models are
/// equal, but for the order of these.
pub fn diff(old: &Model, new: &Model) -> Vec<Change> {
    let mut changes = settings(old, new);
    addresses(old, new, &mut changes);
    named(&SERVICES, old.services(), new.services(), &mut changes);
    virtual_router::diff(old, new, &mut changes);
    proxy::diff(old.proxy(), new.proxy(), &mut changes);
    changes
}

/// A kind of section that has a name, and maybe servers.
struct Kind<T: 'static, S: 'static> {
    word: &'static str,
    name: fn(&T) -> &str,
    rows: &'static [Row<T>],
    servers: Option<Servers<T, S>>,
}

/// The servers of a section.
struct Servers<T: 'static, S: 'static> {
    of: fn(&T) -> &[S],
    /// As it is told; tells it from the others.
    key: fn(&S) -> String,
    weight: fn(&S) -> u32,
    rows: &'static [Row<S>],
}

const SERVICES: Kind<Service, Server> = Kind {
    word: "service",
    name: Service::name,
    rows: SERVICE,
    servers: Some(Servers {
        of: Service::servers,
        key: |server| server.address().to_string(),
        weight: |server| server.weight().get(),
        rows: SERVER,
    }),
};

/// A key and how to show its value.
type Row<T> = (&'static str, fn(&T) -> String);

/// The same, and whether only a new start applies it.
type Setting = (&'static str, fn(&Model) -> String, bool);

const SETTINGS: &[Setting] = &[
    ("node.name", |m| m.node().name().to_owned(), false),
    ("control.socket", |m| m.control().socket().display().to_string(), true),
    ("control.admin", |m| m.control().admin().map_or("off".to_owned(), |address| address.to_string()), false),
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
    ("proxy.workers", |m| workers(m.proxy().workers()), true),
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
    ("quorum", |s| s.health().quorum.to_string()),
    ("hysteresis", |s| s.health().hysteresis.to_string()),
    ("sorry_server", |s| {
        let shown = |sorry: &Server| format!("{} ({})", sorry.address(), sorry.forward().word());
        s.health().sorry_server.as_ref().map_or("none".to_owned(), shown)
    }),
    ("notify.up", |s| script(s.health().notify.up.as_ref())),
    ("notify.down", |s| script(s.health().notify.down.as_ref())),
    ("notify.quorum_up", |s| script(s.health().notify.quorum_up.as_ref())),
    ("notify.quorum_down", |s| script(s.health().notify.quorum_down.as_ref())),
];

const SERVER: &[Row<Server>] = &[
    ("forward", |s| s.forward().word().to_owned()),
    ("weight", |s| s.weight().to_string()),
    ("max_connections", |s| s.thresholds().map_or(0, |t| t.max().get()).to_string()),
    ("min_connections", |s| s.thresholds().map_or(0, Thresholds::min).to_string()),
    // The shown address is equal here; this tells a port that is written from one that is kept.
    ("check", |s| list(s.checks())),
    ("inhibit_on_failure", |s| s.inhibit_on_failure().to_string()),
    ("slow_start", |s| show_duration(s.slow_start())),
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

fn named<T, S>(kind: &Kind<T, S>, old: &[T], new: &[T], changes: &mut Vec<Change>) {
    let find = |list: &'_ [T], name: &str| list.iter().position(|one| (kind.name)(one) == name);
    let name = |one: &T| (kind.name)(one).to_owned();
    for gone in old.iter().filter(|one| find(new, (kind.name)(one)).is_none()) {
        changes.push(Change::Removed { kind: kind.word, name: name(gone) });
    }
    for one in new {
        let Some(before) = find(old, (kind.name)(one)) else {
            let servers = kind.servers.as_ref().map(|servers| (servers.of)(one).len());
            changes.push(Change::Added { kind: kind.word, name: name(one), servers });
            continue;
        };
        for (key, from, to) in rows(kind.rows, &old[before], one) {
            changes.push(Change::Changed { kind: kind.word, name: name(one), key, from, to });
        }
        if let Some(servers) = &kind.servers {
            server_changes((kind.word, &name(one)), servers, (&old[before], one), changes);
        }
    }
}

fn server_changes<T, S>(
    (kind, name): (&'static str, &str),
    servers: &Servers<T, S>,
    (old, new): (&T, &T),
    changes: &mut Vec<Change>,
) {
    let name = || name.to_owned();
    let (old, new) = ((servers.of)(old), (servers.of)(new));
    let find = |list: &[S], server: &str| list.iter().position(|known| (servers.key)(known) == server);
    for gone in old.iter().map(servers.key).filter(|server| find(new, server).is_none()) {
        changes.push(Change::ServerRemoved { kind, name: name(), server: gone });
    }
    for one in new {
        let server = (servers.key)(one);
        let Some(before) = find(old, &server) else {
            changes.push(Change::ServerAdded { kind, name: name(), server, weight: (servers.weight)(one) });
            continue;
        };
        for (key, from, to) in rows(servers.rows, &old[before], one) {
            changes.push(Change::ServerChanged { kind, name: name(), server: server.clone(), key, from, to });
        }
    }
}

fn rows<T>(rows: &[Row<T>], old: &T, new: &T) -> Vec<(&'static str, String, String)> {
    let values = rows.iter().map(|(key, show)| (*key, show(old), show(new)));
    values.filter(|(_, from, to)| from != to).collect()
}

fn list(items: &[impl ToString]) -> String {
    let shown: Vec<String> = items.iter().map(ToString::to_string).collect();
    if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
}

fn workers(workers: &Workers) -> String {
    match workers {
        Workers::Auto => "auto".to_owned(),
        Workers::Cores(cores) => list(cores),
    }
}

fn script(command: Option<&Command>) -> String {
    let Some(command) = command else { return "none".to_owned() };
    let user = command.user.as_ref().map_or_else(String::new, |user| format!(" as {user}"));
    command.words.join(" ") + &user
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

//! The connection table and the services in the form of the recordings.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use headgate_dataplane::connection;
use headgate_dataplane::proto;
use headgate_dataplane::servers::Identity;
use headgate_dataplane::table::{KIND_TEMPLATE, State, TICKS_PER_SECOND, Tick};

use crate::director::Director;
use crate::fixture::{Connection, ServerLine, ServiceLine};

/// A row with what a comparison of `expires` needs besides.
#[derive(Debug, Clone)]
pub struct Row {
    pub connection: Connection,
    /// Seconds.
    pub timeout: u32,
}

/// All connections and templates, sorted.
pub fn connections(director: &Director) -> Vec<Row> {
    let mut rows = Vec::new();
    for found in director.table.v4().iter() {
        let key = &found.forward;
        let client = SocketAddr::new(Ipv4Addr::from_bits(key.src()).into(), key.sport());
        let service = SocketAddr::new(Ipv4Addr::from_bits(key.dst()).into(), key.dport());
        let idle = idle(director, |now| director.table.v4().last_seen(found.id, now));
        rows.push(row(director, key.protocol(), key.kind(), client, service, found.server, found.state, idle));
    }
    for found in director.table.v6().iter() {
        let key = &found.forward;
        let client = SocketAddr::new(IpAddr::V6(Ipv6Addr::from(key.src())), key.sport());
        let service = SocketAddr::new(IpAddr::V6(Ipv6Addr::from(key.dst())), key.dport());
        let idle = idle(director, |now| director.table.v6().last_seen(found.id, now));
        rows.push(row(director, key.protocol(), key.kind(), client, service, found.server, found.state, idle));
    }
    rows.sort_by(|a, b| a.connection.cmp(&b.connection));
    rows
}

/// All services, in the order they were added.
pub fn services(director: &Director) -> Vec<ServiceLine> {
    let line = |entry: &crate::configuration::Entry| ServiceLine {
        proto: protocol_name(entry.protocol).to_owned(),
        vs: entry.address.to_string(),
        dests: entry
            .pool
            .members()
            .iter()
            .map(|member| {
                let load = director.servers.load(member.id);
                ServerLine {
                    addr: SocketAddr::new(member.address, member.port).to_string(),
                    weight: member.weight,
                    active: load.active,
                    inactive: load.inactive,
                }
            })
            .collect(),
    };
    director.configuration.services.iter().map(line).collect()
}

fn idle(director: &Director, last_seen: impl FnOnce(Tick) -> Option<Tick>) -> u32 {
    let now = director.now().tick;
    last_seen(now).map_or(0, |seen| seen.age(now)) / TICKS_PER_SECOND
}

#[expect(clippy::too_many_arguments, reason = "the fields of two kinds of keys, flattened")]
fn row(
    director: &Director,
    protocol: u8,
    kind: u8,
    client: SocketAddr,
    service: SocketAddr,
    server: u32,
    state: State,
    idle: u32,
) -> Row {
    let dest = director.servers.id(server).and_then(|id| director.servers.identity(id));
    let dest = dest.map(|Identity { address, port, .. }| {
        SocketAddr::new(address, if port == 0 { service.port() } else { port }).to_string()
    });
    let name = if kind == KIND_TEMPLATE { "NONE" } else { connection::state_name(protocol, state) };
    let timeout = state.timeout_seconds();
    Row {
        timeout,
        connection: Connection {
            proto: protocol_name(protocol).to_owned(),
            client: client.to_string(),
            r#virtual: service.to_string(),
            dest: dest.unwrap_or_else(|| "?".to_owned()),
            state: name.to_owned(),
            expires: left(timeout, idle),
        },
    }
}

/// Seconds left. A template past its time that still controls connections gets a minute more, again and again.
fn left(timeout: u32, idle: u32) -> u32 {
    if idle <= timeout { timeout - idle } else { 60 - (idle - timeout) % 60 }
}

fn protocol_name(protocol: u8) -> &'static str {
    match protocol {
        proto::TCP => "TCP",
        proto::UDP => "UDP",
        _ => "?",
    }
}

//! From what is wanted (services) and what is there (the network) to what the workers and the steering program are told. Pure functions:
//! equal inputs give equal outputs, and nothing here talks to the kernel.

pub mod network;
pub mod steering;

use std::sync::Arc;

use headgate_dataplane::servers::Servers;
use headgate_dataplane::snapshot::{Forward, Network, Server, Service, Settings, Snapshot};
use headgate_dataplane::state::Timeouts;

use crate::config::Model;
use crate::daemon::registry::Registry;

/// The snapshot for the workers. Services whose address this host does not hold are left out, as IPVS does: their packets are only
/// passing through.
pub fn snapshot(generation: u64, settings: Settings, registry: &Registry, network: Network) -> Snapshot {
    let mut services = Vec::new();
    let mut servers = Vec::new();
    for service in registry.services().iter().filter(|service| network.takes(service.address)) {
        let index = services.len() as u32;
        services.push(Service {
            name: service.name.clone(),
            protocol: service.protocol,
            address: service.address,
            ports: service.ports,
            one_packet: service.one_packet,
            persistence: service.persistence,
            pool: Arc::clone(&service.pool),
        });
        servers.extend(service.scheduled_servers().map(|server| Server {
            id: server.id,
            service: index,
            address: server.address,
            port: server.port,
            weight: server.effective_weight(),
            // IPVS turns a server that is the host itself into a local one (`ip_vs_xmit.c`).
            forward: if network.takes(server.address) { Forward::Local } else { server.forward },
            way: headgate_dataplane::snapshot::egress::Way::NONE,
        }));
    }
    Snapshot::new(generation, settings, services, servers, network)
}

/// The settings that packets are treated by.
pub fn settings(model: &Model) -> Settings {
    let (timeouts, ipvs) = (model.dataplane().timeouts(), model.dataplane().ipvs());
    let seconds = |duration: std::time::Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
    Settings {
        timeouts: Timeouts::new(seconds(timeouts.tcp()), seconds(timeouts.tcp_fin()), seconds(timeouts.udp())),
        conn_reuse_mode: ipvs.conn_reuse_mode().bits(),
        expire_nodest_conn: ipvs.expire_nodest_conn(),
        expire_quiescent_template: ipvs.expire_quiescent_template(),
        nat_icmp_send: ipvs.nat_icmp_send(),
        pmtu_disc: ipvs.pmtu_disc(),
        schedule_icmp: ipvs.schedule_icmp(),
        secure_tcp: ipvs.secure_tcp(),
        sloppy_tcp: ipvs.sloppy_tcp(),
        ..Settings::default()
    }
}

/// The largest number of servers, configured and removed but still in use, that a node can have.
pub const MAX_SERVERS: u32 = 16_384;

/// Words of memory for [`Servers`].
pub fn server_words() -> usize {
    Servers::words_needed(MAX_SERVERS)
}

#[cfg(test)]
mod tests;

//! What the steering program takes from the kernel.

use std::net::IpAddr;

use headgate_dataplane::snapshot::{Forward, Network, Ports};
use headgate_xsk::{PortMatch, ServiceKey, SteeringMaps};

use crate::daemon::registry::Registry;

/// Packets of every service whose address is local to this host, and replies of their NAT servers. Servers and services that were removed stay
/// as long as they have connections: those are still translated. Without any service nothing is taken, as IPVS stops with its last
/// service.
pub fn steering(registry: &Registry, network: &Network, local: impl IntoIterator<Item = IpAddr>) -> SteeringMaps {
    let mut maps = SteeringMaps::default();
    if registry.services().is_empty() {
        return maps;
    }
    maps.local.extend(local);
    for service in registry.services().iter().filter(|service| network.takes(service.address)) {
        maps.services.insert(key(service.protocol, service.address, service.ports));
        for server in service.all_servers().filter(|server| !network.takes(server.address)) {
            let translated = (server.port, service.ports);
            add_server(&mut maps, server.forward, server.address, service.protocol, translated);
        }
    }
    for retired in registry.retired() {
        let (address, ports) = retired.service;
        if network.takes(address) {
            maps.services.insert(key(retired.protocol, address, ports));
        }
        add_server(&mut maps, retired.forward, retired.address, retired.protocol, (retired.port, ports));
    }
    maps
}

fn key(protocol: u8, addr: IpAddr, ports: Ports) -> ServiceKey {
    let ports = match ports {
        Ports::Any => PortMatch::Any,
        Ports::One(port) => PortMatch::One(port),
        Ports::Range(first, last) => PortMatch::Range(first, last),
    };
    ServiceKey { addr, protocol, ports }
}

fn add_server(maps: &mut SteeringMaps, forward: Forward, address: IpAddr, protocol: u8, port: (u16, Ports)) {
    match forward {
        Forward::Nat => {
            let port = match port {
                // The packet keeps its port, so a reply may come from any of the service's.
                (0, Ports::One(port)) => port,
                (0, _) | (_, Ports::Any) => 0,
                (port, _) => port,
            };
            maps.nat_servers.insert((address, protocol, port));
        }
        Forward::Tunnel => {
            maps.tunnel_servers.insert(address);
        }
        Forward::Dr | Forward::Local => {}
    }
}

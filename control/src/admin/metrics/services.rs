//! Virtual services and their servers.

use headgate_api::{Rates, Server, ServerState, Service, Stats};

use super::Number;
use crate::admin::exposition::{Exposition, Labels, Metric, Value, counter, gauge};

const INFO: Metric = gauge("headgate_service_info", "A virtual service as it is configured.");
const UP: Metric = gauge("headgate_service_up", "Whether a server of the service can take a new connection.");

/// Traffic of a service.
const SERVICE: Traffic = Traffic {
    connections: counter("headgate_service_connections_total", "Connections made to a service."),
    packets: counter("headgate_service_packets_total", "Packets of a service; in: from clients."),
    bytes: counter("headgate_service_bytes_total", "Bytes of a service's IP packets; in: from clients."),
};

/// Traffic of a server.
const SERVER: Traffic = Traffic {
    connections: counter("headgate_server_connections_total", "Connections given to a server."),
    packets: counter("headgate_server_packets_total", "Packets of a server; in: to it, out: from it."),
    bytes: counter("headgate_server_bytes_total", "Bytes of a server's IP packets; in: to it, out: from it."),
};

/// The estimator's view of a server.
const RATES: Traffic = Traffic {
    connections: gauge("headgate_server_connections_per_second", "Connections given to a server, lately."),
    packets: gauge("headgate_server_packets_per_second", "Packets of a server, lately."),
    bytes: gauge("headgate_server_bytes_per_second", "Bytes of a server's IP packets, lately."),
};

/// A number of a server.
const NUMBERS: [Number<Server, Value>; 6] = [
    (gauge("headgate_server_up", "Whether a server may get new connections."), |server| {
        (server.state == ServerState::Up).into()
    }),
    (gauge("headgate_server_weight", "The configured weight."), |server| u64::from(server.weight).into()),
    (gauge("headgate_server_effective_weight", "The weight in use, 0 while draining or down."), |server| {
        u64::from(server.effective_weight).into()
    }),
    (gauge("headgate_server_active_connections", "Connections that are established."), |server| server.active.into()),
    (gauge("headgate_server_inactive_connections", "Connections in any other state."), |server| server.inactive.into()),
    (gauge("headgate_server_persistence_templates", "Templates of persistence that lead to a server."), |server| {
        server.persistent.into()
    }),
];

struct Traffic {
    connections: Metric,
    packets: Metric,
    bytes: Metric,
}

/// What is the same for counters and rates.
struct Amounts {
    connections: u64,
    packets: [u64; 2],
    bytes: [u64; 2],
}

pub(super) fn write(out: &mut Exposition, services: &[Service]) {
    let mut family = out.family(INFO);
    for service in services {
        let (protocol, forward) = (service.protocol.to_string(), service.forward.to_string());
        let labels = [
            ("service", &*service.name),
            ("protocol", &protocol),
            ("address", &service.address),
            ("forward", &forward),
            ("scheduler", &service.scheduler),
        ];
        family.sample(&labels, true);
    }
    let mut family = out.family(UP);
    for service in services {
        family.sample(&[("service", &service.name)], service.up);
    }
    let service = |service: &Service| (vec![("service", service.name.clone())], amounts(&service.stats));
    SERVICE.write(out, services.iter().map(service));
    for (metric, number) in NUMBERS {
        let mut family = out.family(metric);
        for (service, server) in servers(services) {
            let address = server.address.to_string();
            family.sample(&[("service", &service.name), ("server", &address)], number(server));
        }
    }
    let labels = |service: &Service, server: &Server| {
        vec![("service", service.name.clone()), ("server", server.address.to_string())]
    };
    let totals = servers(services).map(|(service, server)| (labels(service, server), amounts(&server.stats)));
    SERVER.write(out, totals);
    let with_rates =
        servers(services).filter_map(|(service, server)| Some((service, server, rates(&server.stats.rates?))));
    RATES.write(out, with_rates.map(|(service, server, rates)| (labels(service, server), rates)));
}

fn servers(services: &[Service]) -> impl Iterator<Item = (&Service, &Server)> {
    services.iter().flat_map(|service| service.servers.iter().map(move |server| (service, server)))
}

fn amounts(stats: &Stats) -> Amounts {
    Amounts {
        connections: stats.connections,
        packets: [stats.packets_in, stats.packets_out],
        bytes: [stats.bytes_in, stats.bytes_out],
    }
}

fn rates(rates: &Rates) -> Amounts {
    Amounts {
        connections: rates.connections,
        packets: [rates.packets_in, rates.packets_out],
        bytes: [rates.bytes_in, rates.bytes_out],
    }
}

impl Traffic {
    fn write(&self, out: &mut Exposition, rows: impl Iterator<Item = (Vec<(&'static str, String)>, Amounts)>) {
        let rows: Vec<_> = rows.collect();
        let rows = || rows.iter().map(|(labels, amounts)| (borrowed(labels), amounts));
        let mut family = out.family(self.connections);
        for (labels, amounts) in rows() {
            family.sample(&labels, amounts.connections);
        }
        for (metric, of) in [(self.packets, (|a| a.packets) as fn(&Amounts) -> [u64; 2]), (self.bytes, |a| a.bytes)] {
            let mut family = out.family(metric);
            for (labels, amounts) in rows() {
                for (direction, amount) in ["in", "out"].into_iter().zip(of(amounts)) {
                    family.sample(&[&*labels, &[("direction", direction)]].concat(), amount);
                }
            }
        }
    }
}

fn borrowed<'a>(labels: &'a [(&'static str, String)]) -> Box<Labels<'a>> {
    labels.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

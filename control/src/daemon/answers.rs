//! Answers to the requests of the control socket.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use headgate_api as api;
use headgate_api::{ErrorKind, Request, Response, ServerChange};
use headgate_dataplane::connection;
use headgate_dataplane::drop_reason::DropReason;
use headgate_dataplane::family::{Family, V4, V6};
use headgate_dataplane::proto;
use headgate_dataplane::snapshot::{Forward, Ports, Snapshot};
use headgate_dataplane::table::{Found, TICKS_PER_SECOND, Tick};

use super::Daemon;
use super::chain::chain;
use super::dataplane::Dataplane;
use super::registry::{Override, Server, Service};
use super::stop::STOPPING;

impl Daemon {
    /// Carries out a request of the control socket.
    pub(super) async fn answer(&mut self, request: Request) -> Response {
        match request {
            Request::Status => Response::Status(Box::new(self.status().await)),
            Request::Services { name, rates, zero } => self.services(name.as_deref(), rates, zero),
            Request::Connections { filter } => Response::Connections(self.connections(&filter)),
            Request::Vrrp => Response::Vrrp(self.vrrp.report().await),
            Request::Reload | Request::Server { .. } if self.draining.is_some() => {
                Response::error(ErrorKind::Failed, STOPPING)
            }
            Request::Reload => Response::Reload(self.reload().await),
            Request::Upstreams { name } => self.proxy.upstreams(name.as_deref()),
            Request::Server { service, address, change } => self.change_server(&service, address, change),
            _ => Response::error(ErrorKind::BadRequest, "this daemon does not know that request"),
        }
    }

    async fn status(&self) -> api::Status {
        let router = |router: api::VirtualRouter| api::VirtualRouterSummary {
            name: router.name,
            state: router.state,
            effective_priority: router.effective_priority,
            master: router.master,
            reason: router.reason,
        };
        api::Status {
            version: api::VERSION,
            node: self.model.node().name().to_owned(),
            headgate: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_s: self.started.elapsed().as_secs(),
            state: self.state(),
            generation: self.generation,
            dataplane: self.dataplane.as_ref().map(dataplane_status).unwrap_or_default(),
            services: self.registry.services().iter().map(|service| self.summary(service)).collect(),
            virtual_routers: self.vrrp.report().await.virtual_routers.into_iter().map(router).collect(),
            proxy: self.proxy.status(),
            last_reload: self.last_reload.clone(),
        }
    }

    fn state(&self) -> api::NodeState {
        if self.proxy.has_failed() || self.dataplane.as_ref().is_some_and(Dataplane::has_failed) {
            api::NodeState::Failed
        } else if self.draining.is_some() {
            api::NodeState::Draining
        } else {
            api::NodeState::Running
        }
    }

    fn summary(&self, service: &Service) -> api::ServiceSummary {
        let load = |server: &Server| self.registry.slab().load(server.id);
        let up = service.servers.iter().filter(|server| self.takes_connections(server)).count() as u64;
        api::ServiceSummary {
            name: service.name.to_string(),
            protocol: protocol(service.protocol),
            address: address(service),
            up: self.is_up(service),
            servers_up: up,
            servers: service.servers.len() as u64,
            active: service.all_servers().map(|server| u64::from(load(server).active)).sum(),
            inactive: service.all_servers().map(|server| u64::from(load(server).inactive)).sum(),
            failing: service.servers.iter().filter_map(|server| self.failing(service, server)).collect(),
        }
    }

    fn failing(&self, service: &Service, server: &Server) -> Option<api::FailingServer> {
        if server.alive {
            return None;
        }
        let check = self.check_of(&service.name, server.shown)?;
        let reason = check.reason.unwrap_or_default();
        Some(api::FailingServer { address: server.shown, check: check.check, since_s: check.since_s, reason })
    }

    pub(super) fn service_is_up(&self, name: &str) -> bool {
        self.registry.service(name).is_some_and(|service| self.is_up(service))
    }

    fn is_up(&self, service: &Service) -> bool {
        service.quorum.up && service.servers.iter().any(|server| self.takes_connections(server))
    }

    fn takes_connections(&self, server: &Server) -> bool {
        server.effective_weight() > 0 && !self.registry.slab().overloaded(server.id)
    }

    fn services(&mut self, name: Option<&str>, rates: bool, zero: bool) -> Response {
        let wanted: Vec<&Service> =
            self.registry.services().iter().filter(|service| name.is_none_or(|name| *service.name == *name)).collect();
        if let (Some(name), true) = (name, wanted.is_empty()) {
            return Response::error(ErrorKind::NotFound, format!("no service is called {name:?}"));
        }
        let services = wanted.iter().map(|service| self.service(service, rates)).collect();
        if let (Some(dataplane), true) = (&self.dataplane, zero) {
            for server in wanted.iter().flat_map(|service| service.all_servers()) {
                self.rates.zero(dataplane, server.id);
            }
        }
        Response::Services(api::Services::new(services))
    }

    fn service(&self, service: &Service, rates: bool) -> api::Service {
        let shown = |server| self.server(service, server, rates);
        let servers: Vec<_> = service.servers.iter().map(shown).collect();
        let sorry_server = service.sorry.as_ref().map(|sorry| {
            let state = if sorry.scheduled.is_some() { api::ServerState::Up } else { api::ServerState::Standby };
            Box::new(api::Server { state, ..shown(sorry) })
        });
        let configured = self.model.service(&service.name).map(headgate_forward);
        api::Service {
            name: service.name.to_string(),
            protocol: protocol(service.protocol),
            address: address(service),
            forward: configured.unwrap_or(api::Forward::Nat),
            scheduler: service.pool.scheduler().to_string(),
            up: self.is_up(service),
            since_s: service.quorum.since.elapsed().as_secs(),
            quorum: service.quorum.weight,
            stats: servers
                .iter()
                .chain(sorry_server.as_deref())
                .fold(api::Stats::default(), |sum, s| add(sum, &s.stats)),
            sorry_server,
            servers,
        }
    }

    fn server(&self, service: &Service, server: &Server, rates: bool) -> api::Server {
        let load = self.registry.slab().load(server.id);
        api::Server {
            address: server.shown,
            forward: forward(server.forward),
            weight: server.weight,
            effective_weight: server.effective_weight(),
            state: state(server),
            active: load.active.into(),
            inactive: load.inactive.into(),
            persistent: self.registry.slab().persistent(server.id).into(),
            check: self.check_of(&service.name, server.shown),
            stats: self
                .dataplane
                .as_ref()
                .map(|dataplane| self.rates.stats(dataplane, server.id, rates))
                .unwrap_or_default(),
        }
    }

    fn change_server(&mut self, service: &str, server: SocketAddr, change: ServerChange) -> Response {
        let Some(known) = self.registry.service(service) else {
            let none = || Response::error(ErrorKind::NotFound, format!("no service or upstream is called {service:?}"));
            return self.proxy.change(service, server, change).unwrap_or_else(none);
        };
        let matching: Vec<SocketAddr> = known
            .servers
            .iter()
            .map(|known| known.shown)
            .filter(|shown| *shown == server || (server.port() == 0 && shown.ip() == server.ip()))
            .collect();
        let shown = match matching[..] {
            [shown] => shown,
            [] => return Response::error(ErrorKind::NotFound, format!("service {service:?} has no server {server}")),
            _ => {
                let message = format!("service {service:?} has several servers at {}: name the port", server.ip());
                return Response::error(ErrorKind::NotFound, message);
            }
        };
        let change = match change {
            ServerChange::Drain => Some(Override::Drain),
            ServerChange::Enable => None,
            ServerChange::Weight(weight) => Some(Override::Weight(weight)),
            _ => return Response::error(ErrorKind::BadRequest, "this daemon does not know that change"),
        };
        let Some(changed) = self.registry.change(service, shown, change) else {
            return Response::error(ErrorKind::NotFound, format!("service {service:?} has no server {server}"));
        };
        let report = api::ServerReport {
            version: api::VERSION,
            service: service.to_owned(),
            address: shown,
            state: state(changed),
            weight: changed.weight,
            effective_weight: changed.effective_weight(),
        };
        tracing::info!(service, server = %shown, weight = report.effective_weight, state = %report.state, "server changed");
        match self.publish() {
            Ok(()) => Response::Server(report),
            Err(error) => Response::error(ErrorKind::Failed, chain(&error)),
        }
    }

    fn connections(&self, filter: &api::ConnectionFilter) -> api::Connections {
        let Some(dataplane) = &self.dataplane else {
            return api::Connections::new(0, Vec::new());
        };
        let mut listing = Listing {
            daemon: self,
            filter,
            now: dataplane.clock().now().tick,
            snapshot: &dataplane.shared().snapshot.load(),
            total: 0,
            rows: Vec::new(),
        };
        let table = &dataplane.shared().table;
        table.v4().iter().for_each(|found| listing.add::<V4>(&found));
        table.v6().iter().for_each(|found| listing.add::<V6>(&found));
        api::Connections::new(listing.total, listing.rows)
    }
}

/// Collects the rows of `connections`.
struct Listing<'a> {
    daemon: &'a Daemon,
    filter: &'a api::ConnectionFilter,
    now: Tick,
    snapshot: &'a Snapshot,
    total: u64,
    rows: Vec<api::Connection>,
}

impl Listing<'_> {
    fn add<F: Family>(&mut self, found: &Found<F::Key>) {
        let Some(row) = self.row::<F>(found).filter(|row| self.matches(row)) else {
            return;
        };
        self.total += 1;
        if self.filter.limit == 0 || (self.rows.len() as u64) < self.filter.limit {
            self.rows.push(row);
        }
    }

    fn matches(&self, row: &api::Connection) -> bool {
        let filter = self.filter;
        filter.service.as_ref().is_none_or(|name| row.service.as_ref() == Some(name))
            && filter.client.is_none_or(|ip| row.client.ip() == ip)
            && filter.server.is_none_or(|ip| row.server.ip() == ip)
            && filter.state.as_ref().is_none_or(|state| row.state.eq_ignore_ascii_case(state))
    }

    fn row<F: Family>(&self, found: &Found<F::Key>) -> Option<api::Connection> {
        let slab = self.daemon.registry.slab();
        let id = slab.id(found.server)?;
        let identity = slab.identity(id)?;
        let (client_port, port) = F::ports(&found.forward);
        let destination = F::to_ip(F::destination(&found.forward));
        let protocol = F::protocol(&found.forward);
        let template = F::is_template(&found.forward);
        let server = match &found.reverse {
            Some(reverse) => SocketAddr::new(F::to_ip(F::source(reverse)), F::ports(reverse).0),
            None => SocketAddr::new(identity.address, if template { identity.port } else { port }),
        };
        let idle = found.seen.map_or(0, |seen| seen.last.age(self.now));
        let left = (found.state.timeout_seconds() * TICKS_PER_SECOND).saturating_sub(idle) / TICKS_PER_SECOND;
        let service = match self.snapshot.server(id) {
            Some(server) => self.snapshot.services.get(server.service),
            None => self.snapshot.services.find(protocol, destination, port),
        };
        Some(api::Connection {
            protocol: self::protocol(protocol),
            client: SocketAddr::new(F::to_ip(F::source(&found.forward)), client_port),
            virtual_address: SocketAddr::new(destination, port),
            server,
            state: if template { "TEMPLATE" } else { connection::state_name(protocol, found.state) }.to_owned(),
            expires_s: left.into(),
            forward: forward(if template {
                self.snapshot.server(id).map_or(Forward::Nat, |server| server.forward)
            } else {
                connection::method(found.state)
            }),
            service: service.map(|service| service.name.to_string()),
        })
    }
}

fn dataplane_status(dataplane: &Dataplane) -> api::Dataplane {
    let table = &dataplane.shared().table;
    let mut drops = BTreeMap::new();
    for reason in DropReason::ALL {
        let dropped: u64 = dataplane.counters().iter().map(|counters| counters.dropped(*reason)).sum();
        if dropped > 0 {
            drops.insert(reason.name().to_owned(), dropped);
        }
    }
    if let Ok(counters) = dataplane.steering().counters()
        && counters.dropped_unserved > 0
    {
        drops.insert("queue_unserved".to_owned(), counters.dropped_unserved);
    }
    api::Dataplane {
        workers: dataplane.workers(),
        interfaces: dataplane.interfaces().to_vec(),
        connections: (table.v4().len() + table.v6().len()) as u64,
        capacity: dataplane.capacity(),
        drops,
        frames: dataplane.frames(),
    }
}

fn add(mut sum: api::Stats, one: &api::Stats) -> api::Stats {
    sum.connections += one.connections;
    sum.packets_in += one.packets_in;
    sum.packets_out += one.packets_out;
    sum.bytes_in += one.bytes_in;
    sum.bytes_out += one.bytes_out;
    if let Some(rates) = one.rates {
        let total = sum.rates.get_or_insert_default();
        total.connections += rates.connections;
        total.packets_in += rates.packets_in;
        total.packets_out += rates.packets_out;
        total.bytes_in += rates.bytes_in;
        total.bytes_out += rates.bytes_out;
    }
    sum
}

fn state(server: &Server) -> api::ServerState {
    match server.changed {
        Some(Override::Drain) => api::ServerState::Drain,
        _ if !server.alive => api::ServerState::Down,
        Some(Override::Weight(0)) => api::ServerState::Disabled,
        None if server.weight == 0 => api::ServerState::Disabled,
        _ => api::ServerState::Up,
    }
}

fn headgate_forward(service: &crate::config::model::Service) -> api::Forward {
    service.forward().into()
}

fn forward(forward: Forward) -> api::Forward {
    match forward {
        Forward::Nat | Forward::Local => api::Forward::Nat,
        Forward::Dr => api::Forward::Dr,
        Forward::Tunnel => api::Forward::Tunnel,
    }
}

fn protocol(protocol: u8) -> api::Protocol {
    if protocol == proto::TCP { api::Protocol::Tcp } else { api::Protocol::Udp }
}

fn address(service: &Service) -> String {
    let ports = match service.ports {
        Ports::Any => "0".to_owned(),
        Ports::One(port) => port.to_string(),
        Ports::Range(first, last) => format!("{first}-{last}"),
    };
    match service.address {
        IpAddr::V4(ip) => format!("{ip}:{ports}"),
        IpAddr::V6(ip) => format!("[{ip}]:{ports}"),
    }
}

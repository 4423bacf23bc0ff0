//! The services and servers that are balanced now: configuration, runtime changes, and what is left of removed servers.
//!
//! Between two configurations only differences are carried out, in the way `ipvsadm` would: the position of a scheduler, the counts of a
//! server and its connections survive everything that does not concern them.

mod health;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use headgate_dataplane::sched::{self, Flags, Pool};
use headgate_dataplane::servers::{Full, Identity, ServerId, Servers, ServiceKey};
use headgate_dataplane::snapshot::{Forward, Persistence, Ports};

use crate::config::Model;
use crate::config::model;
pub use health::{Change, Quorum};

/// What an operator changed at run time; a reload forgets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Override {
    Drain,
    Weight(u32),
}

/// A service that is balanced.
#[derive(Debug)]
pub struct Service {
    pub name: Arc<str>,
    pub protocol: u8,
    pub address: IpAddr,
    pub ports: Ports,
    pub one_packet: bool,
    pub persistence: Option<Persistence>,
    /// Shared with the snapshots. An edit makes a new one, which takes the scheduler's position over.
    pub pool: Arc<Pool>,
    /// In the order of the configuration.
    pub servers: Vec<Server>,
    pub quorum: Quorum,
    /// Takes the place of all servers while there is no quorum.
    pub sorry: Option<Server>,
}

/// A server of a service.
#[derive(Debug, Clone)]
pub struct Server {
    pub id: ServerId,
    /// As listings show it.
    pub shown: SocketAddr,
    pub address: IpAddr,
    pub port: u16,
    pub forward: Forward,
    /// As configured.
    pub weight: u32,
    pub changed: Option<Override>,
    /// Passes its checks.
    pub alive: bool,
    /// What its check says about its weight.
    pub told: Option<u32>,
    /// While it is not alive it stays with weight 0, in place of leaving.
    pub inhibit_on_failure: bool,
    pub slow_start: Duration,
    /// When it came back, as long as its weight grows.
    pub since: Option<Instant>,
    /// Its weight in the pool, if it is there.
    pub scheduled: Option<u32>,
}

/// A server that is out of the configuration but still has connections: its replies have to be taken from the kernel.
#[derive(Debug, Clone, Copy)]
pub struct Retired {
    pub id: ServerId,
    pub protocol: u8,
    pub service: (IpAddr, Ports),
    pub address: IpAddr,
    pub port: u16,
    pub forward: Forward,
}

#[derive(Debug)]
pub struct Registry {
    slab: Arc<Servers>,
    services: Vec<Service>,
    retired: Vec<Retired>,
}

impl Registry {
    pub fn new(slab: Arc<Servers>) -> Self {
        Self { slab, services: Vec::new(), retired: Vec::new() }
    }

    pub fn services(&self) -> &[Service] {
        &self.services
    }

    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| &*service.name == name)
    }

    pub fn retired(&self) -> &[Retired] {
        &self.retired
    }

    pub fn slab(&self) -> &Arc<Servers> {
        &self.slab
    }

    /// Goes over to a new configuration; runtime changes are forgotten.
    ///
    /// # Errors
    /// [`Full`] when the slab has no room for another server; everything before it was carried out.
    pub fn apply(&mut self, model: &Model) -> Result<(), Full> {
        let mut old: BTreeMap<(u8, IpAddr, Ports), Service> = self
            .services
            .drain(..)
            .map(|service| ((service.protocol, service.address, service.ports), service))
            .collect();
        let settings = sched::Settings {
            lblc_expiration: seconds(model.dataplane().ipvs().lblc_expiration()),
            lblcr_expiration: seconds(model.dataplane().ipvs().lblcr_expiration()),
        };
        for configured in model.services() {
            let key = (protocol(configured), configured.address().ip(), ports(configured.address().ports()));
            let scheduler = scheduler(configured.scheduler());
            let flags =
                Flags { fallback: configured.scheduler_flags().fallback(), port: configured.scheduler_flags().port() };
            let service = old.remove(&key).unwrap_or_else(|| Service {
                name: Arc::from(configured.name()),
                protocol: key.0,
                address: key.1,
                ports: key.2,
                one_packet: false,
                persistence: None,
                pool: Arc::new(Pool::new(scheduler, flags, settings)),
                servers: Vec::new(),
                quorum: Quorum::default(),
                sorry: None,
            });
            self.services.push(service);
            let Some(service) = self.services.last_mut() else { continue };
            service.name = Arc::from(configured.name());
            service.one_packet = configured.one_packet();
            service.persistence = configured
                .persistence()
                .map(|given| Persistence { timeout_s: seconds(given.timeout()), prefix_len: given.prefix() });
            if (service.pool.scheduler(), service.pool.flags()) != (scheduler, flags) {
                Arc::make_mut(&mut service.pool).change_scheduler(scheduler, flags);
            }
            if service.pool.settings() != settings {
                Arc::make_mut(&mut service.pool).change_settings(settings);
            }
            service.quorum.configure(configured.health());
            let gone = apply_servers(service, configured, &self.slab)?;
            self.retired.extend(gone);
            service.settle(Instant::now());
        }
        for service in old.into_values() {
            for server in service.all_servers() {
                self.retired.push(retire(&self.slab, &service, server));
            }
        }
        self.prune();
        Ok(())
    }

    /// Carries out a runtime change (`None` = back to the configuration) and returns the server as it is then.
    pub fn change(&mut self, service: &str, server: SocketAddr, change: Option<Override>) -> Option<&Server> {
        let service = self.services.iter_mut().find(|known| &*known.name == service)?;
        let server = service.servers.iter_mut().find(|known| known.shown == server)?;
        server.changed = change;
        let id = server.id;
        service.settle(Instant::now());
        service.servers.iter().find(|known| known.id == id)
    }

    /// Gives all servers weight 0, for an orderly stop. Nothing may be settled after it: there is no quorum any more.
    pub fn drain_all(&mut self) {
        for service in &mut self.services {
            for server in service.servers.iter_mut().chain(&mut service.sorry) {
                server.changed = Some(Override::Drain);
                if server.scheduled.is_some() {
                    server.scheduled = Some(0);
                    Arc::make_mut(&mut service.pool).set_weight(server.id, 0);
                }
            }
        }
    }

    /// Forgets removed servers whose last connection is gone; true if there was one.
    pub fn prune(&mut self) -> bool {
        let before = self.retired.len();
        let slab = &self.slab;
        let services = &self.services;
        self.retired.retain(|retired| {
            let back = services.iter().any(|service| service.all_servers().any(|server| server.id == retired.id));
            !back && slab.load(retired.id).total() > 0
        });
        before != self.retired.len()
    }

    /// Connections of all servers, those of removed ones too.
    pub fn connections(&self) -> u64 {
        let configured = self.services.iter().flat_map(Service::all_servers).map(|server| server.id);
        configured.chain(self.retired.iter().map(|retired| retired.id)).map(|id| self.slab.load(id).total()).sum()
    }
}

fn apply_servers(service: &mut Service, configured: &model::Service, slab: &Servers) -> Result<Vec<Retired>, Full> {
    let before: Vec<Server> = service.all_servers().cloned().collect();
    let make = |wanted: &model::Server| server(service, wanted, &before, slab);
    let servers = configured.servers().iter().map(make).collect::<Result<Vec<_>, _>>()?;
    let sorry = configured.health().sorry_server.as_ref().map(make).transpose()?;
    // One that is a server too is no more than that.
    let sorry = sorry.filter(|sorry| !servers.iter().any(|server| server.id == sorry.id));
    let is_kept = |known: &Server| servers.iter().chain(&sorry).any(|server| server.id == known.id);
    let mut gone = Vec::new();
    for server in before.iter().filter(|server| !is_kept(server)) {
        Arc::make_mut(&mut service.pool).remove(server.id);
        gone.push(retire(slab, service, server));
    }
    (service.servers, service.sorry) = (servers, sorry);
    Ok(gone)
}

/// `before`: the servers of the service so far; what is known of this one lives on.
fn server(service: &Service, wanted: &model::Server, before: &[Server], slab: &Servers) -> Result<Server, Full> {
    let port = wanted.port().map_or(0, std::num::NonZeroU16::get);
    let identity = Identity {
        protocol: service.protocol,
        service: ServiceKey::Address(service.address, first_port(service.ports)),
        address: wanted.ip(),
        port,
    };
    let id = slab.assign(&identity)?;
    let (upper, lower) = wanted.thresholds().map_or((0, 0), |limits| (limits.max().get(), limits.min()));
    slab.set_thresholds(id, upper, lower);
    let known = before.iter().find(|known| known.id == id);
    Ok(Server {
        id,
        shown: wanted.address(),
        address: wanted.ip(),
        port,
        forward: forward(wanted.forward()),
        weight: wanted.weight().get(),
        changed: None,
        alive: known.is_none_or(|known| known.alive),
        told: known.and_then(|known| known.told),
        inhibit_on_failure: wanted.inhibit_on_failure(),
        slow_start: wanted.slow_start(),
        since: known.and_then(|known| known.since),
        scheduled: known.and_then(|known| known.scheduled),
    })
}

fn retire(slab: &Servers, service: &Service, server: &Server) -> Retired {
    slab.retire(server.id);
    Retired {
        id: server.id,
        protocol: service.protocol,
        service: (service.address, service.ports),
        address: server.address,
        port: server.port,
        forward: server.forward,
    }
}

fn first_port(ports: Ports) -> u16 {
    match ports {
        Ports::Any => 0,
        Ports::One(port) | Ports::Range(port, _) => port,
    }
}

fn seconds(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

fn protocol(service: &model::Service) -> u8 {
    match service.protocol() {
        model::Protocol::Tcp => headgate_dataplane::proto::TCP,
        model::Protocol::Udp => headgate_dataplane::proto::UDP,
    }
}

fn ports(ports: model::Ports) -> Ports {
    match ports {
        model::Ports::All => Ports::Any,
        model::Ports::One(port) => Ports::One(port.get()),
        model::Ports::Range { first, last } => Ports::Range(first.get(), last.get()),
    }
}

fn forward(forward: model::Forward) -> Forward {
    match forward {
        model::Forward::Nat => Forward::Nat,
        model::Forward::Dr => Forward::Dr,
        model::Forward::Tunnel => Forward::Tunnel,
    }
}

fn scheduler(scheduler: model::Scheduler) -> sched::Scheduler {
    use model::Scheduler as From;
    use sched::Scheduler as To;
    match scheduler {
        From::Rr => To::Rr,
        From::Wrr => To::Wrr,
        From::Lc => To::Lc,
        From::Wlc => To::Wlc,
        From::Lblc => To::Lblc,
        From::Lblcr => To::Lblcr,
        From::Dh => To::Dh,
        From::Sh => To::Sh,
        From::Mh => To::Mh,
        From::Sed => To::Sed,
        From::Nq => To::Nq,
        From::Fo => To::Fo,
        From::Ovf => To::Ovf,
        From::Twos => To::Twos,
    }
}

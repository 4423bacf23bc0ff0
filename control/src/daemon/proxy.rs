//! The proxy under the control thread: its pool of workers, runtime changes of its servers, and what is shown of it.

mod listeners;
mod names;
mod upstreams;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use headgate_api as api;
use headgate_api::{ErrorKind, Response, ServerChange};
use headgate_l7::clock::millis;
use headgate_l7::config;
use headgate_l7::upstream::{Admin, Server, State, Upstream};
use headgate_l7::worker::Pool;

use crate::config::model::{self, Workers};
use crate::health::{Health, Subject, Wanted};
use crate::names::Names;
use upstreams::{histogram, state};

/// How long a start or a reload waits for host names that were not looked up before.
const LOOKUP_PATIENCE: Duration = Duration::from_secs(3);

/// Without listeners there is no pool.
#[derive(Debug, Default)]
pub struct Proxy {
    pool: Option<Pool>,
    cores: Vec<Option<usize>>,
    model: model::Proxy,
    names: Names,
    /// As the file has it, with addresses for host names.
    configured: config::Proxy,
    /// Weights that an operator has set, until the next reload.
    weights: BTreeMap<(String, SocketAddr), u32>,
    health: Health,
}

impl Proxy {
    /// Looks the host names of the model up, and no others from now on. Comes back when each was looked up once, or after a moment.
    pub async fn resolve(&mut self, model: &model::Proxy) {
        self.names.follow(names::wanted(model));
        self.names.settle(LOOKUP_PATIENCE).await;
    }

    /// Waits until a host name has other addresses; then [`Self::follow_names`].
    pub async fn renamed(&self) {
        self.names.changed().await;
    }

    /// Goes over to the addresses that host names have now.
    pub fn follow_names(&mut self) {
        let configured = names::expand(self.model.config(), &self.names);
        let Some(pool) = self.pool.as_mut().filter(|_| configured != self.configured) else { return };
        match pool.apply(weighted(&configured, &self.weights)) {
            Ok(()) => self.configured = configured,
            Err(error) => return tracing::error!("cannot go over to new addresses of host names: {error}"),
        }
        self.follow_checks();
    }

    /// Goes over to the model; runtime changes end. When it fails everything is as before.
    pub fn apply(&mut self, model: &model::Proxy) -> Result<()> {
        let is_new = self.pool.is_none();
        if is_new && model.is_used() {
            self.cores = cores(model.workers());
            self.pool = Some(Pool::start(&self.cores).context("cannot start the proxy")?);
        }
        let Some(pool) = &mut self.pool else {
            return Ok(());
        };
        let configured = names::expand(model.config(), &self.names);
        if let Err(error) = pool.apply(configured.clone()) {
            self.pool = self.pool.take().filter(|_| !is_new);
            return Err(error).context("proxy");
        }
        for server in pool.snapshot().upstreams.iter().flat_map(|upstream| upstream.servers()) {
            server.set_admin(Admin::Enabled, millis());
        }
        (self.model, self.configured) = (model.clone(), configured);
        self.weights.clear();
        self.follow_checks();
        Ok(())
    }

    /// Has the servers of the pool checked, as it has them now.
    fn follow_checks(&mut self) {
        let Some(pool) = &self.pool else { return };
        let snapshot = pool.snapshot();
        let mut wanted = Vec::new();
        for upstream in &snapshot.upstreams {
            let config::Upstream { name, servers, .. } = upstream.config();
            for (server, configured) in upstream.servers().iter().zip(servers) {
                let checks = self.model.checks(name, configured).to_vec();
                if !checks.is_empty() {
                    let subject = Checked { upstream: name.clone(), server: Arc::clone(server) };
                    wanted.push(Wanted { subject: Rc::new(subject), checks });
                }
            }
        }
        self.health.apply(wanted);
    }

    /// Changes a server of an upstream until the next reload; `None` when there is no such upstream. Port 0 stands for any.
    pub fn change(&mut self, upstream: &str, server: SocketAddr, change: ServerChange) -> Option<Response> {
        let pool = self.pool.as_mut()?;
        let snapshot = pool.snapshot();
        let known = snapshot.upstreams.iter().find(|known| known.config().name == upstream)?;
        let fits = |known: &SocketAddr| *known == server || (server.port() == 0 && known.ip() == server.ip());
        let matching: Vec<SocketAddr> = known.servers().iter().map(|known| known.address()).filter(fits).collect();
        let address = match matching[..] {
            [address] => address,
            [] => return Some(not_found(format!("upstream {upstream:?} has no server {server}"))),
            _ => {
                let several = format!("upstream {upstream:?} has several servers at {}: name the port", server.ip());
                return Some(not_found(several));
            }
        };
        let key = (upstream.to_owned(), address);
        let admin = match change {
            ServerChange::Drain | ServerChange::Weight(0) => Admin::Drain,
            ServerChange::Enable => {
                self.weights.remove(&key);
                Admin::Enabled
            }
            ServerChange::Weight(weight) => {
                self.weights.insert(key, weight);
                Admin::Enabled
            }
            _ => return Some(Response::error(ErrorKind::BadRequest, "this daemon does not know that change")),
        };
        if let Err(error) = pool.apply(weighted(&self.configured, &self.weights)) {
            return Some(Response::error(ErrorKind::Failed, error.to_string()));
        }
        let snapshot = pool.snapshot();
        let known = snapshot.upstreams.iter().find(|known| known.config().name == upstream)?;
        let server = known.servers().iter().find(|known| known.address() == address)?;
        server.set_admin(admin, millis());
        let report = api::UpstreamServerReport {
            version: api::VERSION,
            upstream: upstream.to_owned(),
            address,
            state: state(server.state(millis())),
            weight: configured_weight(&self.configured, upstream, address).unwrap_or(server.weight()),
            effective_weight: if admin == Admin::Drain { 0 } else { server.weight() },
        };
        let (weight, state) = (report.effective_weight, report.state);
        tracing::info!(upstream, server = %address, weight, %state, "server changed");
        self.follow_checks();
        Some(Response::UpstreamServer(report))
    }

    pub fn status(&self) -> api::Proxy {
        let Some(pool) = &self.pool else { return api::Proxy::default() };
        let (snapshot, now) = (pool.snapshot(), millis());
        let worker = |(id, core): (u32, &Option<usize>)| api::ProxyWorker { id, core: core.map(|core| core as u32) };
        let upstream = |upstream: &Arc<Upstream>| api::UpstreamSummary {
            name: upstream.config().name.clone(),
            servers_up: upstream.servers().iter().filter(|server| server.state(now) == State::Up).count() as u64,
            servers: upstream.servers().len() as u64,
            in_flight: upstream.servers().iter().map(|server| u64::from(server.in_flight())).sum(),
        };
        api::Proxy {
            workers: (0..).zip(&self.cores).map(worker).collect(),
            connections: pool.connections(),
            listeners: listeners::listeners(&snapshot),
            upstreams: snapshot.upstreams.iter().map(upstream).collect(),
            access_logs: listeners::access_logs(pool.logs()),
        }
    }

    /// Opens the files of access logs again.
    pub fn reopen_logs(&self) {
        if let Some(pool) = &self.pool {
            pool.reopen_logs();
        }
    }

    /// Takes no new connections; those there are end with the request they have.
    pub fn drain(&mut self) {
        if let Some(pool) = &mut self.pool {
            pool.drain();
        }
    }

    /// Connections of clients at the moment.
    pub fn connections(&self) -> u64 {
        self.pool.as_ref().map_or(0, Pool::connections)
    }

    pub fn has_failed(&self) -> bool {
        self.pool.as_ref().is_some_and(Pool::has_failed)
    }

    pub fn stop(self) {
        if let Some(pool) = self.pool {
            pool.stop();
        }
    }
}

/// A server of an upstream, as a subject of checks.
#[derive(Debug)]
struct Checked {
    upstream: String,
    server: Arc<Server>,
}

impl Subject for Checked {
    fn id(&self) -> String {
        checked_id(&self.upstream, &self.server)
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn tell(&self, up: bool, now: u64) {
        self.server.set_checked(up, now);
    }
}

fn checked_id(upstream: &str, server: &Server) -> String {
    format!("upstream {upstream}, server {}", server.address())
}

/// All cores that this process may use, or those that are named.
fn cores(workers: &Workers) -> Vec<Option<usize>> {
    match workers {
        Workers::Cores(cores) => cores.iter().map(|core| Some(usize::from(*core))).collect(),
        Workers::Auto => match core_affinity::get_core_ids() {
            Some(cores) if !cores.is_empty() => cores.into_iter().map(|core| Some(core.id)).collect(),
            _ => vec![None],
        },
    }
}

/// The configuration with an operator's weights.
fn weighted(configured: &config::Proxy, weights: &BTreeMap<(String, SocketAddr), u32>) -> config::Proxy {
    let mut proxy = configured.clone();
    for upstream in &mut proxy.upstreams {
        for server in &mut upstream.servers {
            if let Some(weight) = weights.get(&(upstream.name.clone(), server.address)) {
                server.weight = *weight;
            }
        }
    }
    proxy
}

fn configured_weight(configured: &config::Proxy, upstream: &str, server: SocketAddr) -> Option<u32> {
    let upstream = configured.upstreams.iter().find(|known| known.name == upstream)?;
    upstream.servers.iter().find(|known| known.address == server).map(|known| known.weight)
}

fn not_found(message: String) -> Response {
    Response::error(ErrorKind::NotFound, message)
}

//! The proxy under the control thread: its pool of workers, runtime changes of its servers, and what is shown of it.

mod listeners;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, Result};
use headgate_api as api;
use headgate_api::{ErrorKind, Response, ServerChange};
use headgate_l7::clock::millis;
use headgate_l7::config;
use headgate_l7::counters::DURATION_BOUNDS;
use headgate_l7::upstream::queue::Counts;
use headgate_l7::upstream::{Admin, Distribution, Server, State, Upstream};
use headgate_l7::worker::Pool;

use crate::config::model::{self, UpstreamCheck, Workers, balance_word};
use crate::health::machine::Verdict;
use crate::health::{Health, Subject, Wanted};

/// Without listeners there is no pool.
#[derive(Debug, Default)]
pub struct Proxy {
    pool: Option<Pool>,
    cores: Vec<Option<usize>>,
    /// As the file has it.
    configured: config::Proxy,
    /// Weights that an operator has set, until the next reload.
    weights: BTreeMap<(String, SocketAddr), u32>,
    checks: Vec<UpstreamCheck>,
    health: Health,
}

impl Proxy {
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
        if let Err(error) = pool.apply(model.config().clone()) {
            self.pool = self.pool.take().filter(|_| !is_new);
            return Err(error).context("proxy");
        }
        for server in pool.snapshot().upstreams.iter().flat_map(|upstream| upstream.servers()) {
            server.set_admin(Admin::Enabled, millis());
        }
        self.checks = model.checks().to_vec();
        self.follow_checks();
        self.configured = model.config().clone();
        self.weights.clear();
        Ok(())
    }

    /// Has the servers of the pool checked, as it has them now.
    fn follow_checks(&mut self) {
        let Some(pool) = &self.pool else { return };
        let snapshot = pool.snapshot();
        let wanted = self.checks.iter().filter_map(|check| {
            let upstream = snapshot.upstreams.iter().find(|known| known.config().name == check.upstream)?;
            let server = upstream.servers().iter().find(|known| known.address() == check.server)?;
            let subject = Checked { upstream: check.upstream.clone(), server: Arc::clone(server) };
            Some(Wanted { subject: Rc::new(subject), check: Arc::clone(&check.check) })
        });
        self.health.apply(wanted.collect());
    }

    fn shown(&self, upstream: &Upstream, now: u64) -> api::Upstream {
        let name = &upstream.config().name;
        let server = |server: &Arc<Server>| {
            let check = self.checked(name, server, now);
            api::UpstreamServer { check, ..shown_server(server, now) }
        };
        api::Upstream {
            name: name.clone(),
            balance: balance_word(upstream.config().balance).to_owned(),
            queue: upstream.config().queue.map(|_| shown_queue(upstream.queue().counts())),
            backup_below: upstream.config().backup_below.into(),
            last_resorts: upstream.last_resorts(),
            servers: upstream.servers().iter().map(server).collect(),
        }
    }

    /// What the check of a server says, if it has one.
    fn checked(&self, upstream: &str, server: &Server, now: u64) -> Option<api::ServerCheck> {
        let known = |check: &&UpstreamCheck| check.upstream == upstream && check.server == server.address();
        let check = self.checks.iter().find(known)?;
        let status = self.health.status(&checked_id(upstream, server))?;
        let state = match status.verdict {
            Verdict::Up if !status.known => api::CheckState::Unknown,
            Verdict::Up => api::CheckState::Up,
            Verdict::Down => api::CheckState::Down,
        };
        let since_s = now.saturating_sub(status.since) / 1000;
        Some(api::ServerCheck { check: check.check.kind.to_string(), state, since_s, reason: status.reason })
    }

    /// All upstreams, or the one of this name.
    pub fn upstreams(&self, name: Option<&str>) -> Response {
        let now = millis();
        let wanted = |upstream: &&Arc<Upstream>| name.is_none_or(|name| upstream.config().name == name);
        let snapshot = self.pool.as_ref().map(Pool::snapshot);
        let upstreams: Vec<_> = snapshot
            .iter()
            .flat_map(|snapshot| &snapshot.upstreams)
            .filter(wanted)
            .map(|upstream| self.shown(upstream, now))
            .collect();
        match name {
            Some(name) if upstreams.is_empty() => {
                Response::error(ErrorKind::NotFound, format!("no upstream is called {name:?}"))
            }
            _ => Response::Upstreams(api::Upstreams::new(upstreams)),
        }
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

fn shown_queue(counts: Counts) -> api::UpstreamQueue {
    let Counts { waiting, queued, timed_out, refused } = counts;
    api::UpstreamQueue { waiting, queued, timed_out, refused }
}

fn shown_server(server: &Server, now: u64) -> api::UpstreamServer {
    let millis = |quantile| server.latency_at(quantile).map(|micros| micros as f64 / 1000.0);
    api::UpstreamServer {
        address: server.address(),
        backup: server.is_backup(),
        weight: server.weight(),
        weight_percent: server.share_percent(now),
        state: state(server.state(now)),
        in_flight: server.in_flight().into(),
        requests: server.requests(),
        failures: server.failures(),
        retries: server.passed_on(),
        latency_ms: millis(0.5).zip(millis(0.99)).map(|(p50, p99)| api::Latency { p50, p99 }),
        check: None,
        latency: server.latency_histogram(&DURATION_BOUNDS).map(histogram),
    }
}

fn histogram(latencies: Distribution) -> api::Histogram {
    let seconds = |micros: u64| micros as f64 / 1e6;
    let bucket = |(le, count): (&u64, u64)| api::Bucket { le_s: seconds(*le), count };
    api::Histogram {
        count: latencies.count,
        sum_s: seconds(latencies.sum),
        buckets: DURATION_BOUNDS.iter().zip(latencies.not_above).map(bucket).collect(),
    }
}

fn state(state: State) -> api::UpstreamState {
    match state {
        State::Up => api::UpstreamState::Up,
        State::Down => api::UpstreamState::Down,
        State::Drain => api::UpstreamState::Drain,
        State::Probing => api::UpstreamState::Probing,
    }
}

fn not_found(message: String) -> Response {
    Response::error(ErrorKind::NotFound, message)
}

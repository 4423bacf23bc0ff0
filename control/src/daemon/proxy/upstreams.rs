//! What is shown of upstreams and their servers.

use std::sync::Arc;

use headgate_api as api;
use headgate_api::{ErrorKind, Response};
use headgate_l7::clock::millis;
use headgate_l7::counters::DURATION_BOUNDS;
use headgate_l7::upstream::queue::Counts;
use headgate_l7::upstream::{Distribution, Server, State, Upstream};
use headgate_l7::worker::Pool;

use super::{Proxy, checked_id, names};
use crate::config::model::balance_word;
use crate::daemon::checks::shown_check;

impl Proxy {
    fn shown(&self, upstream: &Upstream, now: u64) -> api::Upstream {
        let name = &upstream.config().name;
        let server = |server: &Arc<Server>| {
            let check = shown_check(&self.health.status(&checked_id(name, server)), now);
            api::UpstreamServer { check, ..shown_server(server, now) }
        };
        api::Upstream {
            name: name.clone(),
            balance: balance_word(upstream.config().balance).to_owned(),
            queue: upstream.config().queue.map(|_| shown_queue(upstream.queue().counts())),
            backup_below: upstream.config().backup_below.into(),
            last_resorts: upstream.last_resorts(),
            names: self.names_of(name),
            servers: upstream.servers().iter().map(server).collect(),
        }
    }

    /// Whether a server of the upstream can be asked.
    pub fn is_up(&self, name: &str) -> bool {
        let now = millis();
        let Some(snapshot) = self.pool.as_ref().map(Pool::snapshot) else { return false };
        let servers = snapshot.upstreams.iter().filter(|known| known.config().name == name).flat_map(|u| u.servers());
        servers.into_iter().any(|server| matches!(server.state(now), State::Up | State::Probing))
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

    /// The host names that servers of an upstream have.
    fn names_of(&self, upstream: &str) -> Vec<api::UpstreamName> {
        let configured = self.model.config().upstreams.iter().find(|known| known.name == upstream);
        configured.map_or_else(Vec::new, |configured| names::shown(configured, &self.names))
    }
}

fn shown_queue(counts: Counts) -> api::UpstreamQueue {
    let Counts { waiting, queued, timed_out, refused } = counts;
    api::UpstreamQueue { waiting, queued, timed_out, refused }
}

fn shown_server(server: &Server, now: u64) -> api::UpstreamServer {
    let millis = |quantile| server.latency_at(quantile).map(|micros| micros as f64 / 1000.0);
    api::UpstreamServer {
        address: server.address(),
        name: server.host().map(|_| server.name().to_owned()),
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

pub(super) fn histogram(latencies: Distribution) -> api::Histogram {
    let seconds = |micros: u64| micros as f64 / 1e6;
    let bucket = |(le, count): (&u64, u64)| api::Bucket { le_s: seconds(*le), count };
    api::Histogram {
        count: latencies.count,
        sum_s: seconds(latencies.sum),
        buckets: DURATION_BOUNDS.iter().zip(latencies.not_above).map(bucket).collect(),
    }
}

pub(super) fn state(state: State) -> api::UpstreamState {
    match state {
        State::Up => api::UpstreamState::Up,
        State::Down => api::UpstreamState::Down,
        State::Drain => api::UpstreamState::Drain,
        State::Probing => api::UpstreamState::Probing,
    }
}

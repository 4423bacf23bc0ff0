//! The proxy: its clients, upstreams and their servers.

use headgate_api::{Proxy, Queue, Upstream, UpstreamServer, UpstreamState};

use super::Number;
use crate::admin::exposition::{Exposition, Metric, counter, gauge, histogram};

const WORKERS: Metric = gauge("headgate_proxy_workers", "Worker threads of the proxy.");
const CLIENTS: Metric = gauge("headgate_proxy_client_connections", "Connections of clients.");
const LISTENER: Metric = gauge("headgate_proxy_listener_info", "An address that a listener has.");
const UPSTREAM: Metric = gauge("headgate_upstream_info", "An upstream as it is configured.");
const LAST_RESORTS: Metric = counter(
    "headgate_upstream_last_resort_requests_total",
    "Requests that went to a server which was down, because all were.",
);
const RATIO: Metric =
    gauge("headgate_upstream_server_weight_ratio", "The share of its weight that a server has: below 1 in slow start.");
const STATE: Metric = gauge("headgate_upstream_server_state", "1 for the state a server is in.");
const LATENCY: Metric = histogram("headgate_upstream_server_response_seconds", "Time until a response began.");

const STATES: [UpstreamState; 4] =
    [UpstreamState::Up, UpstreamState::Down, UpstreamState::Drain, UpstreamState::Probing];

/// A number of a queue.
const QUEUES: [Number<Queue>; 4] = [
    (gauge("headgate_upstream_queue_waiting", "Requests that wait for a server to have room."), |queue| queue.waiting),
    (
        counter("headgate_upstream_queue_requests_total", "Requests that had to wait for a server to have room."),
        |queue| queue.queued,
    ),
    (counter("headgate_upstream_queue_timeouts_total", "Requests that waited in vain."), |queue| queue.timed_out),
    (counter("headgate_upstream_queue_refused_total", "Requests that found the queue full."), |queue| queue.refused),
];

/// A number of a server.
const NUMBERS: [Number<UpstreamServer>; 7] = [
    (gauge("headgate_upstream_server_up", "Whether a server gets requests."), |server| {
        (server.state == UpstreamState::Up).into()
    }),
    (gauge("headgate_upstream_server_backup", "Whether a server is a backup."), |server| server.backup.into()),
    (gauge("headgate_upstream_server_weight", "The weight in use."), |server| server.weight.into()),
    (gauge("headgate_upstream_server_requests_in_flight", "Requests that a server works on."), |server| {
        server.in_flight
    }),
    (counter("headgate_upstream_server_requests_total", "Requests that a server was asked for."), |server| {
        server.requests
    }),
    (counter("headgate_upstream_server_failures_total", "Requests that a server failed."), |server| server.failures),
    (
        counter("headgate_upstream_server_retries_total", "Requests that a server failed and another was asked for."),
        |server| server.retries,
    ),
];

pub(super) fn write(out: &mut Exposition, proxy: &Proxy, upstreams: &[Upstream]) {
    out.single(WORKERS, proxy.workers.len() as u64);
    out.single(CLIENTS, proxy.connections);
    let mut family = out.family(LISTENER);
    for listener in &proxy.listeners {
        for address in &listener.addresses {
            family.sample(&[("listener", &listener.name), ("address", &address.to_string())], true);
        }
    }
    let mut family = out.family(UPSTREAM);
    for upstream in upstreams {
        family.sample(&[("upstream", &upstream.name), ("balance", &upstream.balance)], true);
    }
    let mut family = out.family(LAST_RESORTS);
    for upstream in upstreams {
        family.sample(&[("upstream", &upstream.name)], upstream.last_resorts);
    }
    for (metric, number) in QUEUES {
        let mut family = out.family(metric);
        for upstream in upstreams {
            if let Some(queue) = &upstream.queue {
                family.sample(&[("upstream", &upstream.name)], number(queue));
            }
        }
    }
    for (metric, number) in NUMBERS {
        let mut family = out.family(metric);
        for (upstream, server, address) in servers(upstreams) {
            family.sample(&[("upstream", &upstream.name), ("server", &address)], number(server));
        }
    }
    let mut family = out.family(RATIO);
    for (upstream, server, address) in servers(upstreams) {
        let labels = [("upstream", &*upstream.name), ("server", &address)];
        family.sample(&labels, f64::from(server.weight_percent) / 100.0);
    }
    let mut family = out.family(STATE);
    for (upstream, server, address) in servers(upstreams) {
        for state in STATES {
            let labels = [("upstream", &*upstream.name), ("server", &address), ("state", &state.to_string())];
            family.sample(&labels, server.state == state);
        }
    }
    let mut family = out.family(LATENCY);
    for (upstream, server, address) in servers(upstreams) {
        if let Some(latency) = &server.latency {
            family.histogram(&[("upstream", &upstream.name), ("server", &address)], latency);
        }
    }
}

fn servers(upstreams: &[Upstream]) -> impl Iterator<Item = (&Upstream, &UpstreamServer, String)> {
    upstreams
        .iter()
        .flat_map(|upstream| upstream.servers.iter().map(move |server| (upstream, server, server.address.to_string())))
}

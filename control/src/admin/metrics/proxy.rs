//! The proxy: its clients, upstreams and their servers.

use headgate_api::{
    AccessLog, CheckState, Proxy, ProxyRoute, RequestsByClass, Upstream, UpstreamQueue, UpstreamServer, UpstreamState,
};

use super::Number;
use crate::admin::exposition::{Exposition, Metric, counter, gauge, histogram};

const WORKERS: Metric = gauge("headgate_proxy_workers", "Worker threads of the proxy.");
const CLIENTS: Metric = gauge("headgate_proxy_client_connections", "Connections of clients.");
const LISTENER: Metric = gauge("headgate_proxy_listener_info", "An address that a listener has.");
const OPEN: Metric = gauge("headgate_proxy_listener_connections", "Connections that clients have with a listener.");
const REQUESTS: Metric = counter("headgate_proxy_requests_total", "Requests by the class of their status.");
const BYTES: Metric = counter("headgate_proxy_bytes_total", "Bytes from and to clients.");
const SECONDS: Metric =
    histogram("headgate_proxy_request_seconds", "From the first byte of a request to the end of its response.");
const UPSTREAM: Metric = gauge("headgate_upstream_info", "An upstream as it is configured.");
const RESOLVED: Metric =
    gauge("headgate_upstream_name_resolved", "Whether the last lookup of a server's host name found addresses.");
const RATIO: Metric =
    gauge("headgate_upstream_server_weight_ratio", "The share of its weight that a server has: below 1 in slow start.");
const CHECK: Metric = gauge("headgate_upstream_server_check_up", "Whether a server passes its check.");
const STATE: Metric = gauge("headgate_upstream_server_state", "1 for the state a server is in.");
const LATENCY: Metric = histogram("headgate_upstream_server_response_seconds", "Time until a response began.");

const STATES: [UpstreamState; 4] =
    [UpstreamState::Up, UpstreamState::Down, UpstreamState::Drain, UpstreamState::Probing];

/// A number of an upstream.
const UPSTREAM_NUMBERS: [Number<Upstream>; 5] = [
    (gauge("headgate_upstream_queue_waiting", "Requests that wait for a server."), |upstream| queue(upstream).waiting),
    (counter("headgate_upstream_queue_queued_total", "Requests that had to wait for a server."), |upstream| {
        queue(upstream).queued
    }),
    (counter("headgate_upstream_queue_timed_out_total", "Requests that waited for a server in vain."), |upstream| {
        queue(upstream).timed_out
    }),
    (counter("headgate_upstream_queue_refused_total", "Requests that found the queue full."), |upstream| {
        queue(upstream).refused
    }),
    (
        counter("headgate_upstream_last_resorts_total", "Requests that went to a server that is out, as all were."),
        |upstream| upstream.last_resorts,
    ),
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

/// A number of an access log.
const LOG_NUMBERS: [Number<AccessLog>; 2] = [
    (counter("headgate_proxy_access_log_lines_total", "Lines that an access log has got."), |log| log.lines),
    (
        counter("headgate_proxy_access_log_dropped_lines_total", "Lines that could not be written to an access log."),
        |log| log.dropped,
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
    write_requests(out, proxy);
    for (metric, number) in LOG_NUMBERS {
        let mut family = out.family(metric);
        for log in &proxy.access_logs {
            family.sample(&[("path", &log.path)], number(log));
        }
    }
    let mut family = out.family(UPSTREAM);
    for upstream in upstreams {
        family.sample(&[("upstream", &upstream.name), ("balance", &upstream.balance)], true);
    }
    for (metric, number) in UPSTREAM_NUMBERS {
        let mut family = out.family(metric);
        for upstream in upstreams {
            family.sample(&[("upstream", &upstream.name)], number(upstream));
        }
    }
    let mut family = out.family(RESOLVED);
    for (upstream, name) in
        upstreams.iter().flat_map(|upstream| upstream.names.iter().map(move |name| (upstream, name)))
    {
        family.sample(&[("upstream", &upstream.name), ("name", &name.name)], name.error.is_none());
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
    let mut family = out.family(CHECK);
    for (upstream, server, address) in servers(upstreams) {
        if let Some(check) = &server.check {
            family.sample(&[("upstream", &upstream.name), ("server", &address)], check.state != CheckState::Down);
        }
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

fn write_requests(out: &mut Exposition, proxy: &Proxy) {
    let mut family = out.family(OPEN);
    for listener in &proxy.listeners {
        family.sample(&[("listener", &listener.name)], listener.connections);
    }
    let mut family = out.family(REQUESTS);
    for (labels, route) in routes(proxy) {
        for (class, requests) in RequestsByClass::CLASSES.into_iter().zip(route.requests.to_array()) {
            family.sample(&[labels[0], labels[1], ("class", class)], requests);
        }
    }
    let mut family = out.family(BYTES);
    for (labels, route) in routes(proxy) {
        family.sample(&[labels[0], labels[1], ("direction", "in")], route.bytes_in);
        family.sample(&[labels[0], labels[1], ("direction", "out")], route.bytes_out);
    }
    let mut family = out.family(SECONDS);
    for (labels, route) in routes(proxy) {
        family.histogram(&labels, &route.duration);
    }
}

fn routes(proxy: &Proxy) -> impl Iterator<Item = ([(&'static str, &str); 2], &ProxyRoute)> {
    let listeners = proxy.listeners.iter();
    listeners.flat_map(|listener| {
        listener.routes.iter().map(|route| ([("listener", &*listener.name), ("route", &*route.route)], route))
    })
}

fn servers(upstreams: &[Upstream]) -> impl Iterator<Item = (&Upstream, &UpstreamServer, String)> {
    upstreams
        .iter()
        .flat_map(|upstream| upstream.servers.iter().map(move |server| (upstream, server, server.address.to_string())))
}

fn queue(upstream: &Upstream) -> UpstreamQueue {
    upstream.queue.unwrap_or(UpstreamQueue { waiting: 0, queued: 0, timed_out: 0, refused: 0 })
}

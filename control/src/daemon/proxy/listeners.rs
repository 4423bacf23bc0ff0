//! What is shown of listeners and their access logs.

use std::sync::Arc;

use headgate_api as api;
use headgate_l7::account::Accounts;
use headgate_l7::config::Listener;
use headgate_l7::counters::Counted;
use headgate_l7::log::Sink;
use headgate_l7::snapshot::Snapshot;

use super::histogram;

pub(super) fn listeners(snapshot: &Snapshot) -> Vec<api::ProxyListener> {
    snapshot
        .listeners
        .iter()
        .zip(&snapshot.accounts)
        .map(|((config, _), accounts)| listener(config, accounts))
        .collect()
}

fn listener(config: &Listener, accounts: &Accounts) -> api::ProxyListener {
    let total = accounts.total();
    api::ProxyListener {
        name: config.name.clone(),
        addresses: config.addresses.clone(),
        connections: total.connections,
        requests: total.classes.into(),
        bytes_in: total.received,
        bytes_out: total.sent,
        routes: accounts.by_route().map(|(name, counted)| route(name, counted)).collect(),
    }
}

fn route(name: &str, counted: Counted) -> api::ProxyRoute {
    api::ProxyRoute {
        route: name.to_owned(),
        requests: counted.classes.into(),
        bytes_in: counted.received,
        bytes_out: counted.sent,
        duration: histogram(counted.durations),
    }
}

pub(super) fn access_logs(sinks: &[Arc<Sink>]) -> Vec<api::AccessLog> {
    let log = |sink: &Arc<Sink>| api::AccessLog {
        path: sink.destination().to_string(),
        lines: sink.written(),
        dropped: sink.dropped(),
    };
    sinks.iter().map(log).collect()
}

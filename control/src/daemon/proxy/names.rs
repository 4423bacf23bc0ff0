//! Servers with host names: what the workers get instead, and what is shown of them.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use headgate_api as api;
use headgate_l7::config;

use crate::config::model;
use crate::names::Names;

/// The names that a model has, and how often they are to be looked up.
pub(super) fn wanted(model: &model::Proxy) -> HashMap<String, Duration> {
    let mut wanted: HashMap<String, Duration> = HashMap::new();
    // Nobody asks servers without a listener.
    for upstream in model.config().upstreams.iter().filter(|_| model.is_used()) {
        let Some(interval) = model.resolve_intervals().get(&upstream.name) else { continue };
        for host in upstream.servers.iter().filter_map(|server| server.host.clone()) {
            let known = wanted.entry(host).or_insert(*interval);
            *known = (*known).min(*interval);
        }
    }
    wanted
}

/// With every server that has a host name replaced by one for each of its addresses. An address that another server of the upstream has
/// already is left to it.
pub(super) fn expand(configured: &config::Proxy, names: &Names) -> config::Proxy {
    let mut proxy = configured.clone();
    for upstream in proxy.upstreams.iter_mut().filter(|upstream| upstream.servers.iter().any(has_name)) {
        let fixed = upstream.servers.iter().filter(|server| !has_name(server));
        let mut taken: HashSet<SocketAddr> = fixed.map(|server| server.address).collect();
        let expand = |server: config::Server| match &server.host {
            None => vec![server],
            Some(host) => {
                let answer = names.answer(host);
                let addresses = answer.addresses().iter().map(|ip| SocketAddr::new(*ip, server.address.port()));
                let new = addresses.filter(|address| taken.insert(*address));
                new.map(|address| config::Server { address, ..server.clone() }).collect()
            }
        };
        upstream.servers = std::mem::take(&mut upstream.servers).into_iter().flat_map(expand).collect();
    }
    proxy
}

/// The host names of an upstream.
pub(super) fn shown(upstream: &config::Upstream, names: &Names) -> Vec<api::UpstreamName> {
    let shown = |server: &config::Server| {
        let answer = names.answer(server.host.as_deref()?);
        let error = answer.error().map(str::to_owned);
        Some(api::UpstreamName { name: server.name.clone(), addresses: answer.addresses().to_vec(), error })
    };
    upstream.servers.iter().filter_map(shown).collect()
}

fn has_name(server: &config::Server) -> bool {
    server.host.is_some()
}

//! The configuration as the workers use it, and the state that outlives it.

use std::sync::Arc;

use crate::account::Accounts;
use crate::config::{Listener, Proxy};
use crate::log::Sink;
use crate::route::Router;
use crate::upstream::Upstream;

/// One generation of everything that control decides.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub listeners: Vec<(Listener, Router)>,
    /// What is counted and logged, of each listener.
    pub accounts: Vec<Accounts>,
    pub upstreams: Vec<Arc<Upstream>>,
    pub pseudonym: String,
}

impl Snapshot {
    /// `before`: what was in use until now; its servers keep what is known about them. `sinks`: all that is logged to.
    pub fn new(proxy: Proxy, before: &Self, sinks: &[Arc<Sink>], workers: usize) -> Self {
        let upstream = |mut config: crate::config::Upstream| match before
            .upstreams
            .iter()
            .find(|known| known.config().name == config.name)
        {
            Some(known) if *known.config() == config => Arc::clone(known),
            known => {
                // Its sessions can be resumed, its connections be used.
                if let Some(known) = known.filter(|known| known.config().tls == config.tls) {
                    config.tls.clone_from(&known.config().tls);
                }
                Arc::new(Upstream::new(config, known.map(Arc::as_ref)))
            }
        };
        let account = |config: &Listener| {
            let known = before.listener(&config.name).map(|index| &before.accounts[index]);
            Accounts::new(config, known, sinks, workers)
        };
        let listener = |mut config: Listener| {
            let known = before.listeners.iter().find(|(known, _)| known.name == config.name);
            if let Some((known, _)) = known.filter(|(known, _)| known.tls == config.tls) {
                config.tls.clone_from(&known.tls);
            }
            let router = Router::new(&config.routes);
            (config, router)
        };
        Self {
            accounts: proxy.listeners.iter().map(account).collect(),
            listeners: proxy.listeners.into_iter().map(listener).collect(),
            upstreams: proxy.upstreams.into_iter().map(upstream).collect(),
            pseudonym: proxy.pseudonym,
        }
    }

    /// Where the listener of this name stands, if there still is one.
    pub fn listener(&self, name: &str) -> Option<usize> {
        self.listeners.iter().position(|(listener, _)| listener.name == name)
    }
}

//! The configuration as the workers use it, and the state that outlives it.

use std::sync::Arc;

use crate::config::{Listener, Proxy};
use crate::route::Router;
use crate::upstream::Upstream;

/// One generation of everything that control decides.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub listeners: Vec<(Listener, Router)>,
    pub upstreams: Vec<Arc<Upstream>>,
    pub pseudonym: String,
}

impl Snapshot {
    /// `before`: what was in use until now; its servers keep what is known about them.
    pub fn new(proxy: Proxy, before: &Self) -> Self {
        let upstream = |config: crate::config::Upstream| match before
            .upstreams
            .iter()
            .find(|known| known.config().name == config.name)
        {
            Some(known) if *known.config() == config => Arc::clone(known),
            known => Arc::new(Upstream::new(config, known.map(Arc::as_ref))),
        };
        let listener = |config: Listener| {
            let router = Router::new(&config.routes);
            (config, router)
        };
        Self {
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

//! Interfaces that go away while packets are taken from them, and come back.

use std::sync::Arc;

use super::Daemon;
use super::chain::chain;
use super::rates::Rates;
use super::registry::Registry;
use crate::netlink::NetState;

impl Daemon {
    /// Tells of an interface that is no longer there.
    pub(super) fn follow_interfaces(&mut self, state: &NetState) {
        let Some(dataplane) = &mut self.dataplane else { return };
        for name in dataplane.follow_links(state) {
            tracing::error!(interface = %name, "the interface is gone: no packets are taken from it until it is back");
        }
    }

    /// Starts the data plane anew once all interfaces that had gone are there again: sockets are bound to the interface, not to its name.
    /// Connections do not survive that, nor do runtime changes.
    pub(super) fn take_interfaces_back(&mut self) {
        let state = Arc::clone(&self.state.borrow());
        let back = |name: &String| state.interface_by_name(name).is_some_and(|link| link.up);
        let lost = match &self.dataplane {
            Some(dataplane) => !dataplane.gone().is_empty() && dataplane.gone().iter().all(back),
            // The last attempt failed.
            None => !self.model.services().is_empty() && self.model.dataplane().interfaces().iter().all(back),
        };
        if !lost || self.draining.is_some() {
            return;
        }
        if let Some(dataplane) = self.dataplane.take() {
            tracing::warn!("the interfaces are back: starting the data plane anew, its connections are lost");
            self.requests = None;
            dataplane.stop();
        }
        self.rates = Rates::default();
        if let Err(error) =
            super::empty_slab().map(|slab| self.registry = Registry::new(slab)).and_then(|()| self.apply())
        {
            tracing::error!("cannot start the data plane: {}", chain(&error));
        }
    }
}

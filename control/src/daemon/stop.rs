//! The way to an orderly end: no new connections while the old ones finish, then nothing of ours is left in the system.

use std::time::Duration;

use super::Daemon;
use super::notify::notify;

/// Why the configuration is no longer changed: a server that came back would let connections in again.
pub(super) const STOPPING: &str = "headgate is stopping";

impl Daemon {
    /// Begins the end: from now on no server takes new connections. Everything else goes on until [`Self::is_drained`]: neighbours
    /// are looked after, questions answered.
    pub(super) async fn drain(&mut self, longest: Duration) {
        notify("STOPPING=1");
        self.leave().await;
        self.draining = Some(tokio::time::Instant::now() + longest);
        if self.is_drained() {
            return;
        }
        let (connections, requests) = (self.registry.connections(), self.proxy.connections());
        tracing::info!(seconds = longest.as_secs(), connections, proxy_connections = requests, "draining");
        self.proxy.drain();
        self.registry.drain_all();
        self.publish_or_log();
    }

    /// Whether there is nothing more to wait for.
    pub(super) fn is_drained(&self) -> bool {
        let over = |until| tokio::time::Instant::now() >= until;
        let idle = (self.dataplane.is_none() || self.registry.connections() == 0) && self.proxy.connections() == 0;
        self.draining.is_some_and(|until| over(until) || idle)
    }

    /// Gives the virtual addresses away. First of all: the peer takes over while the rest ends here.
    async fn leave(&mut self) {
        for event in &self.vrrp.stop().await {
            self.virtual_router_event(event);
        }
    }

    /// Takes everything of ours away.
    pub(super) async fn stop(mut self) {
        if self.draining.is_none() {
            notify("STOPPING=1");
        }
        self.leave().await;
        self.held.release(&self.commands).await;
        self.proxy.stop();
        if let Some(dataplane) = self.dataplane.take() {
            let lost = dataplane.stop();
            if lost > 0 {
                tracing::error!(lost, "frames were not accounted for");
            }
        }
        self.notifier.finish().await;
        tracing::info!("headgate stopped");
    }
}

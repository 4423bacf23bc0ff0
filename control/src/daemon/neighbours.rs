//! Has the kernel find and keep the next hops that the workers send to: it does not see their packets.

use std::sync::Arc;

use headgate_dataplane::pipeline::Resolve;

use super::Daemon;

impl Daemon {
    pub(super) async fn resolve(&mut self, wanted: Resolve) {
        let Some(device) = self.dataplane.as_ref().and_then(|dataplane| dataplane.served().get(wanted.device.index()))
        else {
            return;
        };
        tracing::debug!(interface = %device.name, address = %wanted.address, "asking for a neighbour");
        if let Err(error) = self.commands.resolve(device.ifindex, wanted.address).await {
            tracing::debug!(interface = %device.name, address = %wanted.address, %error, "cannot ask for a neighbour");
        }
    }

    /// Has the kernel look after the next hops of all servers, known or not, before a packet needs them.
    pub(super) async fn confirm_neighbours(&self) {
        let Some(dataplane) = &self.dataplane else {
            return;
        };
        let snapshot = dataplane.shared().snapshot.load();
        let state = Arc::clone(&self.state.borrow());
        for (device, address) in snapshot.server_neighbours() {
            let Some(served) = dataplane.served().get(device.index()) else { continue };
            let known =
                state.neighbours.get(&(served.ifindex, address)).is_some_and(|known| known.usable_mac().is_some());
            let asked = if known {
                self.commands.confirm(&state, served.ifindex, address).await.map(|_| ())
            } else {
                self.commands.resolve(served.ifindex, address).await
            };
            if let Err(error) = asked {
                tracing::debug!(interface = %served.name, %address, %error, "cannot confirm a neighbour");
            }
        }
    }
}

//! What follows from the health of servers: which of them are in the pool, with which weight, and whether the service is up.
//!
//! The rules are those of keepalived (`check_daemon/ipwrapper.c`): the weight of the living servers makes the quorum; without it the sorry
//! server takes the place of all others; without a sorry server those that live go on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use headgate_dataplane::sched::Member;

use super::{Override, Registry, Server, Service};
use crate::config::model::ServiceHealth;

/// Whether the living servers are enough.
#[derive(Debug)]
pub struct Quorum {
    pub up: bool,
    pub since: Instant,
    /// Weight with which the service is up.
    pub weight: u32,
    hysteresis: u32,
    /// It has been looked at.
    known: bool,
}

/// What has changed, for the log and for scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Server { service: Arc<str>, server: SocketAddr, up: bool },
    Quorum { service: Arc<str>, up: bool, alive: u64 },
}

impl Default for Quorum {
    fn default() -> Self {
        Self { up: false, since: Instant::now(), weight: 1, hysteresis: 0, known: false }
    }
}

impl Quorum {
    pub fn configure(&mut self, configured: &ServiceHealth) {
        (self.weight, self.hysteresis) = (configured.quorum, configured.hysteresis);
    }

    /// Whether it comes or goes with this weight of living servers.
    fn look(&mut self, alive: u64, now: Instant) -> bool {
        let (quorum, hysteresis) = (u64::from(self.weight), u64::from(self.hysteresis));
        let first = !std::mem::replace(&mut self.known, true);
        let up = if first {
            alive >= quorum
        } else if self.up {
            alive > 0 && alive >= quorum - hysteresis.min(quorum)
        } else {
            alive >= quorum + hysteresis
        };
        let changes = up != self.up;
        if changes || first {
            (self.up, self.since) = (up, now);
        }
        changes && !first
    }
}

impl Server {
    /// The weight the scheduler works with.
    pub fn effective_weight(&self) -> u32 {
        self.scheduled.unwrap_or(0)
    }

    /// What it weighs once it is in the pool for long enough.
    fn whole_weight(&self) -> u32 {
        match self.changed {
            None => self.told.unwrap_or(self.weight),
            Some(Override::Drain) => 0,
            Some(Override::Weight(weight)) => weight,
        }
    }

    /// What it weighs now: never nothing while its weight grows.
    fn weight_at(&self, now: Instant) -> u32 {
        let whole = self.whole_weight();
        let Some(since) = self.since else { return whole };
        let (passed, all) = (now.saturating_duration_since(since).as_millis(), self.slow_start.as_millis().max(1));
        let part = u128::from(whole) * passed.min(all) / all;
        u32::try_from(part).unwrap_or(whole).max(whole.min(1))
    }

    /// Its place in the pool: the weight there, or none.
    fn place(&self, replaced: bool, now: Instant) -> Option<u32> {
        match (self.alive, replaced) {
            (true, false) => Some(self.weight_at(now)),
            // An operator wants its connections to end by themselves.
            (true, true) if self.changed.is_some() && self.whole_weight() == 0 => Some(0),
            (true, true) => None,
            (false, _) => self.inhibit_on_failure.then_some(0),
        }
    }
}

impl Service {
    /// Those of the configuration, and the sorry server.
    pub fn all_servers(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter().chain(&self.sorry)
    }

    /// Those that connections may have been made to.
    pub fn scheduled_servers(&self) -> impl Iterator<Item = &Server> {
        self.all_servers().filter(|server| server.scheduled.is_some())
    }

    /// The weight of the living servers.
    fn alive(&self) -> u64 {
        self.servers.iter().filter(|server| server.alive).map(|server| u64::from(server.whole_weight())).sum()
    }

    /// Brings the pool in line with what is known of the servers. What has become of the quorum, if anything.
    pub(super) fn settle(&mut self, now: Instant) -> Option<Change> {
        let alive = self.alive();
        let changes = self.quorum.look(alive, now);
        let replaced = !self.quorum.up && self.sorry.is_some();
        let mut added = Vec::new();
        let sorry = self.sorry.as_mut().map(|sorry| (replaced.then_some(sorry.weight), sorry));
        let servers = self.servers.iter_mut().map(|server| (server.place(replaced, now), server));
        for (place, server) in servers.chain(sorry) {
            match (server.scheduled, place) {
                (None, Some(weight)) => added.push(Member::new(server.id, server.address, server.port, weight)),
                (Some(before), Some(weight)) if before != weight => {
                    Arc::make_mut(&mut self.pool).set_weight(server.id, weight);
                }
                (Some(_), None) => {
                    Arc::make_mut(&mut self.pool).remove(server.id);
                }
                (Some(_), Some(_)) | (None, None) => {}
            }
            server.scheduled = place;
        }
        if !added.is_empty() {
            Arc::make_mut(&mut self.pool).extend(added);
        }
        changes.then(|| Change::Quorum { service: Arc::clone(&self.name), up: self.quorum.up, alive })
    }

    fn find(&mut self, server: SocketAddr) -> Option<&mut Server> {
        self.servers.iter_mut().find(|known| known.shown == server)
    }
}

impl Registry {
    /// The checks of a server pass, or do not.
    pub fn tell(&mut self, service: &str, server: SocketAddr, alive: bool, now: Instant) -> Vec<Change> {
        let Some(service) = self.services.iter_mut().find(|known| &*known.name == service) else { return Vec::new() };
        let Some(known) = service.find(server).filter(|known| known.alive != alive) else { return Vec::new() };
        known.alive = alive;
        known.since = (alive && !known.slow_start.is_zero()).then_some(now);
        let change = Change::Server { service: Arc::clone(&service.name), server, up: alive };
        std::iter::once(change).chain(service.settle(now)).collect()
    }

    /// What the check of a server says about its weight.
    pub fn weigh(&mut self, service: &str, server: SocketAddr, weight: Option<u32>, now: Instant) -> Option<Change> {
        let service = self.services.iter_mut().find(|known| &*known.name == service)?;
        let known = service.find(server).filter(|known| known.told != weight)?;
        known.told = weight;
        service.settle(now)
    }

    /// Lets weights grow. Whether one did.
    pub fn grow(&mut self, now: Instant) -> bool {
        let mut grown = false;
        for service in &mut self.services {
            let before: u64 = service.servers.iter().map(|server| u64::from(server.effective_weight())).sum();
            let grows = |server: &Server| server.since.is_some();
            if !service.servers.iter().any(grows) {
                continue;
            }
            service.settle(now);
            for server in service.servers.iter_mut().filter(|server| grows(server)) {
                server.since = server.since.filter(|since| now.saturating_duration_since(*since) < server.slow_start);
            }
            grown |= before != service.servers.iter().map(|server| u64::from(server.effective_weight())).sum::<u64>();
        }
        grown
    }
}

#[cfg(test)]
mod tests;

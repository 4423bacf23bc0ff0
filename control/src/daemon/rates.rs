//! Counters of servers as operators see them: since the last `--zero`, and as rates (`ip_vs_est.c`: every 2 s, avg += (rate - avg) / 4).

use std::collections::BTreeMap;

use headgate_api as api;
use headgate_dataplane::counters::TrafficTotals;
use headgate_dataplane::servers::ServerId;

use super::dataplane::Dataplane;
use super::registry::Registry;

/// Ticks of the daemon (100 ms) between two looks of the estimator.
const PERIOD_TICKS: u32 = 20;
const PERIOD_S: f64 = 2.0;

#[derive(Debug, Default)]
pub struct Rates {
    ticks: u32,
    servers: BTreeMap<ServerId, Estimate>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Estimate {
    last: TrafficTotals,
    zero: TrafficTotals,
    /// connections, packets in, packets out, bytes in, bytes out; per second.
    average: [f64; 5],
}

impl Rates {
    /// One tick of the daemon.
    pub fn tick(&mut self, dataplane: &Dataplane, registry: &Registry) {
        self.ticks += 1;
        if !self.ticks.is_multiple_of(PERIOD_TICKS) {
            return;
        }
        for id in ids(registry) {
            let now = dataplane.traffic(id);
            let estimate = self.servers.entry(id).or_default();
            let passed = parts(now.since(estimate.last));
            for (average, count) in estimate.average.iter_mut().zip(passed) {
                *average += (count as f64 / PERIOD_S - *average) / 4.0;
            }
            estimate.last = now;
        }
    }

    /// Counters of a server since the last zeroing.
    pub fn stats(&self, dataplane: &Dataplane, id: ServerId, rates: bool) -> api::Stats {
        let estimate = self.servers.get(&id).copied().unwrap_or_default();
        let totals = dataplane.traffic(id).since(estimate.zero);
        api::Stats {
            connections: totals.connections,
            packets_in: totals.packets_in,
            packets_out: totals.packets_out,
            bytes_in: totals.bytes_in,
            bytes_out: totals.bytes_out,
            rates: rates.then(|| estimate.rates()),
        }
    }

    /// Lets the counters of a server begin at zero.
    pub fn zero(&mut self, dataplane: &Dataplane, id: ServerId) {
        self.servers.entry(id).or_default().zero = dataplane.traffic(id);
    }
}

impl Estimate {
    fn rates(&self) -> api::Rates {
        let [connections, packets_in, packets_out, bytes_in, bytes_out] = self.average.map(|rate| rate.round() as u64);
        api::Rates { connections, packets_in, packets_out, bytes_in, bytes_out }
    }
}

fn parts(totals: TrafficTotals) -> [u64; 5] {
    [totals.connections, totals.packets_in, totals.packets_out, totals.bytes_in, totals.bytes_out]
}

fn ids(registry: &Registry) -> impl Iterator<Item = ServerId> {
    registry.services().iter().flat_map(super::registry::Service::all_servers).map(|server| server.id)
}

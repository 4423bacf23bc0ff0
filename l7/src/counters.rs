//! Requests as they are counted: each worker in a place of its own, so that counting costs it nothing but stores; a reader adds them up.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::upstream::Distribution;

/// Bounds of durations in microseconds: those that Prometheus' clients have by default, and one below for servers on the same host.
pub const DURATION_BOUNDS: [u64; 12] =
    [1_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000];

/// Of a listener or a route. Outlives configurations.
#[derive(Debug)]
pub struct Counters(Box<[Shard]>);

/// The numbers of one worker, which alone writes them: in cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    connections: AtomicU64,
    classes: [AtomicU64; 5],
    received: AtomicU64,
    sent: AtomicU64,
    /// Microseconds.
    duration: AtomicU64,
    /// Not above each bound but above the one before; the last: above all.
    durations: [AtomicU64; DURATION_BOUNDS.len() + 1],
}

/// All workers together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// That are open now.
    pub connections: u64,
    /// Requests by the first digit of their status, from 1xx to 5xx.
    pub classes: [u64; 5],
    /// Bytes from and to clients.
    pub received: u64,
    pub sent: u64,
    /// Up to each of [`DURATION_BOUNDS`].
    pub durations: Distribution,
}

/// A request that has ended. Times in microseconds of our clock.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    pub begun: u64,
    pub at: u64,
    pub status: u16,
    /// Bytes of the request that were used.
    pub received: u64,
    /// Bytes of all that was sent to the client.
    pub sent: u64,
}

impl Ended {
    pub fn duration(&self) -> u64 {
        self.at.saturating_sub(self.begun)
    }
}

impl Counters {
    pub fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Shard::default()).collect())
    }

    /// Counts a request. `worker`: whose number it is; only its thread may call this.
    pub fn count(&self, worker: usize, ended: &Ended) {
        let Some(shard) = self.0.get(worker) else { return };
        let class = usize::from(ended.status / 100).clamp(1, 5) - 1;
        add(&shard.classes[class], 1);
        add(&shard.received, ended.received);
        add(&shard.sent, ended.sent);
        let duration = ended.duration();
        add(&shard.duration, duration);
        // Most are below the first bounds.
        let bucket = DURATION_BOUNDS.iter().position(|bound| duration <= *bound).unwrap_or(DURATION_BOUNDS.len());
        add(&shard.durations[bucket], 1);
    }

    pub fn connected(&self, worker: usize) {
        if let Some(shard) = self.0.get(worker) {
            add(&shard.connections, 1);
        }
    }

    pub fn disconnected(&self, worker: usize) {
        if let Some(shard) = self.0.get(worker) {
            add(&shard.connections, u64::MAX);
        }
    }

    pub fn read(&self) -> Counted {
        let sum = |cell: fn(&Shard) -> &AtomicU64| self.0.iter().map(|shard| cell(shard).load(Relaxed)).sum();
        let mut classes = [0; 5];
        let mut not_above = vec![0; DURATION_BOUNDS.len() + 1];
        for shard in &self.0 {
            let pairs = classes.iter_mut().zip(&shard.classes).chain(not_above.iter_mut().zip(&shard.durations));
            pairs.for_each(|(sum, cell)| *sum += cell.load(Relaxed));
        }
        let mut below = 0;
        for bucket in &mut not_above {
            below += *bucket;
            *bucket = below;
        }
        not_above.pop();
        Counted {
            connections: sum(|shard| &shard.connections),
            classes,
            received: sum(|shard| &shard.received),
            sent: sum(|shard| &shard.sent),
            durations: Distribution { count: below, sum: sum(|shard| &shard.duration), not_above },
        }
    }
}

/// Nobody else writes, so it needs no locked instruction.
fn add(cell: &AtomicU64, more: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(more), Relaxed);
}

#[cfg(test)]
mod tests;

//! Counters of one worker. The worker alone writes, so adding is a plain load and store; anybody may read and merge.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::drop_reason::DropReason;
use crate::servers::ServerId;

/// A counter with one writer and any number of readers.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    #[inline(always)]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    #[inline(always)]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Traffic of one server as IPVS counts it; bytes are IP lengths (`ip_vs_est.c`). One cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct Traffic {
    pub connections: Counter,
    pub packets_in: Counter,
    pub packets_out: Counter,
    pub bytes_in: Counter,
    pub bytes_out: Counter,
}

/// A reading of [`Traffic`], summed over workers.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct TrafficTotals {
    pub connections: u64,
    pub packets_in: u64,
    pub packets_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// Everything one worker counts.
#[derive(Debug)]
pub struct Counters {
    drops: [Counter; DropReason::COUNT],
    servers: Box<[Traffic]>,
    pub received: Counter,
    pub transmitted: Counter,
    pub to_kernel: Counter,
    /// ICMP errors made here.
    pub icmp_sent: Counter,
    /// Checksums that a virtual device had left half done and that were completed.
    pub checksums_completed: Counter,
    /// Connections whose timer could not be armed because the wheel was full; the sweep through the table ends them.
    pub timers_refused: Counter,
    /// Free frames plus frames in rings and queues, as of the last housekeeping; equals `frames_total` unless a frame leaked.
    pub frames_accounted: AtomicU64,
    pub frames_total: AtomicU64,
}

impl Counters {
    /// `servers`: how many server ids there can be.
    pub fn new(servers: usize) -> Self {
        Self {
            drops: std::array::from_fn(|_| Counter::default()),
            servers: (0..servers).map(|_| Traffic::default()).collect(),
            received: Counter::default(),
            transmitted: Counter::default(),
            to_kernel: Counter::default(),
            icmp_sent: Counter::default(),
            checksums_completed: Counter::default(),
            timers_refused: Counter::default(),
            frames_accounted: AtomicU64::new(0),
            frames_total: AtomicU64::new(0),
        }
    }

    #[inline(always)]
    pub fn count_drop(&self, reason: DropReason) {
        self.drops[reason as usize].add(1);
    }

    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.drops[reason as usize].value()
    }

    /// Counters of a server; an id out of range (a damaged table) has none.
    #[inline(always)]
    pub fn server(&self, id: ServerId) -> Option<&Traffic> {
        self.servers.get(id.index() as usize)
    }
}

impl TrafficTotals {
    /// The sum over `workers` for one server.
    pub fn of<'a>(workers: impl IntoIterator<Item = &'a Counters>, id: ServerId) -> Self {
        let mut sum = Self::default();
        for traffic in workers.into_iter().filter_map(|counters| counters.server(id)) {
            sum.connections = sum.connections.wrapping_add(traffic.connections.value());
            sum.packets_in = sum.packets_in.wrapping_add(traffic.packets_in.value());
            sum.packets_out = sum.packets_out.wrapping_add(traffic.packets_out.value());
            sum.bytes_in = sum.bytes_in.wrapping_add(traffic.bytes_in.value());
            sum.bytes_out = sum.bytes_out.wrapping_add(traffic.bytes_out.value());
        }
        sum
    }

    /// What came on top of an earlier reading.
    #[must_use]
    pub fn since(self, base: Self) -> Self {
        Self {
            connections: self.connections.wrapping_sub(base.connections),
            packets_in: self.packets_in.wrapping_sub(base.packets_in),
            packets_out: self.packets_out.wrapping_sub(base.packets_out),
            bytes_in: self.bytes_in.wrapping_sub(base.bytes_in),
            bytes_out: self.bytes_out.wrapping_sub(base.bytes_out),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

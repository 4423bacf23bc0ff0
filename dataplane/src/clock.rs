//! The one clock of the data plane: milliseconds since the machine booted.
//!
//! The connection table outlives the process, so its ticks must mean the same to the next one. `Instant` has no fixed origin; the kernel's
//! uptime has, and gives it one.

use std::time::Instant;

use crate::pipeline::Now;
use crate::table::Tick;

/// Shared by all workers, so that they agree on the tick.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    uptime_ms: u64,
}

impl Clock {
    /// Reads the uptime once; where `/proc` is not there the clock begins at 0.
    pub fn start() -> Self {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
        let seconds: f64 = uptime.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
        Self { started: Instant::now(), uptime_ms: (seconds * 1000.0) as u64 }
    }

    pub fn now(&self) -> Now {
        Now::from_millis(self.uptime_ms + self.started.elapsed().as_millis() as u64)
    }
}

impl Now {
    pub fn from_millis(millis: u64) -> Self {
        Self { tick: Tick::from_millis(millis), millis }
    }
}

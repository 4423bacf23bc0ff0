//! How long servers take, as a distribution. Recorded by all workers, read by control.

use std::sync::{Mutex, PoisonError};

use hdrhistogram::Histogram;

/// An hour in microseconds; longer counts as this.
const LONGEST: u64 = 3_600_000_000;
/// Two digits are exact: the rest costs memory and tells nobody anything.
const DIGITS: u8 = 2;

/// Made with the first record: most servers of a large file may never be asked.
#[derive(Debug, Default)]
pub struct Latencies(Mutex<Option<Histogram<u32>>>);

impl Latencies {
    /// Adds a time in microseconds.
    pub fn record(&self, micros: u64) {
        let mut histogram = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if histogram.is_none() {
            *histogram = Histogram::new_with_bounds(1, LONGEST, DIGITS).ok();
        }
        if let Some(histogram) = &mut *histogram {
            histogram.saturating_record(micros.max(1));
        }
    }

    /// The value at a quantile.
    pub fn at(&self, quantile: f64) -> Option<u64> {
        let histogram = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        histogram
            .as_ref()
            .filter(|histogram| !histogram.is_empty())
            .map(|histogram| histogram.value_at_quantile(quantile))
    }
}

#[cfg(test)]
mod tests;

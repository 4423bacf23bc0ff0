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

/// The times so far, in microseconds. Only ever grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    pub count: u64,
    /// Right to two digits.
    pub sum: u64,
    /// For each of the bounds asked for, how many were not above it; within the histogram's two digits.
    pub not_above: Vec<u64>,
}

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

    /// Counted up to each of `bounds`, which rise. `None` without any.
    pub fn distribution(&self, bounds: &[u64]) -> Option<Distribution> {
        let histogram = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let histogram = histogram.as_ref().filter(|histogram| !histogram.is_empty())?;
        let mut found = Distribution { count: 0, sum: 0, not_above: vec![0; bounds.len()] };
        for step in histogram.iter_recorded() {
            let (value, count) = (step.value_iterated_to(), u64::from(step.count_at_value()));
            found.count += count;
            found.sum = found.sum.saturating_add(count.saturating_mul(histogram.median_equivalent(value)));
            if let Some(bucket) =
                found.not_above.get_mut(bounds.partition_point(|bound| *bound < histogram.lowest_equivalent(value)))
            {
                *bucket += count;
            }
        }
        let mut below = 0;
        for bucket in &mut found.not_above {
            below += *bucket;
            *bucket = below;
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests;

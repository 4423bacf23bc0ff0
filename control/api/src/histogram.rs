//! Durations as a distribution.

use serde::{Deserialize, Serialize};

/// A cumulative histogram since the start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    pub count: u64,
    /// All durations together.
    pub sum_s: f64,
    /// In rising order.
    pub buckets: Vec<Bucket>,
}

/// How many durations were not above a bound.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    pub le_s: f64,
    pub count: u64,
}

//! The time of day.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Since 1970; zero when the clock says that it is earlier.
pub fn unix() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// RFC 3339, UTC, of seconds since 1970.
pub fn rfc3339(seconds: u64) -> String {
    let (year, month, day) = headgate_l7::clock::civil(seconds / 86_400);
    let second = seconds % 86_400;
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests;

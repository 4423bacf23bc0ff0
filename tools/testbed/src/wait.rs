//! Waiting for a condition with a deadline, instead of sleeping for a guessed time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at: short against any deadline, long against the cost of a look.
const INTERVAL: Duration = Duration::from_millis(5);

/// Polls `condition` until it holds.
///
/// # Errors
/// "`what` did not happen within …" once `deadline` has passed.
pub fn wait_for(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) -> Result<()> {
    let end = Instant::now() + deadline;
    loop {
        if condition() {
            return Ok(());
        }
        if Instant::now() >= end {
            bail!("{what} did not happen within {deadline:?}");
        }
        pause();
    }
}

/// One polling interval.
#[expect(clippy::disallowed_methods, reason = "the one place where polling sleeps")]
pub(crate) fn pause() {
    std::thread::sleep(INTERVAL);
}

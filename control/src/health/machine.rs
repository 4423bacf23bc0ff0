//! What follows from the answers to a check: sans I/O, time as an argument, in milliseconds.

use std::time::Duration;

use super::check::Check;

/// Whether a server works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Up,
    Down,
}

/// The state of one check. A server is taken for well until it has failed.
#[derive(Debug)]
pub struct Machine {
    /// Successes, and failures, in a row that change the verdict.
    rise: u32,
    fall: u32,
    interval: u64,
    /// After a failure that is not the last one.
    retry: u64,
    verdict: Verdict,
    /// Answers in a row that speak against the verdict.
    against: u32,
    next: u64,
}

impl Machine {
    /// `first`: when the first check is due.
    pub fn new(check: &Check, first: u64) -> Self {
        let millis = |duration: Duration| duration.as_millis() as u64;
        let retry = check.delay_before_retry.unwrap_or(check.interval);
        Self {
            rise: check.rise.max(1),
            fall: check.fall.max(1),
            interval: millis(check.interval),
            retry: millis(retry),
            verdict: Verdict::Up,
            against: 0,
            next: first,
        }
    }

    /// What is taken for granted until answers say otherwise.
    pub fn assume(&mut self, verdict: Verdict) {
        (self.verdict, self.against) = (verdict, 0);
    }

    /// When the next check is due.
    pub fn next(&self) -> u64 {
        self.next
    }

    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// A check begins. The one after it is due an interval later, however long this one takes; missed ones are not made up for.
    pub fn begin(&mut self, now: u64) {
        self.next = self.next.max(now.saturating_sub(self.interval)) + self.interval;
        self.next = self.next.max(now);
    }

    /// It has ended. Whether the verdict is another one now.
    pub fn on_result(&mut self, passed: bool, now: u64) -> Option<Verdict> {
        let (other, needed) = match self.verdict {
            Verdict::Up => (Verdict::Down, self.fall),
            Verdict::Down => (Verdict::Up, self.rise),
        };
        if passed == (self.verdict == Verdict::Up) {
            self.against = 0;
            return None;
        }
        self.against += 1;
        if self.against < needed {
            if !passed && self.retry != self.interval {
                self.next = now + self.retry;
            }
            return None;
        }
        (self.verdict, self.against) = (other, 0);
        Some(other)
    }
}

#[cfg(test)]
mod tests;

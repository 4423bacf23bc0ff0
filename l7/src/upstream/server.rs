//! One server of an upstream: passive health as nginx counts it (with a true window), what the checks and the operator say, and load.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

use super::latencies::{Distribution, Latencies};
use super::queue::Queue;
use super::sticky;
use crate::config;

/// Of a new latency this share goes into the average when it is lower; a higher one counts at once ("peak" EWMA).
const EWMA_SHIFT: u32 = 3;
/// A whole share of requests.
pub(super) const WHOLE: u64 = 1000;
/// With which a slow start begins.
const LEAST: u64 = 10;

/// A server as one configuration has it, and its record, which outlives configurations.
#[derive(Debug)]
pub struct Server {
    config: config::Server,
    /// 0 where it is the only one.
    max_fails: u32,
    /// Where clients keep their server: what names this one to them, and the line that tells them.
    cookie: Option<(String, String)>,
    record: Arc<Record>,
    /// Of its upstream.
    queue: Arc<Queue>,
}

/// State of a server, shared by all workers.
#[derive(Debug, Default)]
pub struct Record {
    in_flight: AtomicU32,
    requests: AtomicU64,
    failures: AtomicU64,
    /// Requests that went on to another server.
    passed_on: AtomicU64,
    /// 0: in use. Else it is out until then; from then on one request may find out.
    out_until: AtomicU64,
    probing: AtomicBool,
    last_failure: AtomicU64,
    /// Times of the latest failures, oldest first.
    window: Mutex<VecDeque<u64>>,
    /// Lost weight not yet given back; read and cleared by round robin.
    lost_weight: AtomicU32,
    /// Microseconds, as a peak EWMA.
    latency: AtomicU64,
    latencies: Latencies,
    /// When it last came back, in milliseconds; 0: it was never away.
    back_since: AtomicU64,
    /// False while active checks fail.
    checked_down: AtomicBool,
    admin: AtomicU8,
}

/// What the operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Admin {
    Enabled = 0,
    /// No new requests.
    Drain = 1,
    Down = 2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Up,
    Down,
    Drain,
    /// It was out, and now one request finds out whether it works.
    Probing,
}

impl Server {
    pub(super) fn new(
        config: &config::Server,
        alone: bool,
        sticky: Option<&config::Sticky>,
        record: Arc<Record>,
        queue: Arc<Queue>,
    ) -> Self {
        let max_fails = if alone { 0 } else { config.max_fails };
        let cookie = sticky.map(|wanted| {
            let value = sticky::value(config.address);
            let line = sticky::set_cookie(wanted, &value);
            (value, line)
        });
        Self { config: config.clone(), max_fails, cookie, record, queue }
    }

    pub fn config(&self) -> &config::Server {
        &self.config
    }

    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// The host name that it was found by.
    pub fn host(&self) -> Option<&str> {
        self.config.host.as_deref()
    }

    pub fn address(&self) -> SocketAddr {
        self.config.address
    }

    /// What names it in cookies; empty where clients keep none.
    pub(super) fn cookie_value(&self) -> &str {
        self.cookie.as_ref().map_or("", |(value, _)| value)
    }

    /// The line for responses to clients that are to keep it, if they are.
    pub fn set_cookie(&self) -> &str {
        self.cookie.as_ref().map_or("", |(_, line)| line)
    }

    pub fn weight(&self) -> u32 {
        self.config.weight
    }

    /// Of its share of requests so much, in percent: all of it but in its slow start.
    pub fn share_percent(&self, now: u64) -> u32 {
        (self.share(now) * 100 / WHOLE) as u32
    }

    pub fn is_backup(&self) -> bool {
        self.config.backup
    }

    pub fn in_flight(&self) -> u32 {
        self.record.in_flight.load(Relaxed)
    }

    pub fn requests(&self) -> u64 {
        self.record.requests.load(Relaxed)
    }

    pub fn failures(&self) -> u64 {
        self.record.failures.load(Relaxed)
    }

    /// Requests that failed here and were passed on to another server.
    pub fn passed_on(&self) -> u64 {
        self.record.passed_on.load(Relaxed)
    }

    pub fn count_passed_on(&self) {
        self.record.passed_on.fetch_add(1, Relaxed);
    }

    /// Peak EWMA of the time until a response begins, in microseconds.
    pub fn latency(&self) -> u64 {
        self.record.latency.load(Relaxed)
    }

    /// Of the times until a response began this one, in microseconds: e.g. 0.99 for the one that 99 in 100 are not above. `None` without any.
    pub fn latency_at(&self, quantile: f64) -> Option<u64> {
        self.record.latencies.at(quantile)
    }

    /// The times until responses began, counted up to each of `bounds` (microseconds, rising). `None` without any.
    pub fn latency_histogram(&self, bounds: &[u64]) -> Option<Distribution> {
        self.record.latencies.distribution(bounds)
    }

    pub fn state(&self, now: u64) -> State {
        let out_until = self.record.out_until.load(Relaxed);
        if self.config.down || self.record.checked_down.load(Relaxed) || self.admin() == Admin::Down {
            State::Down
        } else if self.admin() == Admin::Drain {
            State::Drain
        } else if out_until == 0 || self.max_fails == 0 {
            State::Up
        } else if self.record.probing.load(Relaxed) || now >= out_until {
            State::Probing
        } else {
            State::Down
        }
    }

    pub fn admin(&self) -> Admin {
        match self.record.admin.load(Relaxed) {
            0 => Admin::Enabled,
            1 => Admin::Drain,
            _ => Admin::Down,
        }
    }

    pub fn set_admin(&self, admin: Admin, now: u64) {
        let before = self.record.admin.swap(admin as u8, Relaxed);
        if admin == Admin::Enabled && before != Admin::Enabled as u8 {
            self.is_back(now);
        }
    }

    /// The verdict of the active checks.
    pub fn set_checked(&self, up: bool, now: u64) {
        if self.record.checked_down.swap(!up, Relaxed) && up {
            self.is_back(now);
        }
    }

    fn is_back(&self, now: u64) {
        self.record.back_since.store(now.max(1), Relaxed);
        self.queue.look();
    }

    /// Of its share of requests, in thousandths: all of it but in its slow start.
    pub(super) fn share(&self, now: u64) -> u64 {
        let length = self.config.slow_start.as_millis() as u64;
        let since = self.record.back_since.load(Relaxed);
        if length == 0 || since == 0 {
            return WHOLE;
        }
        (now.saturating_sub(since) * WHOLE / length).clamp(LEAST, WHOLE)
    }

    pub(super) fn record(&self) -> &Arc<Record> {
        &self.record
    }

    pub(super) fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    /// Nothing but its failures speaks against it.
    pub(super) fn may_be_asked(&self) -> bool {
        !self.config.down && !self.record.checked_down.load(Relaxed) && self.admin() == Admin::Enabled
    }

    /// Whether it can be asked by clients that keep it: also while it drains.
    pub(super) fn serves_bound(&self, now: u64) -> bool {
        let wanted = !self.config.down && !self.record.checked_down.load(Relaxed) && self.admin() != Admin::Down;
        wanted && !self.is_out(now)
    }

    /// Whether failures keep it out at the moment.
    pub(super) fn is_out(&self, now: u64) -> bool {
        let until = self.record.out_until.load(Relaxed);
        until != 0 && self.max_fails != 0 && now < until
    }

    /// Whether anybody may be sent to it without a look at the clock.
    pub(super) fn is_fit(&self) -> bool {
        self.may_be_asked() && (self.max_fails == 0 || self.record.out_until.load(Relaxed) == 0)
    }

    pub(super) fn is_full(&self) -> bool {
        // In one order with the end of requests: see `Queue`.
        self.config.max_connections != 0 && self.record.in_flight.load(SeqCst) >= self.config.max_connections
    }

    pub(super) fn last_failure(&self) -> u64 {
        self.record.last_failure.load(Relaxed)
    }

    /// Takes the server for a request. After its time out only one request gets it, as the probe; the others go on skipping it for
    /// as long again. `None`: another one was quicker. Else whether this is the probe.
    pub(super) fn claim(&self, now: u64) -> Option<bool> {
        let until = self.record.out_until.load(Relaxed);
        if until == 0 || self.max_fails == 0 {
            return Some(false);
        }
        let next = now + self.config.fail_timeout.as_millis() as u64;
        // A fail_timeout of zero leaves it eligible at once.
        let next = next.max(1);
        self.record.out_until.compare_exchange(until, next, Relaxed, Relaxed).ok()?;
        self.record.probing.store(true, Relaxed);
        Some(true)
    }

    /// A request begins, unless there are as many as there may be.
    pub(super) fn begin(&self) -> bool {
        let (in_flight, most) = (&self.record.in_flight, self.config.max_connections);
        if most == 0 {
            in_flight.fetch_add(1, Relaxed);
            return true;
        }
        in_flight.fetch_update(SeqCst, Relaxed, |running| (running < most).then_some(running + 1)).is_ok()
    }

    pub(super) fn count_request(&self) {
        self.record.requests.fetch_add(1, Relaxed);
    }

    /// A request ends; who waits for its place gets it.
    pub(super) fn end(&self) {
        self.record.end();
        self.queue.hand_on(self);
    }

    pub(super) fn succeeded(&self, probe: bool, latency: u64, now: u64) {
        if probe {
            tracing::info!(server = self.name(), "the server works again");
            self.window().clear();
            self.record.probing.store(false, Relaxed);
            self.record.out_until.store(0, Relaxed);
            self.is_back(now);
        }
        self.record.latencies.record(latency);
        let average = self.record.latency.load(Relaxed);
        let next = if latency >= average { latency } else { average - ((average - latency) >> EWMA_SHIFT) };
        self.record.latency.store(next, Relaxed);
    }

    pub(super) fn failed(&self, now: u64) {
        self.record.failures.fetch_add(1, Relaxed);
        self.record.last_failure.store(now, Relaxed);
        if self.max_fails == 0 {
            return;
        }
        let timeout = self.config.fail_timeout.as_millis() as u64;
        let mut window = self.window();
        window.push_back(now);
        while window.front().is_some_and(|oldest| now - oldest.min(&now) > timeout)
            || window.len() > self.max_fails as usize
        {
            window.pop_front();
        }
        self.record.lost_weight.fetch_add(self.config.weight / self.max_fails, Relaxed);
        // A server that was out fails its probe with a single failure.
        if window.len() >= self.max_fails as usize || self.record.out_until.load(Relaxed) != 0 {
            self.record.probing.store(false, Relaxed);
            if self.record.out_until.swap((now + timeout).max(1), Relaxed) == 0 {
                tracing::warn!(server = self.name(), "the server has failed and is left out");
            }
        }
    }

    /// Weight that failures took since it was last asked for.
    pub(super) fn take_lost_weight(&self) -> u32 {
        if self.record.lost_weight.load(Relaxed) == 0 { 0 } else { self.record.lost_weight.swap(0, Relaxed) }
    }

    fn window(&self) -> std::sync::MutexGuard<'_, VecDeque<u64>> {
        self.record.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, SeqCst);
    }
}

//! HTTP load for a bounded time: many clients, each with one connection after another or one for all.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};

use super::HttpClient;
use super::body::checksum;
use crate::{Namespace, wait};

/// What to ask whom for how long.
#[derive(Clone, Debug)]
pub struct Load {
    pub target: SocketAddr,
    pub path: String,
    /// Concurrent clients, a thread each.
    pub clients: usize,
    /// Many requests on one connection, or a connection per request.
    pub keep_alive: bool,
    /// The end; [`RunningLoad::stop`] may come earlier.
    pub duration: Duration,
    /// Limit for connecting and for each read.
    pub timeout: Duration,
}

impl Load {
    /// Four keep-alive clients asking for `/` for ten seconds, 2 s time-outs.
    pub fn new(target: SocketAddr) -> Self {
        let (duration, timeout) = (Duration::from_secs(10), Duration::from_secs(2));
        Self { target, path: "/".to_owned(), clients: 4, keep_alive: true, duration, timeout }
    }

    /// Starts the clients in the namespace.
    pub fn start(self, ns: &Namespace) -> Result<RunningLoad> {
        ensure!(self.clients > 0, "a load without clients");
        let shared = Arc::new(Shared::default());
        let load = Arc::new(self);
        let begin = Instant::now();
        let mut running = RunningLoad { shared: Arc::clone(&shared), threads: Vec::new(), begin };
        for _ in 0..load.clients {
            let (load, shared) = (Arc::clone(&load), Arc::clone(&shared));
            running.threads.push(ns.thread("http-load", move || client(&load, &shared, begin + load.duration))?);
        }
        Ok(running)
    }

    /// Starts the clients and waits for the end.
    pub fn run(self, ns: &Namespace) -> Result<LoadReport> {
        self.start(ns)?.wait()
    }
}

/// Clients at work; stopped on drop.
#[derive(Debug)]
pub struct RunningLoad {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Result<Tally>>>,
    begin: Instant,
}

impl RunningLoad {
    /// Answers so far with status below 500 and an intact body.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Failures so far: no connection, reset, time-out, damaged body, status 5xx.
    pub fn errors(&self) -> u64 {
        self.shared.errors.load(Ordering::Relaxed)
    }

    /// The end of the duration.
    pub fn wait(mut self) -> Result<LoadReport> {
        self.finish()
    }

    /// Ends after the request under way.
    pub fn stop(mut self) -> Result<LoadReport> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.finish()
    }

    fn finish(&mut self) -> Result<LoadReport> {
        let mut total = Tally::default();
        for thread in self.threads.drain(..) {
            total.add(thread.join().map_err(|_| anyhow!("a load client panicked"))??);
        }
        total.latencies.sort_unstable();
        let first_error = self.shared.first_error.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(LoadReport {
            requests: self.requests(),
            errors: self.errors(),
            first_error,
            bytes: total.bytes,
            by_server: total.by_server,
            latencies: total.latencies,
            elapsed: self.begin.elapsed(),
        })
    }
}

impl Drop for RunningLoad {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// What all clients saw together.
#[derive(Clone, Debug)]
pub struct LoadReport {
    pub requests: u64,
    pub errors: u64,
    pub first_error: Option<String>,
    /// Bytes of bodies.
    pub bytes: u64,
    /// Requests by the answering [`super::HttpBackend`].
    pub by_server: BTreeMap<String, u64>,
    pub elapsed: Duration,
    latencies: Vec<Duration>,
}

impl LoadReport {
    /// The latency that `share` (0 to 1) of the requests did not exceed; zero without requests.
    pub fn latency(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((last as f64 * share.clamp(0.0, 1.0)).round() as usize).copied().unwrap_or_default()
    }

    /// Requests per second.
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    requests: AtomicU64,
    errors: AtomicU64,
    first_error: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct Tally {
    bytes: u64,
    by_server: BTreeMap<String, u64>,
    latencies: Vec<Duration>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.latencies.extend(other.latencies);
        for (server, count) in other.by_server {
            *self.by_server.entry(server).or_default() += count;
        }
    }
}

fn client(load: &Load, shared: &Shared, end: Instant) -> Tally {
    let mut tally = Tally::default();
    let mut connection = None;
    while Instant::now() < end && !shared.stop.load(Ordering::Relaxed) {
        let begin = Instant::now();
        match request(load, &mut connection) {
            Ok((server, bytes)) => {
                shared.requests.fetch_add(1, Ordering::Relaxed);
                tally.bytes += bytes as u64;
                tally.latencies.push(begin.elapsed());
                *tally.by_server.entry(server).or_default() += 1;
            }
            Err(error) => {
                shared.errors.fetch_add(1, Ordering::Relaxed);
                let mut first = shared.first_error.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert_with(|| format!("{error:#}"));
                drop(first);
                connection = None;
                // A refused connection fails at once: without a pause the clients would only burn a core.
                wait::pause();
            }
        }
    }
    tally
}

fn request(load: &Load, connection: &mut Option<HttpClient>) -> Result<(String, usize)> {
    let mut client = match connection.take() {
        Some(client) => client,
        None => HttpClient::connect_here(load.target, load.timeout)?,
    };
    let headers: &[_] = if load.keep_alive { &[] } else { &[("Connection", "close")] };
    let response = client.request("GET", &load.path, headers, b"")?;
    ensure!(response.status < 500, "status {}", response.status);
    if let Some(expected) = response.header("X-Checksum") {
        ensure!(format!("{:016x}", checksum(&response.body)) == expected, "damaged body");
    }
    let closing = response.header("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    if load.keep_alive && !closing {
        *connection = Some(client);
    }
    Ok((response.server().unwrap_or("unknown").to_owned(), response.body.len()))
}

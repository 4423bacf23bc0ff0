//! Upstreams: groups of servers, their state shared by all workers, and the choice among them.
//!
//! * [`server`]: what is known of one server: failures, requests in flight, latency
//! * `latencies`: their distribution
//! * [`queue`]: requests that wait for one
//! * [`sticky`]: clients that keep their server
//! * [`balance`]: the algorithms, one file each
//!
//! A request asks [`Upstream::pick`] once per try and says how it went. Everything here takes the time as an argument.

pub mod balance;
mod latencies;
pub mod queue;
pub mod server;
mod sticky;

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use httparse::Header;

use crate::config;
use balance::Group;
pub use latencies::Distribution;
use queue::{Place, Queue, Ticket};
pub use server::{Admin, Server, State};

/// Of the requests that run in an upstream at most this share may be repeats of costly failures (in percent), but always [`BUDGET_FLOOR`]
/// of them: when everything is slow, repeating everything would make it worse.
const BUDGET_PERCENT: u32 = 20;
const BUDGET_FLOOR: u32 = 3;
/// Milliseconds between two lines of the log about the same upstream.
const TELL_EVERY: u64 = 1000;

/// An upstream. Cheap to share; a reload makes a new one around the same servers.
#[derive(Debug)]
pub struct Upstream {
    config: config::Upstream,
    primaries: Mutex<Group>,
    backups: Mutex<Group>,
    /// Primaries and backups, where these may take part together.
    all: Option<Mutex<Group>>,
    /// In the order of the file.
    servers: Vec<Arc<Server>>,
    requests: AtomicU32,
    repeats: AtomicU32,
    queue: Arc<Queue>,
    last_resorts: Arc<LastResorts>,
}

/// Requests that went to a server that is out, because all are. Outlives reloads.
#[derive(Debug, Default)]
struct LastResorts {
    count: AtomicU64,
    /// When the last one was logged, in milliseconds.
    told: AtomicU64,
}

/// What hashes are made of.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    pub client: IpAddr,
    /// For [`config::Balance::Hash`] and [`config::Balance::HashConsistent`].
    pub hashed: &'a [u8],
    /// The server that the client keeps, see [`Upstream::bound`].
    pub bound: Option<usize>,
}

/// A request's way through the servers of an upstream: each is asked at most once.
#[derive(Debug, Default)]
pub struct Attempts {
    /// Of the first 128 servers a bit each; the few upstreams with more use the list.
    tried: u128,
    tried_beyond: Vec<usize>,
    /// Servers asked so far.
    pub count: u32,
    in_backups: bool,
    walk: balance::Walk,
}

/// A server that was chosen. Counts as a request in flight, begun before, until it is dropped.
#[derive(Debug)]
pub struct Pick<'a> {
    server: &'a Server,
    /// The one request that finds out whether a server that was out works again.
    probe: bool,
    /// Chosen although it is out, because all are.
    pub last_resort: bool,
    /// Chosen because the client keeps it.
    pub bound: bool,
}

/// Why there is no server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoServer {
    /// There are none that could ever be asked, or each was asked in vain.
    Left,
    /// All that work have as many requests as they may have.
    Busy,
}

impl Upstream {
    /// `before`: the same upstream until now, whose servers keep their state where name and address stay the same.
    pub fn new(config: config::Upstream, before: Option<&Self>) -> Self {
        let known = |wanted: &config::Server| {
            let same = |server: &&Arc<Server>| server.name() == wanted.name && server.address() == wanted.address;
            before.and_then(|before| before.servers.iter().find(same))
        };
        // A server that is alone is always asked (as nginx); one that is down does not count as company.
        let alone = config.servers.iter().filter(|server| !server.down).count() == 1;
        let queue = before.map(|before| Arc::clone(&before.queue)).unwrap_or_default();
        let server = |wanted: &config::Server| {
            let record = known(wanted).map(|server| Arc::clone(server.record())).unwrap_or_default();
            Arc::new(Server::new(wanted, alone, config.sticky.as_ref(), record, Arc::clone(&queue)))
        };
        let servers: Vec<_> = config.servers.iter().map(server).collect();
        let group = |wanted: &dyn Fn(&Server) -> bool, before: Option<&Mutex<Group>>| {
            let members = (0..).zip(&servers).filter(|(_, server)| wanted(server));
            let mut group =
                Group::new(config.balance, members.map(|(index, server)| (index, Arc::clone(server))).collect());
            if let Some(before) = before {
                group.go_on_from(&before.lock().unwrap_or_else(PoisonError::into_inner));
            }
            Mutex::new(group)
        };
        let primaries = group(&|server| !server.is_backup(), before.map(|before| &before.primaries));
        let backups = group(&Server::is_backup, before.map(|before| &before.backups));
        let all = (config.backup_below > 0).then(|| group(&|_| true, before.and_then(|before| before.all.as_ref())));
        let last_resorts = before.map(|before| Arc::clone(&before.last_resorts)).unwrap_or_default();
        let (requests, repeats) = (AtomicU32::new(0), AtomicU32::new(0));
        Self { config, primaries, backups, all, servers, requests, repeats, queue, last_resorts }
    }

    pub fn config(&self) -> &config::Upstream {
        &self.config
    }

    pub fn servers(&self) -> &[Arc<Server>] {
        &self.servers
    }

    /// The requests that wait.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Requests that went to a server that is out, because all are.
    pub fn last_resorts(&self) -> u64 {
        self.last_resorts.count.load(Relaxed)
    }

    /// The server that a client of these cookies keeps.
    pub fn bound(&self, fields: &[Header<'_>]) -> Option<usize> {
        let sticky = self.config.sticky.as_ref()?;
        let server = |value: &[u8]| self.servers.iter().position(|server| server.cookie_value().as_bytes() == value);
        sticky::values(fields, &sticky.cookie).find_map(server)
    }

    /// Chooses a server for the next try of a request. `now` in milliseconds.
    pub fn pick(&self, attempts: &mut Attempts, key: &Key<'_>, now: u64) -> Result<Pick<'_>, NoServer> {
        if let Some(index) = key.bound.filter(|index| !attempts.has_tried(*index)) {
            let server = &self.servers[index];
            if server.serves_bound(now) && server.begin() {
                if let Some(probe) = server.claim(now) {
                    attempts.mark(index);
                    return Ok(Pick { bound: true, ..Pick::new(server, probe, false) });
                }
                server.end();
            }
        }
        let mut busy = false;
        let all = self.all.as_ref().filter(|_| self.lacks_primaries());
        loop {
            let group = all.unwrap_or(if attempts.in_backups { &self.backups } else { &self.primaries });
            let mut group = group.lock().unwrap_or_else(PoisonError::into_inner);
            while let Some(index) = group.choose(attempts, key, now, &mut busy) {
                let server = &self.servers[index];
                // Another request may have taken the last place in the meantime, or become the probe.
                if !server.begin() {
                    continue;
                }
                if let Some(probe) = server.claim(now) {
                    attempts.mark(index);
                    return Ok(Pick::new(server, probe, false));
                }
                server.end();
            }
            if all.is_some() || attempts.in_backups {
                break;
            }
            attempts.in_backups = true;
            attempts.walk = balance::Walk::default();
        }
        if busy { Err(NoServer::Busy) } else { self.last_resort(attempts, now) }
    }

    /// Whether so few primaries are up that backups take part.
    fn lacks_primaries(&self) -> bool {
        let up = |server: &&Arc<Server>| !server.is_backup() && server.is_fit();
        self.servers.iter().filter(up).count() < self.config.backup_below as usize
    }

    /// All are out: the one whose last failure is longest ago is more use than an error page.
    fn last_resort(&self, attempts: &mut Attempts, now: u64) -> Result<Pick<'_>, NoServer> {
        let (index, server) = (0..)
            .zip(&self.servers)
            .filter(|(index, server)| server.may_be_asked() && !attempts.has_tried(*index))
            .min_by_key(|(_, server)| (server.is_full(), server.is_backup(), server.last_failure()))
            .ok_or(NoServer::Left)?;
        if !server.begin() {
            return Err(NoServer::Busy);
        }
        attempts.mark(index);
        let LastResorts { count, told } = &*self.last_resorts;
        count.fetch_add(1, Relaxed);
        let before = told.load(Relaxed);
        if now >= before + TELL_EVERY && told.compare_exchange(before, now, Relaxed, Relaxed).is_ok() {
            tracing::warn!(upstream = %self.config.name, server = server.name(), "all servers are out: the one that failed longest ago is asked");
        }
        Ok(Pick::new(server, true, true))
    }

    /// After [`NoServer::Busy`]: gets in line. `None` when there is no line or it is too long. Before it waits the request has to look
    /// again, for it was not in line when it looked.
    pub fn queue_up(&self, attempts: &Attempts) -> Option<Ticket> {
        let most = self.config.queue?.size;
        let tried = (0..).zip(&self.servers).filter(|(index, _)| attempts.count > 0 && attempts.has_tried(*index));
        self.queue.join(tried.map(|(_, server)| Arc::clone(server.record())).collect(), most)
    }

    /// Chooses a server for a request in line, as [`Self::pick`].
    pub fn pick_in_line(&self, attempts: &mut Attempts, key: &Key<'_>, now: u64) -> Result<Pick<'_>, NoServer> {
        attempts.in_backups = false;
        attempts.walk = balance::Walk::default();
        let pick = self.pick(attempts, key, now)?;
        // Where one got in there may be room for more.
        self.queue.look();
        Ok(pick)
    }

    /// Begins a request on a place that it was given. `None` when the server is of another configuration.
    pub fn take(&self, mut place: Place, attempts: &mut Attempts) -> Option<Pick<'_>> {
        let index = self.servers.iter().position(|server| place.take(server))?;
        attempts.mark(index);
        Some(Pick::new(&self.servers[index], false, false))
    }

    /// A request has waited in vain, unless it gets a place at the last moment.
    pub fn give_up(&self, ticket: &Ticket, attempts: &mut Attempts) -> Option<Pick<'_>> {
        let pick = ticket.leave().and_then(|place| self.take(place, attempts));
        if pick.is_none() {
            self.queue.count_timed_out();
        }
        pick
    }

    /// A request begins; dropped with its end. Repeats are allowed by their number.
    pub fn enter(&self) -> Running<'_> {
        self.requests.fetch_add(1, Relaxed);
        Running { upstream: self, repeats: 0 }
    }
}

/// A request that runs in an upstream.
#[derive(Debug)]
pub struct Running<'a> {
    upstream: &'a Upstream,
    repeats: u32,
}

impl Running<'_> {
    /// Whether the request may be repeated once more after a costly failure; if so it counts.
    pub fn may_repeat(&mut self) -> bool {
        let (requests, repeats) = (&self.upstream.requests, &self.upstream.repeats);
        let most = (requests.load(Relaxed) * BUDGET_PERCENT / 100).max(BUDGET_FLOOR);
        let allowed = repeats.fetch_update(Relaxed, Relaxed, |running| (running < most).then_some(running + 1)).is_ok();
        self.repeats += u32::from(allowed);
        allowed
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.upstream.requests.fetch_sub(1, Relaxed);
        self.upstream.repeats.fetch_sub(self.repeats, Relaxed);
    }
}

impl Attempts {
    fn has_tried(&self, index: usize) -> bool {
        if index < 128 { self.tried >> index & 1 == 1 } else { self.tried_beyond.contains(&index) }
    }

    fn mark(&mut self, index: usize) {
        self.count += 1;
        if index < 128 {
            self.tried |= 1 << index;
        } else {
            self.tried_beyond.push(index);
        }
    }
}

impl<'a> Pick<'a> {
    fn new(server: &'a Server, probe: bool, last_resort: bool) -> Self {
        server.count_request();
        Self { server, probe, last_resort, bound: false }
    }

    pub fn server(&self) -> &'a Server {
        self.server
    }

    /// The server has answered properly. `latency` in microseconds until its response began; `now` in milliseconds.
    pub fn succeeded(&self, latency: u64, now: u64) {
        self.server.succeeded(self.probe, latency, now);
    }

    /// The server has failed.
    pub fn failed(&self, now: u64) {
        self.server.failed(now);
    }
}

impl Drop for Pick<'_> {
    fn drop(&mut self) {
        self.server.end();
    }
}

#[cfg(test)]
mod tests;

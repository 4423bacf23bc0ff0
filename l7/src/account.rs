//! What is known of a request when it has ended goes to the counters and to the access log.

use std::rc::Rc;
use std::sync::Arc;

use crate::client::Client;
use crate::clock::micros;
use crate::config::{Action, Listener, label};
use crate::counters::{Counted, Counters, Ended};
use crate::http1::request::Request;
use crate::log::{AccessLog, Facts, Head, Seen, Sink};
use crate::origin::Version;
use crate::plan::To;
use crate::snapshot::Snapshot;
use crate::worker::Worker;

/// Stands for the requests that no route fits, or that are not understood.
const NO_ROUTE: &str = "-";
/// The client closed its connection before there was an answer; nginx's number.
const CLIENT_GONE: u16 = 499;

/// The counters and logs of a listener.
#[derive(Debug)]
pub struct Accounts {
    listener: Arc<Counters>,
    /// As the listener has them, and last [`NO_ROUTE`].
    routes: Vec<Account>,
}

#[derive(Debug)]
struct Account {
    /// Host and path as in the file.
    route: Box<str>,
    counters: Arc<Counters>,
    log: Option<(Arc<AccessLog>, Arc<Sink>)>,
}

/// How far a connection had come when a request began.
#[derive(Debug, Clone, Copy)]
pub struct Begun {
    /// In microseconds of our clock.
    at: u64,
    received: u64,
    sent: u64,
}

/// What a client has been told.
#[derive(Debug, Default, Clone, Copy)]
pub struct Told {
    /// 0: nothing.
    status: u16,
    /// Bytes of heads.
    heads: u64,
    /// By a server.
    relayed: bool,
}

impl Told {
    /// The head of an answer of our own goes out.
    pub fn own(&mut self, status: u16, head: usize) {
        self.interim(head);
        self.status = status;
    }

    /// The head of a server's answer goes out.
    pub fn relayed(&mut self, status: u16, head: usize) {
        self.own(status, head);
        self.relayed = true;
    }

    /// A head that is not the last.
    pub fn interim(&mut self, head: usize) {
        self.heads += head as u64;
    }
}

/// A connection of a listener; counted until it is dropped.
#[derive(Debug)]
pub struct Connected {
    worker: Rc<Worker>,
    counters: Option<Arc<Counters>>,
}

impl Connected {
    pub fn new(worker: &Rc<Worker>, listener: &str) -> Self {
        let snapshot = worker.snapshot();
        let counters = snapshot.listener(listener).map(|index| Arc::clone(&snapshot.accounts[index].listener));
        if let Some(counters) = &counters {
            counters.connected(worker.id);
        }
        Self { worker: Rc::clone(worker), counters }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        if let Some(counters) = &self.counters {
            counters.disconnected(self.worker.id);
        }
    }
}

impl Accounts {
    /// `before`: of the listener until now; what stays goes on counting. `sinks`: has all that the listener logs to.
    pub fn new(listener: &Listener, before: Option<&Self>, sinks: &[Arc<Sink>], workers: usize) -> Self {
        let account = |(route, log): (String, &Option<Arc<AccessLog>>)| {
            let known = before.and_then(|before| before.routes.iter().find(|known| *known.route == *route));
            let sink = |log: &Arc<AccessLog>| {
                let sink = sinks.iter().find(|sink| *sink.destination() == log.destination)?;
                Some((Arc::clone(log), Arc::clone(sink)))
            };
            Account {
                route: route.into(),
                counters: known.map_or_else(|| Arc::new(Counters::new(workers)), |known| Arc::clone(&known.counters)),
                log: log.as_ref().and_then(sink),
            }
        };
        let routes =
            listener.routes.iter().map(|route| (label(&route.host, &route.path, &route.conditions), &route.access_log));
        Self {
            listener: before.map_or_else(|| Arc::new(Counters::new(workers)), |before| Arc::clone(&before.listener)),
            routes: routes.chain([(NO_ROUTE.to_owned(), &listener.access_log)]).map(account).collect(),
        }
    }

    /// The whole listener.
    pub fn total(&self) -> Counted {
        self.listener.read()
    }

    /// Each route under its host and path, and `-` for the requests that have none.
    pub fn by_route(&self) -> impl Iterator<Item = (&str, Counted)> {
        self.routes.iter().map(|account| (&*account.route, account.counters.read()))
    }

    fn of(&self, to: Option<To>) -> &Account {
        match to {
            Some(To::Route { route } | To::Upstream { route }) => &self.routes[route],
            Some(To::LastHop | To::Nowhere) | None => &self.routes[self.routes.len() - 1],
        }
    }

    /// Keeps what the log wants of a head. `to`: who answers; `input`: what it was read from.
    pub fn see(&self, request: &Request<'_>, input: &[u8], version: Version, to: Option<To>, seen: &mut Seen) {
        if let Some((log, _)) = &self.of(to).log {
            seen.take(&log.format, &Head::understood(request, input, version));
        }
    }

    /// Counts a request that has ended. `to`: `None` if it was refused.
    pub fn count(&self, worker: &Worker, to: Option<To>, ended: &Ended) {
        self.of(to).counters.count(worker.id, ended);
        self.listener.count(worker.id, ended);
    }

    /// Logs it.
    pub fn log(&self, worker: &Worker, to: Option<To>, facts: &Facts<'_>, seen: &Seen) {
        if let Some((log, sink)) = &self.of(to).log {
            worker.lines.add(sink, &worker.shared.log, |line| log.format.write(facts, seen, line));
        }
    }
}

impl Client {
    /// A request begins with what is in the buffer.
    pub fn begin(&mut self, seen: &mut Seen) -> Begun {
        seen.clear();
        self.told = Told::default();
        self.named = None;
        Begun { at: micros(), received: self.used(), sent: self.stream.sent() }
    }

    /// The request has ended. `to`: who has answered; `None` if it was refused.
    pub fn end(&mut self, begun: &Begun, snapshot: &Snapshot, to: Option<To>, seen: &mut Seen) {
        let Some(index) = snapshot.listener(&self.origin.listener) else { return };
        let is_blank = || self.buffer.data().iter().all(|byte| matches!(byte, b'\r' | b'\n'));
        if to.is_none() && self.told.status == 0 && is_blank() {
            // Empty lines before a request that never came.
            return;
        }
        let accounts = &snapshot.accounts[index];
        let ended = Ended {
            at: micros(),
            begun: begun.at,
            status: self.status(to),
            received: self.used().saturating_sub(begun.received),
            sent: self.stream.sent() - begun.sent,
        };
        accounts.count(&self.origin.worker, to, &ended);
        let account = accounts.of(to);
        let Some((log, _)) = &account.log else { return };
        if !seen.is_taken() {
            seen.take(&log.format, &Head::refused(self.buffer.data(), self.origin.version));
        }
        seen.end(&ended, self.told.relayed);
        let facts = Facts {
            ended: &ended,
            heads: self.told.heads,
            client: self.named.as_ref().map_or(&*self.origin.address, |named| &named.1),
            listener: &self.origin.listener,
            route: Some(&*account.route).filter(|route| *route != NO_ROUTE),
            upstream: upstream(snapshot, index, to),
            scheme: if self.origin.tls.is_some() { "https" } else { "http" },
            ssl_protocol: self.origin.tls.as_ref().and_then(|tls| tls.version),
            ssl_server_name: self.origin.tls.as_ref().and_then(|tls| tls.named.name()),
            connection: self.origin.number,
        };
        accounts.log(&self.origin.worker, to, &facts, seen);
    }

    /// Bytes of the connection that are no longer in the buffer.
    fn used(&self) -> u64 {
        self.stream.received() - self.buffer.data().len() as u64
    }

    /// What the log says of the answer.
    fn status(&self, to: Option<To>) -> u16 {
        match (self.told.status, to) {
            // It went away in the middle of its head: as nginx.
            (0, None) => 400,
            (0, Some(_)) => CLIENT_GONE,
            // There was nobody left to be told that no server has answered.
            (500.., Some(To::Upstream { .. })) if self.half_closed && !self.told.relayed => CLIENT_GONE,
            (status, _) => status,
        }
    }
}

/// The name of the upstream that the route leads to.
fn upstream(snapshot: &Snapshot, listener: usize, to: Option<To>) -> Option<&str> {
    let Some(To::Upstream { route }) = to else { return None };
    match &snapshot.listeners[listener].0.routes[route].action {
        Action::Proxy(forward) => Some(&snapshot.upstreams[forward.upstream].config().name),
        _ => None,
    }
}

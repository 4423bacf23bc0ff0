//! A client's connection, and the way of a request: its head is read and understood ([`crate::plan`]), its body taken in
//! ([`crate::receive`]), servers are asked ([`crate::tries`]), and the answer of one is passed on ([`crate::relay`]).

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::answer::{self, End};
use crate::buffer::{self, Buffer};
use crate::clock::millis;
use crate::config::{Action, ErrorPages, Forward, Limits, Route};
use crate::exchange::Exchange;
use crate::files;
use crate::http1::write::end_of_request;
use crate::http1::{Reject, request};
use crate::http2;
use crate::outgoing::{Outgoing, Streamed, Whole};
use crate::plan::{From, Plan, To, plan};
use crate::receive::receive;
use crate::relay::{Relayed, relay};
use crate::snapshot::Snapshot;
use crate::stream::Stream;
use crate::timers::{Deadline, Late};
use crate::tls::Named;
use crate::tries::{Outcome, Target, to, tries};
use crate::tunnel::tunnel;
use crate::worker::{Scratch, Worker};

/// How long a client that has been told off may go on sending: it must get to read why before the connection is reset.
const LINGER: Duration = Duration::from_secs(30);
const LINGER_SILENCE: Duration = Duration::from_secs(5);

/// Where requests come from: the same for all of a connection.
#[derive(Debug, Clone)]
pub struct Origin {
    pub worker: Rc<Worker>,
    pub peer: SocketAddr,
    /// Its address as it is passed on.
    pub address: Rc<str>,
    /// Name of its listener.
    pub listener: Arc<str>,
    pub tls: Option<Rc<Named>>,
    pub version: Version,
}

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Http1,
    Http2,
}

#[derive(Debug)]
pub struct Client {
    pub origin: Origin,
    pub stream: Stream,
    /// What has been read and not yet been used.
    pub buffer: Buffer,
    pub deadline: Deadline,
    /// It will send no more, but may still read.
    pub half_closed: bool,
}

/// What becomes of the connection after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    KeepAlive,
    Close,
    /// The client may not have sent all: it gets time to read the answer.
    Linger,
    /// The client is to see that something is missing.
    Reset,
}

/// Why there is no request.
enum NoRequest {
    /// The client has closed, or waited for too long.
    Silence,
    Rejected(Reject),
}

/// Serves a connection to its end.
pub async fn serve(worker: Rc<Worker>, listener: Arc<str>, stream: Stream, peer: SocketAddr) {
    worker.shared.connections.fetch_add(1, Relaxed);
    let deadline = worker.timers.deadline();
    let (stream, tls) = match secure(&worker, &listener, stream, &deadline).await {
        Ok(secured) => secured,
        Err(error) => {
            tracing::debug!(client = %peer, %listener, "TLS handshake failed: {error}");
            worker.shared.connections.fetch_sub(1, Relaxed);
            return;
        }
    };
    let address = peer.ip().to_canonical().to_string().into();
    let version = if stream.has_agreed_on_http2() { Version::Http2 } else { Version::Http1 };
    let origin = Origin { worker, peer, address, listener, tls: tls.map(Rc::new), version };
    let mut client = Client::new(origin, stream, deadline);
    let shared = Arc::clone(&client.origin.worker.shared);
    if version == Version::Http2 || client.begins_with_http2().await {
        // In a place of its own, as the handshake.
        Box::pin(http2::serve(client)).await;
    } else {
        client.requests().await;
    }
    shared.connections.fetch_sub(1, Relaxed);
}

/// Makes the handshake, where the listener is one for TLS.
async fn secure(
    worker: &Worker,
    listener: &str,
    stream: Stream,
    deadline: &Deadline,
) -> io::Result<(Stream, Option<Named>)> {
    let snapshot = worker.snapshot();
    let listener = snapshot.listener(listener).map(|index| &snapshot.listeners[index].0);
    let Some((listener, tls)) = listener.and_then(|listener| Some((listener, listener.tls.as_ref()?))) else {
        return Ok((stream, None));
    };
    let session = tls.session().map_err(io::Error::other)?;
    deadline.set(listener.limits.head_timeout);
    // In a place of its own: connections without TLS need no room for it.
    let handshake = Box::pin(stream.secure(session.into()));
    let stream = deadline.within(handshake).await.map_err(|Late| ErrorKind::TimedOut)??;
    let named = Named::new(Arc::clone(tls.names()), stream.server_name());
    Ok((stream, Some(named)))
}

impl Client {
    pub fn new(origin: Origin, stream: Stream, deadline: Deadline) -> Self {
        Self { origin, stream, buffer: Buffer::default(), deadline, half_closed: false }
    }

    /// Whether the client speaks HTTP/2 without asking (RFC 9113 section 3.3), where the listener allows that.
    async fn begins_with_http2(&mut self) -> bool {
        if self.origin.tls.is_some() {
            return false;
        }
        let snapshot = self.origin.worker.snapshot();
        let Some(listener) = snapshot.listener(&self.origin.listener) else { return false };
        let listener = &snapshot.listeners[listener].0;
        if !listener.http2 {
            return false;
        }
        self.deadline.set(listener.limits.head_timeout);
        loop {
            let known = self.buffer.data().len().min(http2::PREFACE.len());
            if self.buffer.data()[..known] != http2::PREFACE[..known] {
                return false;
            }
            if known == http2::PREFACE.len() {
                return true;
            }
            if !matches!(self.deadline.within(self.stream.read(&mut self.buffer)).await, Ok(Ok(1..))) {
                return false;
            }
        }
    }

    /// Serves one request after another.
    async fn requests(&mut self) {
        let mut after = self.request(true).await;
        while after == After::KeepAlive {
            after = self.request(false).await;
        }
        match after {
            After::Reset => self.stream.reset_on_close(),
            After::Linger => self.linger().await,
            After::Close | After::KeepAlive => self.stream.end(),
        }
    }

    /// Serves the one request of its stream.
    pub async fn only_request(mut self) {
        if self.request(true).await == After::Reset {
            self.stream.reset_on_close();
        }
    }

    async fn request(&mut self, first: bool) -> After {
        if let Err(NoRequest::Silence) = self.await_data(first).await {
            return After::Close;
        }
        let mut scratch = self.origin.worker.scratch();
        // This request is served by what is in force now, whatever is decided meanwhile.
        let snapshot = self.origin.worker.snapshot();
        let after = match self.head(&snapshot, &mut scratch).await {
            Ok((listener, plan)) => self.act(&snapshot, listener, &plan, &mut scratch).await,
            Err(NoRequest::Silence) => After::Close,
            Err(NoRequest::Rejected(reject)) => {
                let none = ErrorPages::default();
                let listener = snapshot.listener(&self.origin.listener).map(|index| &snapshot.listeners[index].0);
                let pages = listener.map_or(&none, |listener| &listener.error_pages);
                answer::reject(self, reject, pages, &mut scratch.out).await
            }
        };
        self.origin.worker.put_back(scratch);
        after
    }

    /// Waits without holding anything for the request.
    async fn await_data(&mut self, first: bool) -> Result<(), NoRequest> {
        if !self.buffer.is_empty() {
            return Ok(());
        }
        let limits = self.limits().ok_or(NoRequest::Silence)?;
        if self.half_closed || (!first && self.origin.worker.is_draining()) {
            return Err(NoRequest::Silence);
        }
        if first {
            self.deadline.set(limits.head_timeout);
        } else {
            self.deadline.set_idle(limits.keep_alive);
        }
        match self.deadline.within(self.stream.read(&mut self.buffer)).await {
            Ok(Ok(1..)) => Ok(()),
            _ => Err(NoRequest::Silence),
        }
    }

    /// Of the listener, if it still exists.
    pub fn limits(&self) -> Option<Limits> {
        let snapshot = self.origin.worker.snapshot();
        let listener = snapshot.listener(&self.origin.listener)?;
        Some(snapshot.listeners[listener].0.limits)
    }

    /// Reads until there is a whole head.
    async fn head(&mut self, snapshot: &Snapshot, scratch: &mut Scratch) -> Result<(usize, Plan), NoRequest> {
        let listener = snapshot.listener(&self.origin.listener).ok_or(NoRequest::Silence)?;
        let limits = &snapshot.listeners[listener].0.limits;
        self.deadline.set(limits.head_timeout);
        // A head ends with a line: without a new one there is nothing new to find out.
        let mut new_line = true;
        loop {
            if new_line || self.buffer.data().len() > limits.request_line {
                let parsed = request::parse(self.buffer.data(), limits, self.origin.tls.is_some(), |request| {
                    let Origin { address, tls, version, .. } = &self.origin;
                    let from = From { address, tls: tls.as_deref(), version: *version };
                    plan(request, snapshot, listener, from, scratch)
                });
                if let Some((plan, length)) = parsed.map_err(NoRequest::Rejected)? {
                    self.buffer.consume(length);
                    return plan.map(|plan| (listener, plan)).map_err(NoRequest::Rejected);
                }
            }
            if self.buffer.is_full() && !self.buffer.grow(limits.head + buffer::SIZE) {
                return Err(NoRequest::Rejected(Reject::new(431, "head too large")));
            }
            let known = self.buffer.data().len();
            match self.deadline.within(self.stream.read(&mut self.buffer)).await {
                Ok(Ok(1..)) => new_line = memchr::memchr(b'\n', &self.buffer.data()[known..]).is_some(),
                Ok(_) => return Err(NoRequest::Silence),
                Err(Late) => return Err(NoRequest::Rejected(Reject::new(408, "head too slow"))),
            }
        }
    }

    async fn act(&mut self, snapshot: &Snapshot, listener: usize, plan: &Plan, scratch: &mut Scratch) -> After {
        let listener = &snapshot.listeners[listener].0;
        let routes = &listener.routes;
        match plan.to {
            To::Nowhere => answer::nowhere(self, plan, &listener.error_pages, &mut scratch.out).await,
            To::LastHop => answer::last_hop(self, plan, &mut scratch.out).await,
            To::Route { route } | To::Upstream { route } => match &routes[route].action {
                Action::Proxy(forward) => self.forward(snapshot, plan, forward, &routes[route], scratch).await,
                Action::Files(files) => {
                    let pages = &routes[route].error_pages;
                    let Scratch { head, added, out, .. } = scratch;
                    files::serve(self, plan, files, pages, head, added, out).await
                }
                _ => {
                    let Scratch { head, added, out, .. } = scratch;
                    answer::route(self, plan, &routes[route], head, added, out).await
                }
            },
        }
    }

    /// Has a server answer.
    async fn forward(
        &mut self,
        snapshot: &Snapshot,
        plan: &Plan,
        forward: &Forward,
        route: &Route,
        scratch: &mut Scratch,
    ) -> After {
        let Scratch { head, key, spool, tail, added, out, .. } = scratch;
        let pages = &route.error_pages;
        let mut continued = false;
        let outgoing = if (forward.request_buffering && !plan.streams) || !plan.has_body() {
            let received = match receive(self, plan, spool, tail).await {
                Ok(received) => received,
                Err(end) => return answer::failed(self, plan, end, pages, out).await,
            };
            continued = received.continued;
            end_of_request(received.framing, false, plan.websocket, head);
            received.begin_body(head, spool);
            Outgoing::Whole(Whole::new(head, spool, tail))
        } else {
            end_of_request(plan.body, plan.expects_continue, plan.websocket, head);
            Outgoing::Streamed(Streamed::new(head, plan))
        };
        let upstream = &snapshot.upstreams[forward.upstream];
        let target = Target { upstream, client: self.origin.peer.ip(), hashed: key };
        let mut exchange = Exchange {
            client: self,
            plan,
            timeouts: forward.timeouts,
            outgoing,
            edits: &route.response_headers,
            added,
            continued,
            interims: 0,
            answered: false,
            pooled: false,
        };
        let outcome = tries(&mut exchange, &target, std::mem::take(out)).await;
        let mut outgoing = exchange.outgoing;
        let all_read = outgoing.has_all_input();
        let (mut answer, pick) = match outcome {
            Outcome::Answer(answer, pick) => (answer, pick),
            // What is left of the body must not be taken for a request.
            Outcome::None(End::Status(status)) if !all_read => {
                let end = End::Rejected(Reject::new(status, "no server for a body that has not been read"));
                return answer::failed(self, plan, end, pages, out).await;
            }
            Outcome::None(end) => return answer::failed(self, plan, end, pages, out).await,
        };
        if answer.head.upgraded {
            return tunnel(self, answer).await;
        }
        let relayed = relay(self, &mut answer, &mut outgoing, forward.timeouts.read, plan.limits.send_timeout).await;
        *out = answer.out;
        if relayed == Relayed::Truncated {
            pick.failed(millis());
        }
        if relayed == Relayed::Whole && answer.head.reusable && answer.server.buffer.is_empty() {
            let keepalive = upstream.config().keepalive;
            self.origin.worker.idle.put(
                to(upstream, &pick).key(),
                answer.server.stream,
                keepalive,
                self.origin.worker.timers.now(),
            );
        }
        match relayed {
            Relayed::Whole if answer.head.keep_alive => After::KeepAlive,
            Relayed::Whole if outgoing.has_all_input() && self.buffer.is_empty() => After::Close,
            Relayed::Whole => After::Linger,
            Relayed::Truncated | Relayed::ClientGone => After::Reset,
        }
    }

    /// Lets the client read the last answer: a close with unread data would destroy it on its way.
    async fn linger(&mut self) {
        if self.stream.finish_writing().is_err() {
            return;
        }
        let end = millis() + LINGER.as_millis() as u64;
        while millis() < end {
            self.buffer = Buffer::default();
            self.deadline.set(LINGER_SILENCE);
            match self.deadline.within(self.stream.read(&mut self.buffer)).await {
                Ok(Ok(1..)) => {}
                _ => return,
            }
        }
    }
}

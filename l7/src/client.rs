//! A client's connection, and the way of a request: its head is read and understood ([`crate::plan`]), its body taken in
//! ([`crate::receive`]), servers are asked ([`crate::tries`]), and the answer of one is passed on ([`crate::relay`]).

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::account::{Connected, Told};
use crate::answer::{self, End};
use crate::buffer::{self, Buffer};
use crate::clock::millis;
use crate::config::{Action, ErrorPages, Forward, Limits, Protocol, Route};
use crate::exchange::Exchange;
use crate::files;
use crate::http1::write::end_of_request;
use crate::http1::{Reject, request};
use crate::http2;
use crate::open;
use crate::origin::{Origin, Version};
use crate::outgoing::{Outgoing, Streamed, Whole};
use crate::plan::{From, Plan, To, plan};
use crate::receive::receive;
use crate::relay::{Relayed, relay};
use crate::snapshot::Snapshot;
use crate::stream::Stream;
use crate::tcp;
use crate::timers::{Deadline, Late};
use crate::tries::{Outcome, Target, to, tries};
use crate::tunnel::after_upgrade;
use crate::worker::Scratch;

/// How long a client that has been told off may go on sending: it must get to read why before the connection is reset.
const LINGER: Duration = Duration::from_secs(30);
const LINGER_SILENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct Client {
    pub origin: Origin,
    /// Of the request that runs: the client as a trusted peer has named it.
    pub named: Option<Box<(IpAddr, Box<str>)>>,
    /// In answer to the request that runs.
    pub told: Told,
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
pub fn serve(origin: Origin, stream: Stream) -> impl Future<Output = ()> {
    let deadline = origin.worker.timers.deadline();
    let mut client = Client::new(origin, stream, deadline);
    // By reference: what is moved in the task would need its room twice.
    async move { client.serve().await }
}

impl Client {
    pub fn new(origin: Origin, stream: Stream, deadline: Deadline) -> Self {
        Self {
            origin,
            named: None,
            told: Told::default(),
            stream,
            buffer: Buffer::default(),
            deadline,
            half_closed: false,
        }
    }

    async fn serve(&mut self) {
        self.origin.worker.shared.connections.fetch_add(1, Relaxed);
        let _connected = Connected::new(&self.origin.worker, &self.origin.listener);
        match self.open().await {
            Ok(Protocol::Tcp) => Box::pin(tcp::serve(self)).await,
            Ok(Protocol::Http) if self.origin.version == Version::Http2 => Box::pin(http2::serve(self)).await,
            Ok(Protocol::Http) => self.requests().await,
            Err(error) => {
                tracing::debug!(client = %self.origin.peer, listener = %self.origin.listener, "connection refused: {error}");
            }
        }
        self.origin.worker.shared.connections.fetch_sub(1, Relaxed);
    }

    /// Does what comes before requests; what the listener speaks.
    async fn open(&mut self) -> io::Result<Protocol> {
        let snapshot = self.origin.worker.snapshot();
        let listener = snapshot.listener(&self.origin.listener).map(|index| &snapshot.listeners[index].0);
        let protocol = listener.map_or(Protocol::Http, |listener| listener.protocol);
        if listener.is_some_and(open::is_needed) {
            // In a place of its own: other connections need no room for it.
            Box::pin(open::open(self)).await?;
        }
        Ok(protocol)
    }

    /// Serves one request after another.
    async fn requests(&mut self) {
        let mut first = true;
        while self.await_data(first).await.is_ok() {
            // In a place of its own: a connection that waits has no room for a request.
            match Box::pin(self.request()).await {
                After::KeepAlive => first = false,
                After::Close => break,
                After::Linger => return Box::pin(self.linger()).await,
                After::Reset => return self.stream.reset_on_close(),
            }
        }
        self.stream.end();
    }

    /// Serves the one request of its stream.
    pub async fn only_request(mut self) {
        if self.await_data(true).await.is_ok() && self.request().await == After::Reset {
            self.stream.reset_on_close();
        }
    }

    async fn request(&mut self) -> After {
        let mut scratch = self.origin.worker.scratch();
        // This request is served by what is in force now, whatever is decided meanwhile.
        let snapshot = self.origin.worker.snapshot();
        let begun = self.begin(&mut scratch.seen);
        let mut to = None;
        let after = match self.head(&snapshot, &mut scratch).await {
            Ok((listener, plan)) => {
                to = Some(plan.to);
                self.named = plan.client.map(|address| Box::new((address, address.to_string().into())));
                self.act(&snapshot, listener, &plan, &mut scratch).await
            }
            Err(NoRequest::Silence) => After::Close,
            Err(NoRequest::Rejected(reject)) => {
                let none = ErrorPages::default();
                let listener = snapshot.listener(&self.origin.listener).map(|index| &snapshot.listeners[index].0);
                let pages = listener.map_or(&none, |listener| &listener.error_pages);
                answer::reject(self, reject, pages, &mut scratch.out).await
            }
        };
        self.end(&begun, &snapshot, to, &mut scratch.seen);
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

    /// Of who asks.
    pub fn address(&self) -> IpAddr {
        self.named.as_ref().map_or(self.origin.peer.ip(), |named| named.0)
    }

    /// Where the request comes from, as servers are told.
    pub fn sender(&self) -> SocketAddr {
        match &self.named {
            Some(named) => SocketAddr::new(named.0, 0),
            None => self.origin.peer,
        }
    }

    /// Where its connection goes to, if that is known.
    pub fn receiver(&self) -> Option<SocketAddr> {
        self.origin.local.as_deref().copied().or_else(|| self.stream.local_address())
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
                    let Origin { address, peer, tls, version, .. } = &self.origin;
                    let from =
                        From { address, peer: peer.ip(), tls: tls.as_deref().map(|tls| &tls.named), version: *version };
                    let plan = plan(request, snapshot, listener, from, scratch);
                    let to = plan.as_ref().ok().map(|plan| plan.to);
                    snapshot.accounts[listener].see(request, self.buffer.data(), *version, to, &mut scratch.seen);
                    plan
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
        let Scratch { head, key, spool, tail, added, out, seen, .. } = scratch;
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
        let target = Target { upstream, client: self.address(), hashed: key };
        let mut exchange = Exchange {
            client: self,
            plan,
            timeouts: forward.timeouts,
            outgoing,
            edits: &route.response_headers,
            added,
            seen,
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
        self.told.relayed(answer.head.status, answer.out.len());
        if answer.head.upgraded {
            return after_upgrade(self, answer).await;
        }
        let relayed = relay(self, &mut answer, &mut outgoing, forward.timeouts.read, plan.limits.send_timeout).await;
        *out = answer.out;
        if relayed == Relayed::Truncated {
            pick.failed(millis());
        }
        if relayed == Relayed::Whole && answer.head.reusable && answer.server.buffer.is_empty() {
            // One that begins with a client's address is for nobody else.
            let config = upstream.config();
            let keepalive = if config.send_proxy.is_some() { 0 } else { config.keepalive };
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

    /// Takes what the client sends while it is answered; its silence after the request is no reason to stop.
    ///
    /// # Errors
    /// When it is gone.
    pub fn read_meanwhile(&mut self) -> Result<(), ()> {
        match self.stream.try_read(&mut self.buffer) {
            Ok(0) => self.half_closed = true,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => return Err(()),
        }
        Ok(())
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

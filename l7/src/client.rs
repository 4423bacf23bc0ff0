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
use crate::config::{Action, ErrorPages, Forward, Limits};
use crate::exchange::Exchange;
use crate::files;
use crate::http1::write::end_of_request;
use crate::http1::{Reject, request};
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

#[derive(Debug)]
pub struct Client {
    pub worker: Rc<Worker>,
    pub peer: SocketAddr,
    /// Its address as it is passed on.
    address: Box<str>,
    pub stream: Stream,
    /// What has been read and not yet been used.
    pub buffer: Buffer,
    pub deadline: Deadline,
    /// It will send no more, but may still read.
    pub half_closed: bool,
    /// Name of its listener.
    listener: Arc<str>,
    tls: Option<Named>,
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
    let buffer = Buffer::default();
    let address = peer.ip().to_canonical().to_string().into();
    let mut client = Client { worker, peer, address, stream, buffer, deadline, half_closed: false, listener, tls };
    let mut after = client.request(true).await;
    while after == After::KeepAlive {
        after = client.request(false).await;
    }
    match after {
        After::Reset => client.stream.reset_on_close(),
        After::Linger => client.linger().await,
        After::Close | After::KeepAlive => client.stream.end(),
    }
    client.worker.shared.connections.fetch_sub(1, Relaxed);
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
    async fn request(&mut self, first: bool) -> After {
        if let Err(NoRequest::Silence) = self.await_data(first).await {
            return After::Close;
        }
        let mut scratch = self.worker.scratch();
        // This request is served by what is in force now, whatever is decided meanwhile.
        let snapshot = self.worker.snapshot();
        let after = match self.head(&snapshot, &mut scratch).await {
            Ok((listener, plan)) => self.act(&snapshot, listener, &plan, &mut scratch).await,
            Err(NoRequest::Silence) => After::Close,
            Err(NoRequest::Rejected(reject)) => {
                let none = ErrorPages::default();
                let listener = snapshot.listener(&self.listener).map(|index| &snapshot.listeners[index].0);
                let pages = listener.map_or(&none, |listener| &listener.error_pages);
                answer::reject(self, reject, pages, &mut scratch.out).await
            }
        };
        self.worker.put_back(scratch);
        after
    }

    /// Waits without holding anything for the request.
    async fn await_data(&mut self, first: bool) -> Result<(), NoRequest> {
        if !self.buffer.is_empty() {
            return Ok(());
        }
        let limits = self.limits().ok_or(NoRequest::Silence)?;
        if self.half_closed || (!first && self.worker.is_draining()) {
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
    fn limits(&self) -> Option<Limits> {
        let snapshot = self.worker.snapshot();
        let listener = snapshot.listener(&self.listener)?;
        Some(snapshot.listeners[listener].0.limits)
    }

    /// Reads until there is a whole head.
    async fn head(&mut self, snapshot: &Snapshot, scratch: &mut Scratch) -> Result<(usize, Plan), NoRequest> {
        let listener = snapshot.listener(&self.listener).ok_or(NoRequest::Silence)?;
        let limits = &snapshot.listeners[listener].0.limits;
        self.deadline.set(limits.head_timeout);
        // A head ends with a line: without a new one there is nothing new to find out.
        let mut new_line = true;
        loop {
            if new_line || self.buffer.data().len() > limits.request_line {
                let parsed = request::parse(self.buffer.data(), limits, self.tls.is_some(), |request| {
                    let from = From { address: &self.address, tls: self.tls.as_ref() };
                    plan(request, snapshot, listener, from, &mut scratch.head, &mut scratch.key)
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
                Action::Proxy(forward) => {
                    self.forward(snapshot, plan, forward, &routes[route].error_pages, scratch).await
                }
                Action::Files(files) => {
                    let pages = &routes[route].error_pages;
                    files::serve(self, plan, files, pages, &scratch.head, &mut scratch.out).await
                }
                _ => answer::route(self, plan, &routes[route], &scratch.head, &mut scratch.out).await,
            },
        }
    }

    /// Has a server answer.
    async fn forward(
        &mut self,
        snapshot: &Snapshot,
        plan: &Plan,
        forward: &Forward,
        pages: &ErrorPages,
        scratch: &mut Scratch,
    ) -> After {
        let Scratch { head, key, spool, tail, out, .. } = scratch;
        let mut continued = false;
        let outgoing = if forward.request_buffering || !plan.has_body() {
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
        let target = Target { upstream, client: self.peer.ip(), hashed: key };
        let mut exchange = Exchange {
            client: self,
            plan,
            timeouts: forward.timeouts,
            outgoing,
            continued,
            interims: 0,
            answered: false,
            pooled: false,
        };
        let outcome = tries(&mut exchange, &target, std::mem::take(out)).await;
        let all_read = exchange.outgoing.has_all_input();
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
        let relayed = relay(self, &mut answer, forward.timeouts.read, plan.limits.send_timeout).await;
        *out = answer.out;
        if relayed == Relayed::Truncated {
            pick.failed(millis());
        }
        if relayed == Relayed::Whole && answer.head.reusable && answer.server.buffer.is_empty() {
            let keepalive = upstream.config().keepalive;
            self.worker.idle.put(to(upstream, &pick).key(), answer.server.stream, keepalive, self.worker.timers.now());
        }
        match relayed {
            Relayed::Whole if answer.head.keep_alive => After::KeepAlive,
            Relayed::Whole if all_read && self.buffer.is_empty() => After::Close,
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

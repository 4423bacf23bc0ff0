//! Connections to servers that speak HTTP/2, each shared by many requests of the worker.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future as _, poll_fn};
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};

use super::body::{self, Failed, Give};
use super::io::Io;
use super::message;
use super::{CONNECTION_WINDOW, SEND_BUFFER, STREAM_WINDOW};
use crate::buffer::{self, Buffer};
use crate::config::{Limits, Timeouts};
use crate::http1::body::Reader;
use crate::http1::{Body, request};
use crate::idle::Key;
use crate::stream::Stream;
use crate::worker::Worker;
use crate::write_all::write_all;

/// Milliseconds that a connection may be without requests.
const LONGEST: u64 = 60_000;

/// The connections of a worker.
#[derive(Debug, Default)]
pub struct Sessions(RefCell<HashMap<Key, Vec<Rc<Session>>>>);

/// A connection to a server.
#[derive(Debug)]
struct Session {
    send: SendRequest<Bytes>,
    /// "http" or "https".
    scheme: &'static str,
    /// No more requests: it has ended, or the server seems to be gone.
    retired: Cell<bool>,
    /// It has ended.
    closed: Cell<bool>,
    /// Requests that run.
    requests: Cell<usize>,
    /// When it last had one.
    used: Cell<u64>,
}

impl Sessions {
    /// A connection for one request over a session that is there already.
    pub fn open(&self, server: Key, worker: &Rc<Worker>) -> Option<Stream> {
        let all = self.0.borrow();
        let session = all.get(&server)?.iter().find(|session| session.has_room())?;
        Some(session.begin(worker))
    }

    /// Begins a session on a new connection, and a first request over it.
    ///
    /// # Errors
    /// When the server does not speak HTTP/2.
    pub async fn add(&self, server: Key, stream: Stream, most: usize, worker: &Rc<Worker>) -> io::Result<Stream> {
        let scheme = if stream.is_plain() { "http" } else { "https" };
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buffer_size(SEND_BUFFER);
        let (send, connection) =
            builder.handshake(Io::new(stream, Buffer::default())).await.map_err(io::Error::other)?;
        let session = Rc::new(Session {
            send,
            scheme,
            retired: Cell::default(),
            closed: Cell::default(),
            requests: Cell::default(),
            used: Cell::default(),
        });
        let driven = Rc::downgrade(&session);
        tokio::task::spawn_local(async move {
            let ended = connection.await;
            tracing::trace!(?ended, "session with a server ended");
            if let Some(session) = driven.upgrade() {
                session.retired.set(true);
                session.closed.set(true);
            }
        });
        let begun = session.begin(worker);
        let mut all = self.0.borrow_mut();
        let sessions = all.entry(server).or_default();
        if sessions.len() < most {
            sessions.push(session);
        }
        Ok(begun)
    }

    /// Ends those that have ended or were without requests for too long.
    pub fn sweep(&self, now: u64) {
        self.0.borrow_mut().retain(|_, sessions| {
            sessions.retain(|session| {
                let busy = session.requests.get() > 0;
                !session.retired.get() && (busy || now.saturating_sub(session.used.get()) < LONGEST)
            });
            !sessions.is_empty()
        });
    }
}

impl Session {
    fn has_room(&self) -> bool {
        !self.retired.get() && self.requests.get() < self.send.current_max_send_streams()
    }

    fn begin(self: &Rc<Self>, worker: &Rc<Worker>) -> Stream {
        let (near, far) = Stream::pair();
        self.requests.set(self.requests.get() + 1);
        let (session, worker) = (Rc::clone(self), Rc::clone(worker));
        tokio::task::spawn_local(async move {
            session.exchange(&far, &worker).await;
            session.requests.set(session.requests.get() - 1);
            session.used.set(worker.timers.now());
        });
        near
    }

    /// Carries one request and its response.
    async fn exchange(&self, far: &Stream, worker: &Worker) {
        let kind = match self.request(far).await {
            Ok(asked) => asked.finish(self, far, worker).await,
            Err(kind) => Err(kind),
        };
        if let Err(kind) = kind {
            far.break_off(kind);
        }
    }

    /// Reads the head of the request and sends it.
    async fn request(&self, far: &Stream) -> Result<Asked, ErrorKind> {
        // Its limits were checked when it came in.
        let limits = Limits {
            request_line: usize::MAX,
            head: usize::MAX,
            fields: request::FIELDS_MAX,
            body: u64::MAX,
            ..Limits::default()
        };
        let mut input = Buffer::default();
        let (head, body, is_head) = loop {
            let parsed = request::parse(input.data(), &limits, self.scheme == "https", |request| {
                (message::request(request, self.scheme), request.body, request.method == b"HEAD")
            });
            match parsed {
                Ok(Some((parsed, length))) => {
                    input.consume(length);
                    break parsed;
                }
                Ok(None) => {}
                Err(_) => return Err(ErrorKind::InvalidInput),
            }
            if input.is_full() && !input.grow(16 * buffer::SIZE) {
                return Err(ErrorKind::InvalidInput);
            }
            if !matches!(far.read(&mut input).await, Ok(1..)) {
                return Err(ErrorKind::BrokenPipe);
            }
        };
        let head = head.ok_or(ErrorKind::InvalidInput)?;
        let mut send = self.send.clone();
        poll_fn(|context| send.poll_ready(context)).await.map_err(|error| self.kind(&error))?;
        let ended = matches!(body, Body::None | Body::Length(0));
        let (response, to) = send.send_request(head, ended).map_err(|error| self.kind(&error))?;
        Ok(Asked { response, to, input, body: (!ended).then_some(body), is_head })
    }

    /// What a failure is to the one who asked: `ConnectionRefused` when the server cannot have acted on the request (RFC 9113 section 8.7).
    fn kind(&self, error: &h2::Error) -> ErrorKind {
        let refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
        // While the connection goes on, only streams above the last one that the server names end so.
        let above_last = error.is_go_away() && error.is_remote() && !self.closed.get();
        if refused || above_last { ErrorKind::ConnectionRefused } else { ErrorKind::ConnectionReset }
    }
}

/// A request that has begun.
struct Asked {
    response: ResponseFuture,
    to: SendStream<Bytes>,
    input: Buffer,
    body: Option<Body>,
    is_head: bool,
}

impl Asked {
    /// Sends the body and passes the response on, until the response has ended or nobody waits for it any more.
    async fn finish(self, session: &Session, far: &Stream, worker: &Worker) -> Result<(), ErrorKind> {
        let Self { response, to, input, body, is_head } = self;
        let deadline = worker.timers.deadline();
        let mut give = Give { from: far, buffer: input, to, deadline: &deadline, patience: Timeouts::default().send };
        let upload = async {
            let gone = match body {
                Some(body) => matches!(give.all(Reader::new(body)).await, Err(Failed::Http1)),
                None => false,
            };
            // Whoever asked may go away at any time after that.
            if !gone {
                poll_fn(|context| far.poll_read_ready(context)).await.ok();
            }
        };
        let answered = Cell::new(false);
        tokio::select! {
            biased;
            result = answer(session, response, far, is_head, &answered) => return result,
            () = upload => {}
        }
        if !answered.get() {
            // Most likely it was waited for in vain: the next request has a better chance elsewhere.
            session.retired.set(true);
        }
        give.to.send_reset(Reason::CANCEL);
        Err(ErrorKind::BrokenPipe)
    }
}

enum Next {
    Interim(Result<http::Response<()>, h2::Error>),
    Final(Result<http::Response<RecvStream>, h2::Error>),
}

/// Passes the response on.
async fn answer(
    session: &Session,
    mut response: ResponseFuture,
    far: &Stream,
    is_head: bool,
    answered: &Cell<bool>,
) -> Result<(), ErrorKind> {
    let gone = |_| ErrorKind::BrokenPipe;
    let mut out = Vec::new();
    let response = loop {
        let next = poll_fn(|context| match response.poll_informational(context) {
            Poll::Ready(Some(interim)) => Poll::Ready(Next::Interim(interim)),
            _ => Pin::new(&mut response).poll(context).map(Next::Final),
        });
        out.clear();
        match next.await {
            Next::Interim(interim) => {
                let interim = interim.map_err(|error| session.kind(&error))?;
                message::write_response(&interim.into_parts().0, is_head, true, &mut out);
                write_all(far, &out).await.map_err(gone)?;
            }
            Next::Final(response) => break response.map_err(|error| session.kind(&error))?,
        }
    };
    answered.set(true);
    let (parts, mut from) = response.into_parts();
    let body = message::write_response(&parts, is_head, from.is_end_stream(), &mut out);
    write_all(far, &out).await.map_err(gone)?;
    if body == Body::None {
        return Ok(());
    }
    match body::take(&mut from, far, body == Body::Chunked).await {
        Ok(()) => Ok(()),
        Err(_) => Err(ErrorKind::ConnectionReset),
    }
}

//! Connections of clients that speak HTTP/2.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::io::ErrorKind;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};

use super::body::{self, Failed, Give};
use super::io::Io;
use super::message::{self, Malformed};
use super::{CONNECTION_WINDOW, SEND_BUFFER, STREAM_WINDOW};
use crate::buffer::Buffer;
use crate::client::Client;
use crate::config::Limits;
use crate::http1::body::Reader;
use crate::http1::{Body, response};
use crate::origin::Origin;
use crate::stream::Stream;
use crate::timers::{Deadline, Late};
use crate::write_all::write_all;

/// Requests of a connection at a time.
const STREAMS: u32 = 128;
/// Streams that a client may give up per second; browsers give up all they have when somebody goes to another page. More is an attack
/// (CVE-2023-44487).
const RESETS: u32 = 2 * STREAMS;
/// How long the last requests of a connection may take that is to be closed.
const GRACE: Duration = Duration::from_mins(1);

type Request = http::Request<RecvStream>;
type Respond = SendResponse<Bytes>;

/// What the connection and its streams tell each other.
#[derive(Debug, Default)]
struct Streams {
    running: Cell<usize>,
    /// Streams that their client gave up, in the second of the last one.
    resets: Cell<(u64, u32)>,
    /// Of the connection.
    waker: RefCell<Option<Waker>>,
}

/// Serves a connection to its end.
pub async fn serve(client: &mut Client) {
    let Some(limits) = client.limits() else { return };
    let (stream, buffer) = (client.stream.take(), std::mem::take(&mut client.buffer));
    let Client { origin, deadline, .. } = client;
    origin.local = stream.local_address().map(Rc::new);
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(STREAMS)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(limits.head).unwrap_or(u32::MAX))
        .enable_connect_protocol();
    deadline.set(limits.head_timeout);
    let Ok(Ok(mut connection)) = deadline.within(builder.handshake(Io::new(stream, buffer))).await else { return };
    let streams = Rc::new(Streams::default());
    let mut closing = false;
    loop {
        match (streams.running.get(), closing) {
            (0, false) => deadline.set_idle(limits.keep_alive),
            // Also for a drain, which makes idle deadlines pass.
            (_, false) => deadline.set_idle(Duration::MAX),
            (_, true) => {}
        }
        match deadline.within(next(&mut connection, &streams)).await {
            Ok(Event::Request(request, respond)) => {
                streams.running.set(streams.running.get() + 1);
                let (origin, streams) = (origin.clone(), Rc::clone(&streams));
                tokio::task::spawn_local(async move {
                    one(origin, limits, *request, respond, &streams).await;
                    streams.ended();
                });
            }
            Ok(Event::StreamEnded) => {}
            Ok(Event::Attack) => {
                tracing::debug!(client = %origin.peer, "too many streams given up");
                connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            }
            Err(Late) if !closing => {
                closing = true;
                connection.graceful_shutdown();
                deadline.set(GRACE);
            }
            Ok(Event::Closed) | Err(Late) => return,
        }
    }
}

enum Event {
    Request(Box<Request>, Respond),
    /// There are fewer streams than before.
    StreamEnded,
    Attack,
    Closed,
}

async fn next(connection: &mut Connection<Io, Bytes>, streams: &Streams) -> Event {
    let known = (streams.running.get(), streams.resets.get());
    poll_fn(|context| {
        let accepted = connection.poll_accept(context);
        if let Poll::Ready(accepted) = accepted {
            return Poll::Ready(match accepted {
                Some(Ok((request, respond))) => Event::Request(Box::new(request), respond),
                _ => Event::Closed,
            });
        }
        streams.waker.replace(Some(context.waker().clone()));
        let (_, resets) = streams.resets.get();
        match (streams.running.get(), streams.resets.get()) {
            now if now == known => Poll::Pending,
            _ if resets > RESETS => Poll::Ready(Event::Attack),
            _ => Poll::Ready(Event::StreamEnded),
        }
    })
    .await
}

impl Streams {
    fn ended(&self) {
        self.running.set(self.running.get() - 1);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn was_reset(&self, now: u64) {
        let second = now / 1000;
        let (known, resets) = self.resets.get();
        self.resets.set((second, if known == second { resets + 1 } else { 1 }));
    }
}

/// Serves one request.
async fn one(origin: Origin, limits: Limits, request: Request, mut respond: Respond, streams: &Streams) {
    let (parts, mut body) = request.into_parts();
    let websocket = message::is_websocket(&parts);
    if !websocket && parts.extensions.get::<h2::ext::Protocol>().is_some() {
        // RFC 8441 section 4 leaves the status open.
        let mut response = http::Response::new(());
        *response.status_mut() = http::StatusCode::NOT_IMPLEMENTED;
        let _ = respond.send_response(response, true);
        return;
    }
    let mut head = Vec::new();
    if message::write_request(&parts, body.is_end_stream(), &mut head) == Err(Malformed) {
        return respond.send_reset(Reason::PROTOCOL_ERROR);
    }
    let chunked = !websocket && !body.is_end_stream() && !parts.headers.contains_key(http::header::CONTENT_LENGTH);
    let worker = Rc::clone(&origin.worker);
    let (near, far) = Stream::pair();
    let client = Client::new(origin, near, worker.timers.deadline());
    let is_head = parts.method == http::Method::HEAD;
    let deadline = worker.timers.deadline();
    let answering = Answering { far: &far, is_head, deadline: &deadline, patience: limits.send_timeout };
    let both = async { tokio::join!(client.only_request(), answering.answer(&mut respond)).1 };
    let feed = async {
        if write_all(&far, &head).await.is_ok() {
            match body::take(&mut body, &far, chunked).await {
                Ok(()) if websocket => drop(far.finish_writing()),
                Err(Failed::Http2) => far.break_off(ErrorKind::ConnectionReset),
                Ok(()) | Err(Failed::Http1) => {}
            }
        }
        // The end of a request ends nothing else.
        pending::<()>().await;
    };
    let ended = tokio::select! {
        ended = both => ended,
        () = feed => Ok(()),
    };
    if let Err(Failed::Http2) = ended {
        streams.was_reset(worker.timers.now());
    }
}

/// A response of HTTP/1 on its way to a client of HTTP/2.
struct Answering<'a> {
    far: &'a Stream,
    is_head: bool,
    deadline: &'a Deadline,
    patience: Duration,
}

/// The head of a response and what follows it.
struct Head {
    response: Option<http::Response<()>>,
    interim: bool,
    reader: Reader,
    /// Nothing follows.
    ended: bool,
}

impl Answering<'_> {
    async fn answer(&self, respond: &mut Respond) -> Result<(), Failed> {
        let result = self.heads(respond).await;
        let result = match result {
            Ok(None) => return Ok(()),
            Ok(Some((mut give, reader))) => {
                let given = give.all(reader).await;
                if let Err(failed) = &given {
                    give.to.send_reset(reason(failed));
                }
                given
            }
            Err(failed) => {
                respond.send_reset(reason(&failed));
                Err(failed)
            }
        };
        if let Err(Failed::Http2) = result {
            self.far.break_off(ErrorKind::ConnectionReset);
        }
        result
    }

    /// Passes on heads up to that of the final response; its body is still to be given, if it has one.
    async fn heads(&self, respond: &mut Respond) -> Result<Option<(Give<'_>, Reader)>, Failed> {
        let mut buffer = Buffer::default();
        loop {
            let head = self.head(respond, &mut buffer).await?;
            let response = head.response.ok_or(Failed::Http1)?;
            if head.interim {
                // Those that HTTP/2 does not have are no loss.
                let _ = respond.send_informational(response);
                continue;
            }
            let to = respond.send_response(response, head.ended).map_err(|_| Failed::Http2)?;
            let give = Give { from: self.far, buffer, to, deadline: self.deadline, patience: self.patience };
            return Ok((!head.ended).then_some((give, head.reader)));
        }
    }

    async fn head(&self, respond: &mut Respond, buffer: &mut Buffer) -> Result<Head, Failed> {
        loop {
            let parsed = response::parse(buffer.data(), self.is_head, |response| {
                let body = if response.websocket { Body::UntilClose } else { response.body };
                Head {
                    response: message::response(response),
                    interim: response.is_interim() && !response.websocket,
                    reader: Reader::new(body),
                    ended: matches!(body, Body::None | Body::Length(0)),
                }
            });
            if let Some((head, length)) = parsed.map_err(|_| Failed::Http1)? {
                buffer.consume(length);
                return Ok(head);
            }
            if buffer.is_full() && !buffer.grow(2 * response::HEAD_MAX) {
                return Err(Failed::Http1);
            }
            poll_fn(|context| {
                if respond.poll_reset(context).is_ready() {
                    return Poll::Ready(Err(Failed::Http2));
                }
                self.far.poll_read_ready(context).map(|ready| ready.map_err(|_| Failed::Http1))
            })
            .await?;
            if !matches!(self.far.read(buffer).await, Ok(1..)) {
                return Err(Failed::Http1);
            }
        }
    }
}

fn reason(failed: &Failed) -> Reason {
    match failed {
        Failed::Http1 => Reason::INTERNAL_ERROR,
        Failed::Http2 => Reason::CANCEL,
    }
}

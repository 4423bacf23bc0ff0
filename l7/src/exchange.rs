//! One try: a request goes to a server, the head of its response comes back.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Duration;

use crate::buffer::Buffer;
use crate::client::Client;
use crate::clock::with_date;
use crate::config::{Edits, ProxyVersion, Timeouts};
use crate::failover::Failure;
use crate::http1::response::{self, Response};
use crate::http1::write::{self, Reply};
use crate::http1::{Body, Reject};
use crate::idle::Key;
use crate::log::Seen;
use crate::open::proxy_header;
use crate::outgoing::{Outgoing, SendError, Sent};
use crate::plan::Plan;
use crate::stream::Stream;
use crate::timers::Late;
use crate::tls::Connector;
use crate::write_all::write_all;

/// Interim responses to one request; more are no HTTP.
const INTERIMS_MAX: u32 = 64;

/// A client that was served at once so far is watched for its going away when a response takes longer than this.
const WATCH_AFTER: Duration = Duration::from_millis(100);

/// A connection to a server and what has been read from it.
#[derive(Debug)]
pub struct Server {
    pub stream: Stream,
    pub buffer: Buffer,
    /// It came from the pool.
    pub pooled: bool,
}

/// Where a request is sent.
#[derive(Debug, Clone, Copy)]
pub struct To<'a> {
    pub address: SocketAddr,
    /// The host name that the address was found by.
    pub host: Option<&'a str>,
    pub tls: Option<&'a Connector>,
    /// Whether it speaks HTTP/2.
    pub http2: bool,
    /// Connections that may be kept for later requests.
    pub keepalive: usize,
    /// Whether the server is told at the begin of each connection who the client is.
    pub send_proxy: Option<ProxyVersion>,
    /// The line by which the client keeps the server, if it is to get one.
    pub set_cookie: &'a str,
}

impl To<'_> {
    /// Tells its idle connections from others.
    pub fn key(&self) -> Key {
        (self.address, self.tls.map_or(0, Connector::id))
    }

    /// # Errors
    /// When there is no connection, or no TLS on it.
    pub async fn connect(&self, client: &Client) -> io::Result<Stream> {
        let worker = &client.origin.worker;
        let stream = Stream::connect(self.address).await?;
        if let Some(version) = self.send_proxy {
            let mut header = Vec::new();
            let write = if version == ProxyVersion::V1 { proxy_header::write_v1 } else { proxy_header::write_v2 };
            write(client.sender(), client.receiver().unwrap_or(self.address), &mut header);
            write_all(&stream, &header).await?;
        }
        let stream = match self.tls {
            Some(tls) => self.secure(stream, tls).await?,
            None => stream,
        };
        if !self.http2 {
            return Ok(stream);
        }
        if self.tls.is_some() && !stream.has_agreed_on_http2() {
            tracing::warn!(server = %self.address, "this server does not offer HTTP/2");
            return Err(ErrorKind::Unsupported.into());
        }
        Box::pin(worker.sessions.add(self.key(), stream, self.keepalive, worker)).await
    }

    async fn secure(&self, stream: Stream, tls: &Connector) -> io::Result<Stream> {
        let session = tls.session(self.host, self.address.ip()).map_err(io::Error::other)?;
        Box::pin(stream.secure(session.into(), Buffer::default())).await.inspect_err(|error| {
            tracing::warn!(server = %self.address, "no TLS with this server: {error}");
        })
    }
}

/// What a final response is, its head being written for the client already.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    pub status: u16,
    /// As the server frames it.
    pub body: Body,
    /// As the client gets it.
    pub framed: Body,
    /// Whether the client's connection goes on.
    pub keep_alive: bool,
    /// Whether the server's connection goes on.
    pub reusable: bool,
    /// A field that ends at this hop may stand among the trailers.
    pub nominates: bool,
    pub upgraded: bool,
}

/// A response that has begun.
#[derive(Debug)]
pub struct Answer {
    pub server: Server,
    pub head: Head,
    /// The head for the client.
    pub out: Vec<u8>,
}

/// Why there is none.
#[derive(Debug)]
pub enum Failed {
    /// By the server's fault.
    Server(Failure),
    /// By the client's fault, which is told.
    Rejected(Reject),
    /// The client is gone, or too slow to be told anything.
    Client,
    /// By ours.
    Own(io::Error),
}

/// What the tries of a request have in common.
#[derive(Debug)]
pub struct Exchange<'a, 'b> {
    pub client: &'a mut Client,
    pub plan: &'a Plan,
    pub timeouts: Timeouts,
    pub outgoing: Outgoing<'b>,
    /// What is changed of the response, and the fields that are added to it.
    pub edits: &'a Edits,
    pub added: &'a [u8],
    pub seen: &'a mut Seen,
    /// A 100 has been sent to the client.
    pub continued: bool,
    pub interims: u32,
    /// Of the last try: whether bytes of a response came.
    pub answered: bool,
    /// Whether its connection came from the pool.
    pub pooled: bool,
}

impl Exchange<'_, '_> {
    /// Asks a server. `fresh`: not on a connection that was used before.
    ///
    /// # Errors
    /// See [`Failed`].
    pub async fn ask(&mut self, to: &To<'_>, fresh: bool, mut out: Vec<u8>) -> Result<Answer, Failed> {
        self.answered = false;
        self.pooled = false;
        let mut server = self.connection(to, fresh).await?;
        self.pooled = server.pooled;
        let head = self.talk(to, &mut server, &mut out).await?;
        Ok(Answer { server, head, out })
    }

    async fn connection(&mut self, to: &To<'_>, fresh: bool) -> Result<Server, Failed> {
        let worker = &self.client.origin.worker;
        let pooled = match to.http2 {
            _ if fresh || to.send_proxy.is_some() => None,
            true => worker.sessions.open(to.key(), worker),
            false => worker.idle.take(to.key(), worker.timers.now()),
        };
        if let Some(stream) = pooled {
            return Ok(Server { stream, buffer: Buffer::default(), pooled: true });
        }
        self.client.deadline.set(self.timeouts.connect);
        match self.client.deadline.within(to.connect(self.client)).await {
            Ok(Ok(stream)) => Ok(Server { stream, buffer: Buffer::default(), pooled: false }),
            Ok(Err(error)) => match error.kind() {
                // Ours to solve: another server would not help.
                _ if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::EADDRNOTAVAIL)) => {
                    Err(Failed::Own(error))
                }
                ErrorKind::TimedOut => Err(Failed::Server(Failure::ConnectTimeout)),
                _ => Err(Failed::Server(Failure::Connect)),
            },
            Err(Late) => Err(Failed::Server(Failure::ConnectTimeout)),
        }
    }

    /// Sends, and looks for a response all the while: a server may answer before it has seen the whole body.
    async fn talk(&mut self, to: &To<'_>, server: &mut Server, out: &mut Vec<u8>) -> Result<Head, Failed> {
        self.set_deadline(Sent::Blocked);
        let mut sent = Sent::NeedsInput;
        let mut broken = false;
        loop {
            if sent != Sent::All && !broken {
                match self.outgoing.send(&server.stream, &mut self.client.buffer) {
                    Ok(now) => {
                        self.set_deadline(now);
                        sent = now;
                    }
                    // It may have said why before it closed.
                    Err(SendError::Server) => {
                        broken = true;
                        self.set_deadline(Sent::All);
                    }
                    Err(SendError::File(error)) => return Err(Failed::Own(error)),
                    Err(SendError::Client(reject)) => return Err(Failed::Rejected(reject)),
                }
            }
            match self.wait(server, sent, broken).await? {
                Event::Sendable => {}
                Event::Input => self.read_client()?,
                Event::Response => {
                    if let Some(head) = self.read_server(to, server, sent == Sent::All, out).await? {
                        return Ok(head);
                    }
                    self.set_deadline(sent);
                }
                Event::Slow => {
                    self.client.stream.register().map_err(|_| Failed::Client)?;
                    self.client.deadline.set(self.patience(sent).saturating_sub(WATCH_AFTER));
                }
            }
        }
    }

    fn set_deadline(&self, sent: Sent) {
        let patience = self.patience(sent);
        let is_registered = self.client.stream.is_registered();
        self.client.deadline.set(if is_registered { patience } else { patience.min(WATCH_AFTER) });
    }

    fn patience(&self, sent: Sent) -> Duration {
        match sent {
            Sent::All => self.timeouts.read,
            Sent::Blocked => self.timeouts.send,
            Sent::NeedsInput => self.plan.limits.body_timeout,
        }
    }

    async fn wait(&mut self, server: &Server, sent: Sent, broken: bool) -> Result<Event, Failed> {
        let client = &*self.client;
        let needs_input = sent == Sent::NeedsInput && !broken;
        // Also to notice that the client has gone; one whose connection may be over soon is not worth the trouble.
        let watch = client.stream.is_registered() && !client.half_closed && !client.buffer.is_full();
        let watch_client = needs_input || watch;
        let event = client
            .deadline
            .within(poll_fn(|context| {
                if server.stream.poll_read_ready(context).is_ready() {
                    return Poll::Ready(Event::Response);
                }
                if sent == Sent::Blocked && !broken && server.stream.poll_write_ready(context).is_ready() {
                    return Poll::Ready(Event::Sendable);
                }
                if watch_client && client.stream.poll_read_ready(context).is_ready() {
                    return Poll::Ready(Event::Input);
                }
                Poll::Pending
            }))
            .await;
        match event {
            Ok(event) => Ok(event),
            Err(Late) if !client.stream.is_registered() => Ok(Event::Slow),
            Err(Late) if needs_input => Err(Failed::Rejected(Reject::new(408, "body too slow"))),
            Err(Late) => Err(Failed::Server(Failure::Timeout)),
        }
    }

    /// Takes what the client sends meanwhile.
    fn read_client(&mut self) -> Result<(), Failed> {
        self.client.read_meanwhile().map_err(|()| Failed::Client)?;
        // The rest of the body will never come.
        if self.client.half_closed && !self.outgoing.has_all_input() { Err(Failed::Client) } else { Ok(()) }
    }

    /// Reads, and passes interim responses on; the head of a final response is written to `out`.
    async fn read_server(
        &mut self,
        to: &To<'_>,
        server: &mut Server,
        sent_all: bool,
        out: &mut Vec<u8>,
    ) -> Result<Option<Head>, Failed> {
        if server.buffer.is_full() && !server.buffer.grow(2 * response::HEAD_MAX) {
            return Err(Failed::Server(Failure::Invalid));
        }
        match server.stream.try_read(&mut server.buffer) {
            Ok(0) => return Err(Failed::Server(Failure::Closed)),
            Ok(_) => self.answered = true,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(None),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                return Err(Failed::Server(Failure::Unprocessed));
            }
            Err(_) => return Err(Failed::Server(Failure::Closed)),
        }
        loop {
            let reply = Replying {
                plan: self.plan,
                early: !self.outgoing.has_all_input(),
                sent_all,
                draining: self.client.origin.worker.is_draining(),
                edits: self.edits,
                added: self.added,
                set_cookie: to.set_cookie.as_bytes(),
            };
            out.clear();
            let parsed = response::parse(server.buffer.data(), self.plan.is_head, |response| reply.head(response, out));
            let (head, length) = match parsed {
                Ok(Some(parsed)) => parsed,
                Ok(None) => return Ok(None),
                Err(_) => return Err(Failed::Server(Failure::Invalid)),
            };
            server.buffer.consume(length);
            if head.status >= 200 || head.upgraded {
                return Ok(Some(head));
            }
            self.interims += 1;
            if head.status == 101 || self.interims > INTERIMS_MAX {
                return Err(Failed::Server(Failure::Invalid));
            }
            self.relay_interim(head.status, out).await?;
        }
    }

    async fn relay_interim(&mut self, status: u16, out: &[u8]) -> Result<(), Failed> {
        let is_continue = status == 100;
        // Once is enough, and who has sent the body does not wait for it.
        if self.plan.minor == 0 || (is_continue && (self.continued || !self.plan.expects_continue)) {
            return Ok(());
        }
        self.continued = self.continued || is_continue;
        self.client.told.interim(out.len());
        self.client.deadline.set(self.plan.limits.send_timeout);
        match self.client.deadline.within(write_all(&self.client.stream, out)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Failed::Client),
        }
    }
}

#[derive(Debug)]
enum Event {
    Sendable,
    Input,
    Response,
    /// It takes so long that the client should be watched.
    Slow,
}

/// What decides how a response goes to the client.
struct Replying<'a> {
    plan: &'a Plan,
    /// The server answers although the client has not sent all.
    early: bool,
    /// The server has got all.
    sent_all: bool,
    draining: bool,
    edits: &'a Edits,
    added: &'a [u8],
    set_cookie: &'a [u8],
}

impl Replying<'_> {
    fn head(&self, response: &Response<'_>, out: &mut Vec<u8>) -> Head {
        let framed = match response.body {
            Body::Chunked | Body::UntilClose if self.plan.minor == 0 => Body::UntilClose,
            Body::UntilClose => Body::Chunked,
            body => body,
        };
        let keep_alive = self.plan.keep_alive && !self.early && !self.draining && framed != Body::UntilClose;
        let upgraded = response.websocket && self.plan.websocket;
        with_date(|date| {
            let Self { plan, edits, added, set_cookie, .. } = *self;
            let reply = Reply { body: framed, minor: plan.minor, keep_alive, date, edits, added, set_cookie };
            write::response(response, reply, out);
        });
        Head {
            status: response.status,
            body: response.body,
            framed,
            keep_alive,
            nominates: response.nominates,
            reusable: response.keep_alive && self.sent_all,
            upgraded,
        }
    }
}

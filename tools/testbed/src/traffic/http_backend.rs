//! A small HTTP/1.1 server that says who it is and what it saw.
//!
//! | request | answer |
//! |---|---|
//! | `GET /bytes/N` | N bytes of [`super::body::body`], `X-Checksum` in hexadecimal |
//! | `GET /status/N` | status N |
//! | `GET /healthz` | 200, or 503 after [`HttpBackend::set_healthy`]`(false)` |
//! | anything else | `server:`, `client:`, `request:`, the request's headers, `body:` length and checksum |
//!
//! Every answer carries `X-Server`. HEAD gets the headers alone; connections are kept alive.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, Result, bail};
use socket2::SockRef;

use super::body::{body, checksum};
use crate::Namespace;

/// A head longer than this is refused.
const MAX_HEAD: u64 = 64 * 1024;

/// A running backend; it stops, and closes its connections, on drop.
#[derive(Debug)]
pub struct HttpBackend {
    shared: Arc<Shared>,
    listener: TcpListener,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    healthy: AtomicBool,
    stopping: AtomicBool,
    requests: AtomicU64,
    connections: AtomicU64,
    streams: Mutex<Vec<TcpStream>>,
}

impl HttpBackend {
    /// Listens on `port` of all addresses of the namespace, IPv4 and IPv6.
    pub fn start(ns: &Namespace, name: &str, port: u16) -> Result<Self> {
        let listener = ns.enter(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)))?;
        let listener = listener.with_context(|| format!("listen on port {port} in {}", ns.name()))?;
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            healthy: AtomicBool::new(true),
            stopping: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            streams: Mutex::new(Vec::new()),
        });
        let (acceptor, state) = (listener.try_clone()?, Arc::clone(&shared));
        let thread =
            std::thread::Builder::new().name(format!("http-{name}")).spawn(move || accept(&acceptor, &state))?;
        Ok(Self { shared, listener, thread: Some(thread) })
    }

    /// Requests answered so far.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// What `/healthz` answers.
    pub fn set_healthy(&self, healthy: bool) {
        self.shared.healthy.store(healthy, Ordering::Relaxed);
    }
}

impl Drop for HttpBackend {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the acceptor; a listener that failed has no acceptor to wake.
        let _ = SockRef::from(&self.listener).shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        for stream in self.shared.streams.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, peer)) = listener.accept() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        shared.connections.fetch_add(1, Ordering::Relaxed);
        if let Ok(copy) = stream.try_clone() {
            let mut streams = shared.streams.lock().unwrap_or_else(PoisonError::into_inner);
            // A connection the peer has closed no longer has a peer address.
            streams.retain(|stream| stream.peer_addr().is_ok());
            streams.push(copy);
        }
        let shared = Arc::clone(shared);
        // A connection that cannot get a thread is closed: its client sees the error.
        let _ = std::thread::Builder::new().spawn(move || {
            // Errors here are the peer's doing (reset, nonsense) and end the connection.
            let _ = serve(&stream, peer, &shared);
            let _ = stream.shutdown(Shutdown::Both);
        });
    }
}

fn serve(stream: &TcpStream, peer: SocketAddr, shared: &Shared) -> Result<()> {
    stream.set_nodelay(true)?;
    let client = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let mut reader = BufReader::new(stream);
    while let Some(request) = Request::read(&mut reader)? {
        let answer = answer(&request, client, shared);
        shared.requests.fetch_add(1, Ordering::Relaxed);
        (&mut &*stream).write_all(&answer.encode(&shared.name, &request))?;
        if request.close {
            break;
        }
    }
    Ok(())
}

struct Request {
    method: String,
    path: String,
    /// Request line and header lines as received.
    head: String,
    body: Vec<u8>,
    close: bool,
}

impl Request {
    /// `None` at the regular end of the connection.
    fn read(reader: &mut impl BufRead) -> Result<Option<Self>> {
        let mut head = String::new();
        let mut limited = reader.by_ref().take(MAX_HEAD);
        while !head.ends_with("\r\n\r\n") {
            if limited.read_line(&mut head)? == 0 {
                return if head.is_empty() { Ok(None) } else { bail!("head cut off") };
            }
        }
        head.truncate(head.len() - 2);
        let mut words = head.split_whitespace();
        let (Some(method), Some(path)) = (words.next(), words.next()) else { bail!("no request line") };
        let (method, path) = (method.to_owned(), path.to_owned());
        let field = |name: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(':'));
            lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
        };
        let close = field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let length: usize = field("content-length").map_or(Ok(0), |value| value.parse())?;
        let mut body = Vec::new();
        reader.by_ref().take(length as u64).read_to_end(&mut body)?;
        Ok(Some(Self { method, path, head, body, close }))
    }
}

struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Answer {
    fn encode(self, server: &str, request: &Request) -> Vec<u8> {
        let connection = if request.close { "close" } else { "keep-alive" };
        let head = format!(
            "HTTP/1.1 {} Test\r\nX-Server: {server}\r\nX-Checksum: {:016x}\r\nContent-Length: {}\r\n\
             Connection: {connection}\r\n\r\n",
            self.status,
            checksum(&self.body),
            self.body.len()
        );
        let mut bytes = head.into_bytes();
        if request.method != "HEAD" {
            bytes.extend(self.body);
        }
        bytes
    }
}

fn answer(request: &Request, client: SocketAddr, shared: &Shared) -> Answer {
    if let Some(length) = request.path.strip_prefix("/bytes/").and_then(|text| text.parse().ok()) {
        return Answer { status: 200, body: body(length) };
    }
    if let Some(status) = request.path.strip_prefix("/status/").and_then(|text| text.parse().ok()) {
        return Answer { status, body: Vec::new() };
    }
    if request.path == "/healthz" && !shared.healthy.load(Ordering::Relaxed) {
        return Answer { status: 503, body: b"unhealthy\n".to_vec() };
    }
    let text = format!(
        "server: {}\nclient: {client}\nrequest: {}body: {} {:016x}\n",
        shared.name,
        request.head.replace("\r\n", "\n"),
        request.body.len(),
        checksum(&request.body)
    );
    Answer { status: 200, body: text.into_bytes() }
}

//! The socket of the admin endpoint. A client has one request, a few seconds, and no more memory than a request needs.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio::time::timeout;

use super::respond::respond;
use crate::socket::Caller;

/// Enough for every scraper and browser at once, few enough to keep file descriptors for sockets that matter.
const CLIENTS_MAX: usize = 64;
const BACKLOG: i32 = 128;
/// For the request, in bytes: a line and the fields of a browser fit many times.
const HEAD_MAX: usize = 16 * 1024;
const FIELDS_MAX: usize = 64;
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// From accept to the last byte: a slow reader of a long list has time, a stuck one gives its place back.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(30);
/// After a failed accept (no descriptors left): long enough not to spin, short enough not to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
#[error("admin endpoint: cannot listen on {address}: {source}")]
pub struct ListenError {
    pub address: SocketAddr,
    pub source: io::Error,
}

/// An open socket and the task that serves it; dropped, both end.
#[derive(Debug)]
pub(super) struct Listening {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Listening {
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn open(address: SocketAddr, caller: &Caller) -> Result<Self, ListenError> {
        let listener = bind(address).map_err(|source| ListenError { address, source })?;
        Ok(Self { address, accepting: tokio::spawn(accept(listener, caller.clone())) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The socket is closed when this returns.
    pub async fn close(mut self) {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // As with the proxy's listeners, [::] is all of IPv6 and nothing of IPv4.
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// The clients' tasks live in here and end with it.
async fn accept(listener: TcpListener, caller: Caller) {
    let mut clients = JoinSet::new();
    let mut places: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    places.retain(|place| !place.is_finished());
                    // An honest client needs milliseconds: the oldest is the one that least deserves its place.
                    if places.len() >= CLIENTS_MAX && let Some(oldest) = places.pop_front() {
                        oldest.abort();
                    }
                    places.push_back(clients.spawn(client(stream, caller.clone())));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a client on the admin endpoint");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = clients.join_next() => {}
        }
    }
}

/// One request. Whatever goes wrong is the client's business.
async fn client(stream: TcpStream, caller: Caller) {
    let answer = service_fn(|request| {
        let caller = caller.clone();
        async move { Ok::<_, std::convert::Infallible>(respond(&request, &caller).await) }
    });
    let serving = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEAD_MAX)
        .max_headers(FIELDS_MAX)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), answer);
    let _ = timeout(CLIENT_TIMEOUT, serving).await;
}

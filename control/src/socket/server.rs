//! The daemon's end. Clients are read and written by tasks of their own; whole requests come out of [`Server::next`], so the
//! daemon answers them one at a time from its own loop, with plain `&mut` access to its state.

use std::path::Path;
use std::time::Duration;

use headgate_api::{ErrorKind, Request, RequestLine, Response, VERSION};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::call::{Call, Caller, calls};
use super::file::{self, BindError, SocketFile};

/// Far above any request; a client that sends more is refused before it costs memory.
const REQUEST_MAX: u64 = 64 * 1024;

/// Enough for every operator and scraper at once, few enough to keep file descriptors for sockets that matter.
const CLIENTS_MAX: usize = 64;

/// A client that neither asks nor reads gives its place back after this.
const IDLE: Duration = Duration::from_mins(1);

/// After a failed accept (no descriptors left): long enough not to spin, short enough not to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens on the control socket until dropped; dropping removes the socket.
#[derive(Debug)]
pub struct Server {
    calls: mpsc::Receiver<Call>,
    accepting: JoinHandle<()>,
    _file: SocketFile,
}

impl Server {
    /// Makes the socket (mode 0660) and its directory if missing; takes over from a dead daemon, never from a living one.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        let (listener, file) = file::bind(path)?;
        let failed = |source| BindError::Listen { path: path.to_owned(), source };
        let listener = tokio::net::UnixListener::from_std(listener).map_err(failed)?;
        let (caller, calls) = calls();
        Ok(Self { calls, accepting: tokio::spawn(accept(listener, caller)), _file: file })
    }

    /// The next request of any client. May be dropped while waiting (in `select!`) without losing one. `None` never comes
    /// while the runtime lives.
    pub async fn next(&mut self) -> Option<Call> {
        self.calls.recv().await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Answers requests until the runtime ends or the future is dropped, for a daemon that has nothing else to wait for.
pub async fn serve(mut server: Server, mut handler: impl FnMut(Request) -> Response) {
    while let Some(call) = server.next().await {
        let response = handler(call.request().clone());
        call.answer(response);
    }
}

/// The clients' tasks live in here and end with it.
async fn accept(listener: tokio::net::UnixListener, caller: Caller) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if clients.len() < CLIENTS_MAX => {
                    clients.spawn(client(stream, caller.clone()));
                }
                Ok((mut stream, _)) => {
                    let busy = format!("{CLIENTS_MAX} clients are connected already; try again later");
                    clients.spawn(async move { let _ = write(&mut stream, &failed(busy)).await; });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a client on the control socket");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = clients.join_next() => {}
        }
    }
}

/// Serves one client until it goes, idles, or breaks the framing.
async fn client(stream: UnixStream, caller: Caller) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        match timeout(IDLE, (&mut stream).take(REQUEST_MAX).read_until(b'\n', &mut line)).await {
            Ok(Ok(n)) if n > 0 => {}
            _ => return,
        }
        let framed = line.ends_with(b"\n");
        let response = if !framed && line.len() as u64 == REQUEST_MAX {
            Response::error(ErrorKind::BadRequest, format!("the request is longer than {REQUEST_MAX} bytes"))
        } else {
            match parse(&line) {
                Ok(request) => caller.ask(request).await,
                Err(message) => Response::error(ErrorKind::BadRequest, message),
            }
        };
        // After a line without an end nothing that follows can be told apart.
        if !write(stream.get_mut(), &response).await || !framed {
            return;
        }
    }
}

/// The request, or why it is none.
fn parse(line: &[u8]) -> Result<Request, String> {
    /// Read first: a request of another version need not look like ours.
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let malformed = |e: serde_json::Error| format!("not a request: {e}");
    let Version { version } = serde_json::from_slice(line).map_err(malformed)?;
    if version != VERSION {
        return Err(format!("this daemon speaks version {VERSION} of the protocol, not {version}"));
    }
    serde_json::from_slice::<RequestLine>(line).map(|line| line.request).map_err(malformed)
}

/// Whether the client took all of it in time.
async fn write(stream: &mut UnixStream, response: &Response) -> bool {
    let mut line = serde_json::to_vec(response).unwrap_or_else(|error| {
        tracing::error!(%error, "an answer cannot be written as JSON");
        br#"{"response":"error","version":1,"kind":"failed","message":"the answer cannot be written as JSON"}"#.to_vec()
    });
    line.push(b'\n');
    matches!(timeout(IDLE, stream.write_all(&line)).await, Ok(Ok(())))
}

fn failed(message: String) -> Response {
    Response::error(ErrorKind::Failed, message)
}

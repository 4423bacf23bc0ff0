//! A byte stream to a client or a server: readiness first, then a read or write that never waits. So a task waits without holding a buffer.

mod pipe;
mod secure;
mod socket;

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll, ready};

use tokio::io::Interest;

use crate::buffer::Buffer;
use crate::tls;
use pipe::Pipe;
use secure::Secure;
use socket::Socket;

/// A connection: of TCP with TLS or without, or one within the thread.
#[derive(Debug)]
pub struct Stream(Kind, Moved);

/// Bytes so far; with TLS those within.
#[derive(Debug, Default)]
struct Moved {
    received: Cell<u64>,
    sent: Cell<u64>,
}

#[derive(Debug)]
enum Kind {
    Plain(Socket),
    Tls(Box<Secure>),
    Pipe(Pipe),
}

impl Stream {
    /// An accepted connection, not blocking.
    pub fn new(plain: std::net::TcpStream) -> Self {
        Self(Kind::Plain(Socket::new(plain)), Moved::default())
    }

    /// Two ends of a connection within the thread.
    pub fn pair() -> (Self, Self) {
        let (one, other) = Pipe::pair();
        (Self(Kind::Pipe(one), Moved::default()), Self(Kind::Pipe(other), Moved::default()))
    }

    /// # Errors
    /// When the server cannot be reached.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        Socket::connect(address).await.map(|socket| Self(Kind::Plain(socket), Moved::default()))
    }

    /// Puts TLS on top of a plain connection and waits for the end of the handshake. `begun`: what has been read already.
    ///
    /// # Errors
    /// When the two sides find no agreement; the other side has been told why, as far as it listens.
    pub async fn secure(self, session: rustls::Connection, begun: Buffer) -> io::Result<Self> {
        let Kind::Plain(socket) = self.0 else { return Err(ErrorKind::InvalidInput.into()) };
        let secure = Secure::new(socket, session, begun);
        secure.handshake().await?;
        Ok(Self(Kind::Tls(Box::new(secure)), Moved::default()))
    }

    /// The connection; what is left is closed.
    pub fn take(&mut self) -> Self {
        std::mem::replace(self, Self(Kind::Plain(Socket::default()), Moved::default()))
    }

    /// Whether its bytes are those of the connection, so that the kernel may move them.
    pub fn is_plain(&self) -> bool {
        matches!(self.0, Kind::Plain(_))
    }

    /// The name that the client asked for in its TLS handshake.
    pub fn server_name(&self) -> Option<String> {
        match &self.0 {
            Kind::Tls(secure) => secure.server_name(),
            Kind::Plain(_) | Kind::Pipe(_) => None,
        }
    }

    /// As OpenSSL calls it.
    pub fn tls_version(&self) -> Option<&'static str> {
        match &self.0 {
            Kind::Tls(secure) => secure.version(),
            Kind::Plain(_) | Kind::Pipe(_) => None,
        }
    }

    /// Whether HTTP/2 was chosen in the TLS handshake.
    pub fn has_agreed_on_http2(&self) -> bool {
        matches!(&self.0, Kind::Tls(secure) if secure.has_agreed_on(tls::HTTP2))
    }

    /// Our end, as the kernel knows it.
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.socket()?.local_address()
    }

    fn socket(&self) -> Option<&Socket> {
        match &self.0 {
            Kind::Plain(socket) => Some(socket),
            Kind::Tls(secure) => Some(&secure.socket),
            Kind::Pipe(_) => None,
        }
    }

    /// Whether the reactor knows it, so that it may be watched at no cost.
    pub fn is_registered(&self) -> bool {
        self.socket().is_none_or(Socket::is_registered)
    }

    /// Makes it known to the reactor.
    ///
    /// # Errors
    /// When the reactor does not take it.
    pub fn register(&self) -> io::Result<()> {
        self.socket().map_or(Ok(()), Socket::register)
    }

    /// Ready once a read would bring data, the end or an error.
    pub fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Kind::Plain(socket) => socket.poll_read_ready(context),
            Kind::Tls(secure) => secure.poll_read_ready(context),
            Kind::Pipe(pipe) => pipe.poll_read_ready(context),
        }
    }

    pub fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Kind::Plain(socket) => socket.poll_write_ready(context),
            Kind::Tls(secure) => secure.socket.poll_write_ready(context),
            Kind::Pipe(pipe) => pipe.poll_write_ready(context),
        }
    }

    /// Reads into the buffer what is there; 0 at the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there.
    pub fn try_read(&self, buffer: &mut Buffer) -> io::Result<usize> {
        let result = match &self.0 {
            Kind::Plain(socket) => socket.try_read(buffer.space()),
            Kind::Tls(secure) => secure.try_read(buffer.space()),
            Kind::Pipe(pipe) => {
                return pipe.try_read(buffer).inspect(|length| count(&self.1.received, *length));
            }
        };
        match result {
            Ok(length) => {
                buffer.filled(length);
                count(&self.1.received, length);
            }
            Err(_) => buffer.release(),
        }
        result
    }

    /// Waits for data; 0 at the end of the stream. The buffer needs room.
    pub fn read(&self, buffer: &mut Buffer) -> impl Future<Output = io::Result<usize>> {
        poll_fn(|context| {
            loop {
                // Without the reactor nothing is known: the kernel has to be asked.
                if self.is_registered() {
                    ready!(self.poll_read_ready(context))?;
                }
                match self.try_read(buffer) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => self.register()?,
                    result => return Poll::Ready(result),
                }
            }
        })
    }

    /// # Errors
    /// `WouldBlock` when nothing can be sent now; the same bytes have to be offered again then, if any.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &self.0 {
            Kind::Plain(socket) => socket.try_write(bytes),
            Kind::Tls(secure) => secure.try_write_vectored(&[IoSlice::new(bytes)]),
            Kind::Pipe(pipe) => pipe.try_write(bytes),
        }?;
        self.has_sent(written);
        Ok(written)
    }

    /// As [`Self::try_write`].
    pub fn try_write_vectored(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = match &self.0 {
            Kind::Plain(socket) => socket.try_write_vectored(bytes),
            Kind::Tls(secure) => secure.try_write_vectored(bytes),
            Kind::Pipe(pipe) => pipe.try_write_vectored(bytes),
        }?;
        self.has_sent(written);
        Ok(written)
    }

    /// Bytes that have been read.
    pub fn received(&self) -> u64 {
        self.1.received.get()
    }

    /// Bytes that have been written.
    pub fn sent(&self) -> u64 {
        self.1.sent.get()
    }

    /// The kernel has moved so many bytes into it (see [`Self::try_io`]).
    pub fn has_sent(&self, length: usize) {
        count(&self.1.sent, length);
    }

    /// Does something with the descriptor that may find it not ready; then the reactor is asked again. For plain connections.
    ///
    /// # Errors
    /// Those of `action`.
    pub fn try_io<T>(&self, interest: Interest, action: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>) -> io::Result<T> {
        match &self.0 {
            Kind::Plain(socket) => socket.try_io(interest, action),
            Kind::Tls(_) | Kind::Pipe(_) => Err(ErrorKind::Unsupported.into()),
        }
    }

    /// Tells the other side that no more will come.
    pub fn finish_writing(&self) -> io::Result<()> {
        self.end();
        match &self.0 {
            Kind::Plain(socket) => socket.finish_writing(),
            Kind::Tls(secure) => secure.socket.finish_writing(),
            Kind::Pipe(pipe) => {
                pipe.finish_writing();
                Ok(())
            }
        }
    }

    /// Says that all has been said, before the connection is closed. Without TLS the close itself says so.
    pub fn end(&self) {
        if let Kind::Tls(secure) = &self.0 {
            secure.end();
        }
    }

    /// Has the connection end with a reset, so that the other side notices that something is missing.
    pub fn reset_on_close(&self) {
        match &self.0 {
            Kind::Plain(socket) => socket.reset_on_close(),
            Kind::Tls(secure) => secure.socket.reset_on_close(),
            Kind::Pipe(pipe) => pipe.reset_on_close(),
        }
    }

    /// Has whatever the other end does fail from now on. For connections within the thread.
    pub fn break_off(&self, kind: ErrorKind) {
        if let Kind::Pipe(pipe) = &self.0 {
            pipe.break_off(kind);
        }
    }

    /// Whether an idle connection is still fit for use: nothing has come and it has not ended. Costs a system call only if the kernel has
    /// reported something.
    pub fn is_quiet(&self) -> bool {
        match &self.0 {
            Kind::Plain(socket) => socket.is_quiet(),
            Kind::Tls(secure) => secure.is_quiet(),
            // It is good for one message.
            Kind::Pipe(_) => false,
        }
    }
}

fn count(bytes: &Cell<u64>, more: usize) {
    bytes.set(bytes.get() + more as u64);
}

//! A byte stream to a client or a server: readiness first, then a read or write that never waits. So a task waits without holding a buffer.

mod secure;
mod socket;

use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll};

use tokio::io::Interest;

use crate::buffer::Buffer;
use secure::Secure;
use socket::Socket;

/// A connection, with TLS or without.
#[derive(Debug)]
pub struct Stream(Kind);

#[derive(Debug)]
enum Kind {
    Plain(Socket),
    Tls(Box<Secure>),
}

impl Stream {
    /// An accepted connection, not blocking.
    pub fn new(plain: std::net::TcpStream) -> Self {
        Self(Kind::Plain(Socket::new(plain)))
    }

    /// # Errors
    /// When the server cannot be reached.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        Socket::connect(address).await.map(|socket| Self(Kind::Plain(socket)))
    }

    /// Puts TLS on top of a plain connection and waits for the end of the handshake.
    ///
    /// # Errors
    /// When the two sides find no agreement; the other side has been told why, as far as it listens.
    pub async fn secure(self, session: rustls::Connection) -> io::Result<Self> {
        let Kind::Plain(socket) = self.0 else { return Err(ErrorKind::InvalidInput.into()) };
        let secure = Secure::new(socket, session);
        secure.handshake().await?;
        Ok(Self(Kind::Tls(Box::new(secure))))
    }

    /// Whether its bytes are those of the connection, so that the kernel may move them.
    pub fn is_plain(&self) -> bool {
        matches!(self.0, Kind::Plain(_))
    }

    /// The name that the client asked for in its TLS handshake.
    pub fn server_name(&self) -> Option<String> {
        match &self.0 {
            Kind::Plain(_) => None,
            Kind::Tls(secure) => secure.server_name(),
        }
    }

    fn socket(&self) -> &Socket {
        match &self.0 {
            Kind::Plain(socket) => socket,
            Kind::Tls(secure) => &secure.socket,
        }
    }

    /// Whether the reactor knows it, so that it may be watched at no cost.
    pub fn is_registered(&self) -> bool {
        self.socket().is_registered()
    }

    /// Makes it known to the reactor.
    ///
    /// # Errors
    /// When the reactor does not take it.
    pub fn register(&self) -> io::Result<()> {
        self.socket().register()
    }

    /// Ready once a read would bring data, the end or an error.
    pub fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Kind::Plain(socket) => socket.poll_read_ready(context),
            Kind::Tls(secure) => secure.poll_read_ready(context),
        }
    }

    pub fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_write_ready(context)
    }

    /// Reads into the buffer what is there; 0 at the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there.
    pub fn try_read(&self, buffer: &mut Buffer) -> io::Result<usize> {
        let space = buffer.space();
        let result = match &self.0 {
            Kind::Plain(socket) => socket.try_read(space),
            Kind::Tls(secure) => secure.try_read(space),
        };
        match result {
            Ok(length) => buffer.filled(length),
            Err(_) => buffer.release(),
        }
        result
    }

    /// Waits for data; 0 at the end of the stream. The buffer needs room.
    pub async fn read(&self, buffer: &mut Buffer) -> io::Result<usize> {
        loop {
            // Without the reactor nothing is known: the kernel has to be asked.
            if self.is_registered() {
                std::future::poll_fn(|context| self.poll_read_ready(context)).await?;
            }
            match self.try_read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.register()?,
                result => return result,
            }
        }
    }

    /// # Errors
    /// `WouldBlock` when nothing can be sent now; the same bytes have to be offered again then, if any.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Kind::Plain(socket) => socket.try_write(bytes),
            Kind::Tls(secure) => secure.try_write_vectored(&[IoSlice::new(bytes)]),
        }
    }

    /// As [`Self::try_write`].
    pub fn try_write_vectored(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        match &self.0 {
            Kind::Plain(socket) => socket.try_write_vectored(bytes),
            Kind::Tls(secure) => secure.try_write_vectored(bytes),
        }
    }

    /// Does something with the descriptor that may find it not ready; then the reactor is asked again. For plain connections.
    ///
    /// # Errors
    /// Those of `action`.
    pub fn try_io<T>(&self, interest: Interest, action: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>) -> io::Result<T> {
        match &self.0 {
            Kind::Plain(socket) => socket.try_io(interest, action),
            Kind::Tls(_) => Err(ErrorKind::Unsupported.into()),
        }
    }

    /// Tells the other side that no more will come.
    pub fn finish_writing(&self) -> io::Result<()> {
        self.end();
        self.socket().finish_writing()
    }

    /// Says that all has been said, before the connection is closed. Without TLS the close itself says so.
    pub fn end(&self) {
        if let Kind::Tls(secure) = &self.0 {
            secure.end();
        }
    }

    /// Has the connection end with a reset, so that the other side notices that something is missing.
    pub fn reset_on_close(&self) {
        self.socket().reset_on_close();
    }

    /// Whether an idle connection is still fit for use: nothing has come and it has not ended. Costs a system call only if the kernel has
    /// reported something.
    pub fn is_quiet(&self) -> bool {
        match &self.0 {
            Kind::Plain(socket) => socket.is_quiet(),
            Kind::Tls(secure) => secure.is_quiet(),
        }
    }
}

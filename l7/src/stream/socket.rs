//! A TCP connection. One that was accepted is known to the reactor only once it has to be waited for: a short one may be over before that.

use std::cell::{OnceCell, RefCell};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll};

use tokio::io::Interest;
use tokio::net::TcpStream;

#[derive(Debug, Default)]
pub struct Socket {
    waited_for: OnceCell<TcpStream>,
    /// Until then.
    plain: RefCell<Option<std::net::TcpStream>>,
}

impl Socket {
    /// An accepted connection, not blocking.
    pub fn new(plain: std::net::TcpStream) -> Self {
        Self { waited_for: OnceCell::new(), plain: RefCell::new(Some(plain)) }
    }

    /// # Errors
    /// When the server cannot be reached.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        Ok(Self { waited_for: OnceCell::from(tcp), plain: RefCell::default() })
    }

    /// Whether the reactor knows it, so that it may be watched at no cost.
    pub fn is_registered(&self) -> bool {
        self.waited_for.get().is_some()
    }

    /// Makes it known to the reactor.
    ///
    /// # Errors
    /// When the reactor does not take it.
    pub fn register(&self) -> io::Result<()> {
        self.registered().map(drop)
    }

    fn registered(&self) -> io::Result<&TcpStream> {
        if let Some(tcp) = self.waited_for.get() {
            return Ok(tcp);
        }
        let plain = self.plain.take().ok_or(ErrorKind::NotConnected)?;
        let tcp = TcpStream::from_std(plain)?;
        Ok(self.waited_for.get_or_init(|| tcp))
    }

    /// Ready once a read would bring data, the end or an error.
    pub fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.registered() {
            Ok(tcp) => tcp.poll_read_ready(context),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    pub fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.registered() {
            Ok(tcp) => tcp.poll_write_ready(context),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Reads what is there; 0 at the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there.
    pub fn try_read(&self, space: &mut [u8]) -> io::Result<usize> {
        let room = space.len();
        let result = match (self.waited_for.get(), &*self.plain.borrow()) {
            (Some(tcp), _) => tcp.try_read(space),
            (None, Some(plain)) => {
                let mut plain = plain;
                plain.read(space)
            }
            (None, None) => Err(ErrorKind::NotConnected.into()),
        };
        if result.as_ref().is_ok_and(|length| (1..room).contains(length)) {
            self.is_drained();
        }
        result
    }

    /// There was less than there was room for, so there is nothing more now, and the next to ask need not ask the kernel: it reports what
    /// comes from here on.
    fn is_drained(&self) {
        if let Some(tcp) = self.waited_for.get() {
            let _ = tcp.try_io(Interest::READABLE, || Err::<(), _>(ErrorKind::WouldBlock.into()));
        }
    }

    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match (self.waited_for.get(), &*self.plain.borrow()) {
            (Some(tcp), _) => tcp.try_write(bytes),
            (None, Some(plain)) => {
                let mut plain = plain;
                plain.write(bytes)
            }
            (None, None) => Err(ErrorKind::NotConnected.into()),
        }
    }

    pub fn try_write_vectored(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        match (self.waited_for.get(), &*self.plain.borrow()) {
            (Some(tcp), _) => tcp.try_write_vectored(bytes),
            (None, Some(plain)) => {
                let mut plain = plain;
                plain.write_vectored(bytes)
            }
            (None, None) => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// Does something with the descriptor that may find it not ready; then the reactor is asked again.
    ///
    /// # Errors
    /// Those of `action`.
    pub fn try_io<T>(&self, interest: Interest, action: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>) -> io::Result<T> {
        let tcp = self.registered()?;
        tcp.try_io(interest, || action(tcp.as_fd()))
    }

    /// Tells the other side that no more will come.
    pub fn finish_writing(&self) -> io::Result<()> {
        self.with_socket(|socket| socket.shutdown(std::net::Shutdown::Write))
    }

    /// Has the connection end with a reset, so that the other side notices that something is missing.
    pub fn reset_on_close(&self) {
        // Without it the end is merely less telling.
        let _ = self.with_socket(|socket| socket.set_linger(Some(std::time::Duration::ZERO)));
    }

    fn with_socket<T>(&self, action: impl FnOnce(socket2::SockRef<'_>) -> io::Result<T>) -> io::Result<T> {
        match (self.waited_for.get(), &*self.plain.borrow()) {
            (Some(tcp), _) => action(tcp.into()),
            (None, Some(plain)) => action(plain.into()),
            (None, None) => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// Whether an idle connection is still fit for use: nothing has come and it has not ended. Costs a system call only if the kernel has
    /// reported something.
    pub fn is_quiet(&self) -> bool {
        let mut byte = [0];
        let read = self.registered().and_then(|tcp| tcp.try_read(&mut byte));
        matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }
}

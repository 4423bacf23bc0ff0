//! A byte stream to a client or a server: readiness first, then a read or write that never waits. So a task waits without holding a buffer.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::task::{Context, Poll};

use tokio::net::TcpStream;

use crate::buffer::Buffer;

/// A connection. TLS will be another kind of it.
#[derive(Debug)]
pub struct Stream {
    tcp: TcpStream,
}

impl Stream {
    pub fn new(tcp: TcpStream) -> Self {
        Self { tcp }
    }

    /// # Errors
    /// When the server cannot be reached.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        Ok(Self { tcp })
    }

    /// Ready once a read would bring data, the end or an error.
    pub fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp.poll_read_ready(context)
    }

    pub fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp.poll_write_ready(context)
    }

    /// Reads into the buffer what is there; 0 at the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there.
    pub fn try_read(&self, buffer: &mut Buffer) -> io::Result<usize> {
        let space = buffer.space();
        let room = space.len();
        let result = self.tcp.try_read(space);
        match result {
            Ok(length) => {
                buffer.filled(length);
                if length > 0 && length < room {
                    self.is_drained();
                }
            }
            Err(_) => buffer.release(),
        }
        result
    }

    /// There was less than there was room for, so there is nothing more now, and the next to ask need not ask the kernel: it reports what
    /// comes from here on.
    fn is_drained(&self) {
        let nothing = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        let _ = self.tcp.try_io(tokio::io::Interest::READABLE, nothing);
    }

    /// Waits for data; 0 at the end of the stream. The buffer needs room.
    pub async fn read(&self, buffer: &mut Buffer) -> io::Result<usize> {
        loop {
            std::future::poll_fn(|context| self.poll_read_ready(context)).await?;
            match self.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }

    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.tcp.try_write(bytes)
    }

    pub fn try_write_vectored(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.tcp.try_write_vectored(bytes)
    }

    /// Tells the other side that no more will come.
    pub fn finish_writing(&self) -> io::Result<()> {
        socket2::SockRef::from(&self.tcp).shutdown(std::net::Shutdown::Write)
    }

    /// Has the connection end with a reset, so that the other side notices that something is missing.
    pub fn reset_on_close(&self) {
        // Without it the end is merely less telling.
        let _ = socket2::SockRef::from(&self.tcp).set_linger(Some(std::time::Duration::ZERO));
    }

    /// Whether an idle connection is still fit for use: nothing has come and it has not ended. Costs a system call only if the kernel has
    /// reported something.
    pub fn is_quiet(&self) -> bool {
        let mut byte = [0];
        matches!(self.tcp.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

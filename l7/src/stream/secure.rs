//! TLS on top of a connection. The session does no I/O of its own: ciphertext goes through here.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::task::{Context, Poll, ready};

use rustls::{Connection, ProtocolVersion};

use super::socket::Socket;
use crate::buffer::Buffer;

/// Decrypted bytes that are enough for now: a session holds little more.
const ENOUGH: usize = 16 << 10;

#[derive(Debug)]
pub struct Secure {
    pub socket: Socket,
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    session: Connection,
    /// Ciphertext that has been read and not yet been given to the session.
    unread: Buffer,
    /// Decrypted bytes in the session.
    decrypted: usize,
    /// Bytes that the session has taken and whose sender has not been told yet, as they were not sent wholly.
    taken: usize,
}

impl Secure {
    pub fn new(socket: Socket, session: Connection, unread: Buffer) -> Self {
        let state = State { session, unread, decrypted: 0, taken: 0 };
        Self { socket, state: RefCell::new(state) }
    }

    /// # Errors
    /// When it fails, or the other side closes before its end.
    pub async fn handshake(&self) -> io::Result<()> {
        poll_fn(|context| self.poll_handshake(context)).await
    }

    fn poll_handshake(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.state.borrow_mut();
        // What is to be sent after the end goes out with what comes next.
        while state.session.is_handshaking() {
            match state.flush(&self.socket) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(self.socket.poll_write_ready(context))?;
                    continue;
                }
                result => result?,
            }
            match state.take_in(&self.socket) {
                Ok(0) => return Poll::Ready(Err(ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(self.socket.poll_read_ready(context))?,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The name that the client asked for.
    pub fn server_name(&self) -> Option<String> {
        match &self.state.borrow().session {
            Connection::Server(session) => session.server_name().map(str::to_owned),
            Connection::Client(_) => None,
        }
    }

    /// Whether this protocol was chosen (ALPN, RFC 7301).
    pub fn has_agreed_on(&self, protocol: &[u8]) -> bool {
        self.state.borrow().session.alpn_protocol() == Some(protocol)
    }

    pub fn version(&self) -> Option<&'static str> {
        match self.state.borrow().session.protocol_version()? {
            ProtocolVersion::TLSv1_2 => Some("TLSv1.2"),
            ProtocolVersion::TLSv1_3 => Some("TLSv1.3"),
            _ => None,
        }
    }

    pub fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.state.borrow_mut();
        // Nobody else would send it: tickets, answers to a key update.
        while state.session.wants_write() {
            match state.flush(&self.socket) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.socket.poll_write_ready(context)?.is_pending() {
                        break;
                    }
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        if state.decrypted > 0 || !state.unread.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.socket.poll_read_ready(context)
    }

    /// # Errors
    /// `UnexpectedEof` when the connection ends before the other side said that it would: something may be missing.
    pub fn try_read(&self, space: &mut [u8]) -> io::Result<usize> {
        let state = &mut *self.state.borrow_mut();
        loop {
            match state.session.reader().read(space) {
                Ok(length) => {
                    state.decrypted = state.decrypted.saturating_sub(length);
                    return Ok(length);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            state.decrypted = 0;
            state.take_in(&self.socket)?;
        }
    }

    /// A write counts once all of it has been sent: so nothing is left behind when the sender goes on to wait for something else.
    pub fn try_write_vectored(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let state = &mut *self.state.borrow_mut();
        if state.taken == 0 {
            state.taken = state.session.writer().write_vectored(bytes)?;
        }
        state.flush(&self.socket)?;
        Ok(std::mem::take(&mut state.taken))
    }

    /// Sends a `close_notify`, if it goes at once.
    pub fn end(&self) {
        let state = &mut *self.state.borrow_mut();
        state.session.send_close_notify();
        let _ = state.flush(&self.socket);
    }

    pub fn is_quiet(&self) -> bool {
        let state = &mut *self.state.borrow_mut();
        // A server may send tickets at any time.
        loop {
            let nothing = state.session.reader().read(&mut [0]);
            if !nothing.is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
                return false;
            }
            match state.take_in(&self.socket) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
    }
}

impl State {
    /// Reads once, unless there is something left of the last read, and decrypts; 0 at the end of the stream.
    fn take_in(&mut self, socket: &Socket) -> io::Result<usize> {
        if self.unread.is_empty() {
            match socket.try_read(self.unread.space()) {
                Ok(0) => {
                    self.unread.release();
                    self.session.read_tls(&mut io::empty())?;
                    return Ok(0);
                }
                Ok(length) => self.unread.filled(length),
                Err(error) => {
                    self.unread.release();
                    return Err(error);
                }
            }
        }
        let mut all = 0;
        while !self.unread.is_empty() && self.decrypted < ENOUGH {
            let used = self.session.read_tls(&mut self.unread.data())?;
            if used == 0 {
                // It has said that it would send no more.
                let rest = self.unread.data().len();
                self.unread.consume(rest);
                return Ok(0);
            }
            self.unread.consume(used);
            all += used;
            match self.session.process_new_packets() {
                Ok(state) => self.decrypted = state.plaintext_bytes_to_read(),
                Err(error) => {
                    // With the alert that says why.
                    let _ = self.flush(socket);
                    return Err(io::Error::new(ErrorKind::InvalidData, error));
                }
            }
        }
        Ok(all)
    }

    fn flush(&mut self, socket: &Socket) -> io::Result<()> {
        while self.session.wants_write() {
            if self.session.write_tls(&mut Sender(socket))? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}

struct Sender<'a>(&'a Socket);

impl Write for Sender<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! Two ends of a connection within a thread: what one writes the other reads.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, IoSlice};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::buffer::Buffer;

/// One end. When it is dropped, the other one sees the end of the stream, or a reset if that was asked for.
#[derive(Debug)]
pub struct Pipe {
    incoming: Rc<Way>,
    outgoing: Rc<Way>,
    reset: Cell<bool>,
}

/// One direction.
#[derive(Debug, Default)]
struct Way(RefCell<State>);

#[derive(Debug, Default)]
struct State {
    buffer: Buffer,
    /// Nothing more will be written.
    ended: bool,
    /// Why neither a read nor a write makes sense any more.
    broken: Option<ErrorKind>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    pub fn pair() -> (Self, Self) {
        let (there, back) = (Rc::new(Way::default()), Rc::new(Way::default()));
        let one = Self { incoming: Rc::clone(&back), outgoing: Rc::clone(&there), reset: Cell::new(false) };
        (one, Self { incoming: there, outgoing: back, reset: Cell::new(false) })
    }

    /// Ready once a read would bring data, the end or an error.
    pub fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.incoming.0.borrow_mut();
        if !state.buffer.is_empty() || state.ended || state.broken.is_some() {
            return Poll::Ready(Ok(()));
        }
        remember(&mut state.reader, context);
        Poll::Pending
    }

    pub fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.outgoing.0.borrow_mut();
        if !state.buffer.is_full() || state.broken.is_some() {
            return Poll::Ready(Ok(()));
        }
        remember(&mut state.writer, context);
        Poll::Pending
    }

    /// Reads what is there; 0 at the end of the stream.
    pub fn try_read(&self, into: &mut Buffer) -> io::Result<usize> {
        let state = &mut *self.incoming.0.borrow_mut();
        if state.buffer.is_empty() {
            return match state.broken {
                Some(kind) => Err(kind.into()),
                None if state.ended => Ok(0),
                None => Err(ErrorKind::WouldBlock.into()),
            };
        }
        let length = if into.is_empty() {
            // Nothing is copied: the memory itself goes over.
            std::mem::swap(into, &mut state.buffer);
            into.data().len()
        } else {
            let space = into.space();
            let length = space.len().min(state.buffer.data().len());
            space[..length].copy_from_slice(&state.buffer.data()[..length]);
            into.filled(length);
            state.buffer.consume(length);
            length
        };
        wake(&mut state.writer);
        Ok(length)
    }

    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let state = &mut *self.outgoing.0.borrow_mut();
        if let Some(kind) = state.broken {
            return Err(kind.into());
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        let space = state.buffer.space();
        let length = space.len().min(bytes.len());
        if length == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        space[..length].copy_from_slice(&bytes[..length]);
        state.buffer.filled(length);
        wake(&mut state.reader);
        Ok(length)
    }

    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut written = 0;
        for slice in slices.iter().filter(|slice| !slice.is_empty()) {
            match self.try_write(slice) {
                Ok(length) => written += length,
                Err(error) if written == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(written)
    }

    /// Tells the other end that no more will come.
    pub fn finish_writing(&self) {
        let state = &mut *self.outgoing.0.borrow_mut();
        state.ended = true;
        wake(&mut state.reader);
    }

    /// Has the other end see a reset, not an end, when this one is dropped.
    pub fn reset_on_close(&self) {
        self.reset.set(true);
    }

    /// Has whatever the other end does fail from now on.
    pub fn break_off(&self, kind: ErrorKind) {
        for way in [&self.incoming, &self.outgoing] {
            let state = &mut *way.0.borrow_mut();
            state.broken.get_or_insert(kind);
            wake(&mut state.reader);
            wake(&mut state.writer);
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let incoming = &mut *self.incoming.0.borrow_mut();
        incoming.broken.get_or_insert(ErrorKind::BrokenPipe);
        wake(&mut incoming.writer);
        let outgoing = &mut *self.outgoing.0.borrow_mut();
        if self.reset.get() {
            outgoing.broken.get_or_insert(ErrorKind::ConnectionReset);
        }
        outgoing.ended = true;
        wake(&mut outgoing.reader);
    }
}

fn remember(waiting: &mut Option<Waker>, context: &Context<'_>) {
    match waiting {
        Some(known) if known.will_wake(context.waker()) => {}
        _ => *waiting = Some(context.waker().clone()),
    }
}

fn wake(waiting: &mut Option<Waker>) {
    if let Some(waker) = waiting.take() {
        waker.wake();
    }
}

#[cfg(test)]
mod tests;

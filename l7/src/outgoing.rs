//! What is sent to a server: a request that can be sent again, or one whose body is passed on as it comes.

use std::io::{self, ErrorKind, IoSlice};

use crate::buffer::Buffer;
use crate::http1::body::Reader;
use crate::http1::chunked::{self, Piece};
use crate::http1::{Body, Reject};
use crate::plan::Plan;
use crate::spool::Spool;
use crate::stream::Stream;

/// Where sending has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    All,
    /// The server takes no more at the moment.
    Blocked,
    /// More of the body has to come from the client.
    NeedsInput,
}

/// Why it can't go on.
#[derive(Debug)]
pub enum SendError {
    /// Its connection is broken.
    Server,
    /// Of the spool.
    File(io::Error),
    /// The client's body is no body.
    Client(Reject),
}

#[derive(Debug)]
pub enum Outgoing<'a> {
    Whole(Whole<'a>),
    Streamed(Streamed<'a>),
}

/// Head, body, and what ends the body.
#[derive(Debug)]
pub struct Whole<'a> {
    head: &'a [u8],
    body: &'a Spool,
    tail: &'a [u8],
    sent: u64,
    /// Part of the file that has been read and not yet been sent.
    part: Buffer,
}

/// A head, and a body that is framed anew as the client sends it.
#[derive(Debug)]
pub struct Streamed<'a> {
    /// What has to be sent next: first the head.
    pending: &'a mut Vec<u8>,
    written: usize,
    reader: Reader,
    chunked: bool,
    ended: bool,
    /// Bytes of the body that may still come.
    allowed: u64,
    begun: bool,
    drop_trailers: bool,
}

impl<'a> Whole<'a> {
    pub fn new(head: &'a [u8], body: &'a Spool, tail: &'a [u8]) -> Self {
        Self { head, body, tail, sent: 0, part: Buffer::default() }
    }

    /// From the beginning, for another try.
    pub fn rewind(&mut self) {
        self.sent = 0;
        self.part = Buffer::default();
    }

    pub fn has_begun(&self) -> bool {
        self.sent > 0
    }

    fn send(&mut self, stream: &Stream) -> Result<Sent, SendError> {
        let total = (self.head.len() + self.tail.len()) as u64 + self.body.len();
        while self.sent < total {
            let written = match self.write(stream)? {
                Ok(0) => return Err(SendError::Server),
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Sent::Blocked),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Err(SendError::Server),
            };
            self.sent += written as u64;
        }
        Ok(Sent::All)
    }

    /// One write of what comes next: head and memory together, then the file part by part, then the tail.
    fn write(&mut self, stream: &Stream) -> Result<io::Result<usize>, SendError> {
        let memory = self.body.memory();
        let in_memory = (self.head.len() + memory.len()) as u64;
        let in_body = self.head.len() as u64 + self.body.len();
        if self.sent >= in_memory && self.sent < in_body {
            if self.part.is_empty() {
                let at = self.sent - self.head.len() as u64;
                let read = self.body.read(at, self.part.space()).map_err(SendError::File)?;
                if read == 0 {
                    return Err(SendError::File(ErrorKind::UnexpectedEof.into()));
                }
                self.part.filled(read);
            }
            let result = stream.try_write(self.part.data());
            if let Ok(written) = result {
                self.part.consume(written);
            }
            return Ok(result);
        }
        if memory.is_empty() && self.tail.is_empty() {
            return Ok(stream.try_write(&self.head[self.sent as usize..]));
        }
        if self.sent >= in_body {
            return Ok(stream.try_write(&self.tail[(self.sent - in_body) as usize..]));
        }
        let tail = if self.body.is_in_memory() { self.tail } else { b"" };
        let mut slices = [IoSlice::new(self.head), IoSlice::new(memory), IoSlice::new(tail)];
        let mut slices = slices.as_mut_slice();
        IoSlice::advance_slices(&mut slices, self.sent as usize);
        Ok(stream.try_write_vectored(slices))
    }
}

impl<'a> Streamed<'a> {
    /// `head` is used as scratch space once it has been sent.
    pub fn new(head: &'a mut Vec<u8>, plan: &Plan) -> Self {
        Self {
            pending: head,
            written: 0,
            reader: Reader::new(plan.body),
            chunked: plan.body == Body::Chunked,
            ended: false,
            allowed: plan.limits.body,
            begun: false,
            drop_trailers: plan.nominates,
        }
    }

    /// Whether all of the body has come from the client.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    fn send(&mut self, stream: &Stream, input: &mut Buffer) -> Result<Sent, SendError> {
        loop {
            if self.written < self.pending.len() {
                match stream.try_write(&self.pending[self.written..]) {
                    Ok(0) => return Err(SendError::Server),
                    Ok(written) => self.written += written,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Sent::Blocked),
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    Err(_) => return Err(SendError::Server),
                }
                self.begun = true;
                continue;
            }
            if self.ended {
                return Ok(Sent::All);
            }
            self.pending.clear();
            self.written = 0;
            if !self.take(input).map_err(SendError::Client)? {
                return Ok(Sent::NeedsInput);
            }
        }
    }

    /// Frames what is there; false when that is nothing.
    fn take(&mut self, input: &mut Buffer) -> Result<bool, Reject> {
        let piece = self.reader.next(input.data()).map_err(|_| Reject::new(400, "chunked body"))?;
        match piece {
            Piece::Framing(used) => input.consume(used),
            Piece::Data { framing, length } => {
                self.allowed = self.allowed.checked_sub(length as u64).ok_or(Reject::new(413, "body too large"))?;
                if self.chunked {
                    chunked::write_size(length, self.pending);
                }
                self.pending.extend_from_slice(&input.data()[framing..framing + length]);
                if self.chunked {
                    self.pending.extend_from_slice(b"\r\n");
                }
                input.consume(framing + length);
            }
            Piece::End(used) => {
                input.consume(used);
                self.ended = true;
                if self.chunked {
                    let trailers = if self.drop_trailers { b"" } else { self.reader.trailers() };
                    chunked::write_end(trailers, self.pending);
                }
            }
        }
        Ok(!self.pending.is_empty() || self.ended)
    }
}

impl Outgoing<'_> {
    /// Sends as much as goes without waiting. `input`: what has come from the client.
    pub fn send(&mut self, stream: &Stream, input: &mut Buffer) -> Result<Sent, SendError> {
        match self {
            Self::Whole(whole) => whole.send(stream),
            Self::Streamed(streamed) => streamed.send(stream, input),
        }
    }

    /// Whether any byte may have reached a server.
    pub fn has_begun(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.has_begun(),
            Self::Streamed(streamed) => streamed.begun,
        }
    }

    /// Whether the client has nothing more to send of this message.
    pub fn has_all_input(&self) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::Streamed(streamed) => streamed.has_ended(),
        }
    }

    /// Prepares for another try; false when that is impossible.
    pub fn rewind(&mut self) -> bool {
        match self {
            Self::Whole(whole) => {
                whole.rewind();
                true
            }
            Self::Streamed(streamed) => !streamed.begun,
        }
    }
}

#[cfg(test)]
mod tests;

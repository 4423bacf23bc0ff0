//! A response on its way to the client. What the server cuts off stays visibly cut off.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::task::Poll;
use std::time::Duration;

use crate::client::Client;
use crate::exchange::{Answer, Head, Server};
use crate::http1::Body;
use crate::http1::body::Reader;
use crate::http1::chunked::{self, Piece};
use crate::outgoing::{Outgoing, Sent};
use crate::splice::{Pipe, WORTH_IT};
use crate::stream::Stream;
use crate::timers::Late;
use crate::write_all::{write_all, write_both, write_slices};

/// Chunks that are smaller go out together.
const JOINED: usize = 4096;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relayed {
    /// The whole message went out.
    Whole,
    /// The server did not send all of it, or nonsense.
    Truncated,
    /// The client takes no more.
    ClientGone,
}

/// Sends a response whose head is ready; meanwhile what is left of the request goes on to the server. `read`: how long the server may be
/// silent; `send`: the client.
pub async fn relay(
    client: &mut Client,
    answer: &mut Answer,
    outgoing: &mut Outgoing<'_>,
    read: Duration,
    send: Duration,
) -> Relayed {
    let Answer { server, head, out } = answer;
    let upload = (!outgoing.has_all_input()).then_some(outgoing);
    let mut relay = Relay { client, server, upload, read, send };
    let result = match head.body {
        Body::None => relay.write(out, &[]).await,
        Body::Length(length) => relay.length(length, out).await,
        Body::Chunked | Body::UntilClose => relay.pieces(Reader::new(head.body), head, out).await,
    };
    match result {
        Ok(()) => Relayed::Whole,
        Err(ended) => ended,
    }
}

enum Event {
    Response,
    Upload,
}

struct Relay<'a, 'b> {
    client: &'a mut Client,
    server: &'a mut Server,
    /// What the client may still send, and the server still take.
    upload: Option<&'a mut Outgoing<'b>>,
    read: Duration,
    send: Duration,
}

impl Relay<'_, '_> {
    async fn write(&mut self, out: &mut Vec<u8>, data: &[u8]) -> Result<(), Relayed> {
        self.client.deadline.set(self.send);
        let written = self.client.deadline.within(write_both(&self.client.stream, out, data)).await;
        match written {
            Ok(Ok(())) => Ok(()),
            _ => Err(Relayed::ClientGone),
        }
    }

    /// Sends so much of what the server has sent.
    async fn write_data(&mut self, length: usize) -> Result<(), Relayed> {
        self.client.deadline.set(self.send);
        let data = &self.server.buffer.data()[..length];
        let written = self.client.deadline.within(write_all(&self.client.stream, data)).await;
        self.server.buffer.consume(length);
        match written {
            Ok(Ok(())) => Ok(()),
            _ => Err(Relayed::ClientGone),
        }
    }

    /// Waits for more from the server; false at the end of its stream.
    async fn more(&mut self) -> Result<bool, Relayed> {
        self.client.deadline.set(self.read);
        while self.upload.is_some() {
            self.upload().await?;
            match self.server.stream.try_read(&mut self.server.buffer) {
                Ok(length) => return Ok(length > 0),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(_) => return Err(Relayed::Truncated),
            }
        }
        let read = self.client.deadline.within(self.server.stream.read(&mut self.server.buffer)).await;
        match read {
            Ok(Ok(length)) => Ok(length > 0),
            _ => Err(Relayed::Truncated),
        }
    }

    /// Passes on what the client sends, until there is something from the server or no more to pass on.
    async fn upload(&mut self) -> Result<(), Relayed> {
        while let Some(upload) = &mut self.upload {
            let sent = match upload.send(&self.server.stream, &mut self.client.buffer) {
                Ok(sent @ (Sent::Blocked | Sent::NeedsInput)) => sent,
                // A server that takes no more may still have something to say.
                Ok(Sent::All) | Err(_) => {
                    self.upload = None;
                    break;
                }
            };
            let (client, server) = (&*self.client, &*self.server);
            let event = client.deadline.within(poll_fn(|context| {
                if server.stream.poll_read_ready(context).is_ready() {
                    return Poll::Ready(Event::Response);
                }
                let sendable = sent == Sent::Blocked && server.stream.poll_write_ready(context).is_ready();
                let input = sent == Sent::NeedsInput && client.stream.poll_read_ready(context).is_ready();
                if sendable || input { Poll::Ready(Event::Upload) } else { Poll::Pending }
            }));
            match event.await {
                Ok(Event::Response) => break,
                Ok(Event::Upload) => {}
                Err(Late) => return Err(Relayed::Truncated),
            }
            if sent == Sent::NeedsInput {
                match self.client.stream.try_read(&mut self.client.buffer) {
                    Ok(1..) => {}
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                    Ok(0) | Err(_) => return Err(Relayed::ClientGone),
                }
            }
            self.client.deadline.set(self.read);
        }
        Ok(())
    }

    async fn length(&mut self, length: u64, out: &mut Vec<u8>) -> Result<(), Relayed> {
        let part = |available: usize, left: u64| available.min(usize::try_from(left).unwrap_or(usize::MAX));
        let first = part(self.server.buffer.data().len(), length);
        self.client.deadline.set(self.send);
        let data = &self.server.buffer.data()[..first];
        let written = self.client.deadline.within(write_both(&self.client.stream, out, data)).await;
        self.server.buffer.consume(first);
        if !matches!(written, Ok(Ok(()))) {
            return Err(Relayed::ClientGone);
        }
        let mut left = length - first as u64;
        if left >= WORTH_IT
            && self.upload.is_none()
            && self.client.stream.is_plain()
            && self.server.stream.is_plain()
            && let Ok(mut pipe) = Pipe::take()
        {
            let result = self.splice(&mut left, &mut pipe).await;
            pipe.give_back();
            return result;
        }
        while left > 0 {
            if !self.more().await? {
                return Err(Relayed::Truncated);
            }
            let next = part(self.server.buffer.data().len(), left);
            self.write_data(next).await?;
            left -= next as u64;
        }
        Ok(())
    }

    /// Has the kernel move the rest of a body.
    async fn splice(&mut self, left: &mut u64, pipe: &mut Pipe) -> Result<(), Relayed> {
        while *left > 0 || pipe.filled() > 0 {
            if pipe.filled() == 0 {
                self.client.deadline.set(self.read);
                let filled = self.client.deadline.within(fill(pipe, &self.server.stream, *left)).await;
                match filled {
                    Ok(Ok(moved @ 1..)) => *left -= moved as u64,
                    _ => return Err(Relayed::Truncated),
                }
            }
            self.client.deadline.set(self.send);
            match self.client.deadline.within(drain(pipe, &self.client.stream)).await {
                Ok(Ok(())) => {}
                _ => return Err(Relayed::ClientGone),
            }
        }
        Ok(())
    }

    /// Passes a body on whose end is not known beforehand, as chunks or as it is. `out` begins with the head.
    async fn pieces(&mut self, mut reader: Reader, head: &Head, out: &mut Vec<u8>) -> Result<(), Relayed> {
        let chunked = head.framed == Body::Chunked;
        loop {
            match reader.next(self.server.buffer.data()) {
                Ok(Piece::Data { framing, length }) => {
                    self.piece(framing, length, chunked, out).await?;
                    continue;
                }
                Ok(Piece::Framing(used)) => self.server.buffer.consume(used),
                Ok(Piece::End(used)) => {
                    self.server.buffer.consume(used);
                    if chunked {
                        chunked::write_end(if head.nominates { b"" } else { reader.trailers() }, out);
                    }
                    return self.flush(out).await;
                }
                Err(_) => {
                    self.flush(out).await?;
                    return Err(Relayed::Truncated);
                }
            }
            // Nothing is held back while the server is silent.
            self.flush(out).await?;
            if !self.more().await? {
                if !reader.ends_with_stream() {
                    return Err(Relayed::Truncated);
                }
                if chunked {
                    chunked::write_end(b"", out);
                }
                return self.flush(out).await;
            }
        }
    }

    async fn piece(&mut self, framing: usize, length: usize, chunked: bool, out: &mut Vec<u8>) -> Result<(), Relayed> {
        if chunked {
            chunked::write_size(length, out);
        }
        let data = &self.server.buffer.data()[framing..framing + length];
        let end: &[u8] = if chunked { b"\r\n" } else { b"" };
        if length <= JOINED {
            out.extend_from_slice(data);
            out.extend_from_slice(end);
            self.server.buffer.consume(framing + length);
            return if out.len() > JOINED { self.flush(out).await } else { Ok(()) };
        }
        self.client.deadline.set(self.send);
        let mut slices = [IoSlice::new(out), IoSlice::new(data), IoSlice::new(end)];
        let written = self.client.deadline.within(write_slices(&self.client.stream, &mut slices)).await;
        out.clear();
        self.server.buffer.consume(framing + length);
        match written {
            Ok(Ok(())) => Ok(()),
            _ => Err(Relayed::ClientGone),
        }
    }

    async fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), Relayed> {
        if out.is_empty() {
            return Ok(());
        }
        let result = self.write(out, &[]).await;
        out.clear();
        result
    }
}

async fn fill(pipe: &mut Pipe, from: &Stream, most: u64) -> io::Result<usize> {
    loop {
        poll_fn(|context| from.poll_read_ready(context)).await?;
        match pipe.fill(from, most) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            result => return result,
        }
    }
}

async fn drain(pipe: &mut Pipe, to: &Stream) -> io::Result<()> {
    loop {
        poll_fn(|context| to.poll_write_ready(context)).await?;
        match pipe.drain(to) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            result => return result,
        }
    }
}

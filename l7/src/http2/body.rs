//! Bodies from HTTP/2 to HTTP/1 and back, through a connection within the thread.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use h2::{RecvStream, SendStream};

use super::message;
use crate::buffer::Buffer;
use crate::http1::body::Reader;
use crate::http1::chunked::{self, Piece};
use crate::stream::Stream;
use crate::timers::Deadline;
use crate::write_all::{write_all, write_both};

/// Why a body could not be passed on.
#[derive(Debug)]
pub enum Failed {
    /// The side of HTTP/2 has ended the stream early.
    Http2,
    /// The side of HTTP/1 has: something is missing.
    Http1,
}

/// Passes what comes over HTTP/2 on to the other end of `to`. Where it is not `chunked` it goes as it is.
///
/// # Errors
/// As soon as either side has ended.
pub async fn take(from: &mut RecvStream, to: &Stream, chunked: bool) -> Result<(), Failed> {
    let mut frame = Vec::new();
    while let Some(data) = poll_fn(|context| from.poll_data(context)).await {
        let data = data.map_err(|_| Failed::Http2)?;
        if !data.is_empty() {
            pass_on(to, &data, chunked, &mut frame).await.map_err(|_| Failed::Http1)?;
        }
        // The sender may send more only now that this has been taken.
        from.flow_control().release_capacity(data.len()).map_err(|_| Failed::Http2)?;
    }
    let trailers = poll_fn(|context| from.poll_trailers(context)).await.map_err(|_| Failed::Http2)?;
    if chunked {
        let mut lines = Vec::new();
        if let Some(trailers) = trailers {
            message::write_trailers(&trailers, &mut lines);
        }
        frame.clear();
        chunked::write_end(&lines, &mut frame);
        write_all(to, &frame).await.map_err(|_| Failed::Http1)?;
    }
    Ok(())
}

async fn pass_on(to: &Stream, data: &[u8], chunked: bool, frame: &mut Vec<u8>) -> io::Result<()> {
    if !chunked {
        return write_all(to, data).await;
    }
    frame.clear();
    chunked::write_size(data.len(), frame);
    write_both(to, frame, data).await?;
    write_all(to, b"\r\n").await
}

/// Passes a body that comes in HTTP/1 on over HTTP/2. `buffer`: what has been read of it.
#[derive(Debug)]
pub struct Give<'a> {
    pub from: &'a Stream,
    pub buffer: Buffer,
    pub to: SendStream<Bytes>,
    pub deadline: &'a Deadline,
    /// How long the receiver may take nothing.
    pub patience: Duration,
}

impl Give<'_> {
    /// # Errors
    /// When either side ends too early, or the receiver takes nothing for too long.
    pub async fn all(&mut self, mut reader: Reader) -> Result<(), Failed> {
        loop {
            match reader.next(self.buffer.data()) {
                Ok(Piece::Data { framing, length }) => {
                    self.buffer.consume(framing);
                    // A known length ends with its last byte.
                    let last = matches!(reader, Reader::Length(0));
                    self.data(length, last).await?;
                    if last {
                        return Ok(());
                    }
                    continue;
                }
                Ok(Piece::Framing(used)) => self.buffer.consume(used),
                Ok(Piece::End(used)) => {
                    self.buffer.consume(used);
                    return self.end(&reader);
                }
                Err(_) => return Err(Failed::Http1),
            }
            match self.more().await {
                Ok(0) if reader.ends_with_stream() => return self.end(&reader),
                Ok(0) | Err(Failed::Http1) => return Err(Failed::Http1),
                Ok(_) => {}
                Err(failed) => return Err(failed),
            }
        }
    }

    fn end(&mut self, reader: &Reader) -> Result<(), Failed> {
        let trailers = message::trailers(reader.trailers());
        let sent =
            if trailers.is_empty() { self.to.send_data(Bytes::new(), true) } else { self.to.send_trailers(trailers) };
        sent.map_err(|_| Failed::Http2)
    }

    /// Waits for more, or for the receiver's going away.
    async fn more(&mut self) -> Result<usize, Failed> {
        let Self { from, buffer, to, .. } = self;
        poll_fn(|context| {
            if to.poll_reset(context).is_ready() {
                return std::task::Poll::Ready(Err(Failed::Http2));
            }
            from.poll_read_ready(context).map(|ready| ready.map_err(|_| Failed::Http1))
        })
        .await?;
        from.read(buffer).await.map_err(|_| Failed::Http1)
    }

    /// Sends so much of what is in the buffer, as far and as fast as the receiver's window allows.
    async fn data(&mut self, mut length: usize, last: bool) -> Result<(), Failed> {
        while length > 0 {
            self.to.reserve_capacity(length);
            self.deadline.set(self.patience);
            let capacity = self.deadline.within(poll_fn(|context| self.to.poll_capacity(context))).await;
            let Ok(Some(Ok(capacity))) = capacity else { return Err(Failed::Http2) };
            let part = capacity.min(length);
            if part == 0 {
                continue;
            }
            let data = Bytes::copy_from_slice(&self.buffer.data()[..part]);
            self.buffer.consume(part);
            length -= part;
            self.to.send_data(data, last && length == 0).map_err(|_| Failed::Http2)?;
        }
        Ok(())
    }
}

//! A connection that went over to another protocol: bytes both ways, each until its side ends.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::buffer::Buffer;
use crate::client::{After, Client};
use crate::exchange::{Answer, Server};
use crate::stream::Stream;
use crate::write_all::write_all;

/// Without a byte in either direction for this long it is over.
const SILENCE: Duration = Duration::from_hours(1);

/// One direction.
struct Way<'a> {
    from: &'a Stream,
    to: &'a Stream,
    buffer: Buffer,
    /// The side it comes from has ended.
    ended: bool,
    /// The other side has been told so.
    finished: bool,
}

/// Sends the response's head, then copies until both sides have ended, one is broken, or both are silent.
pub async fn after_upgrade(client: &mut Client, answer: Answer) -> After {
    client.deadline.set(SILENCE);
    if !matches!(client.deadline.within(write_all(&client.stream, &answer.out)).await, Ok(Ok(()))) {
        return After::Reset;
    }
    tunnel(client, answer.server, SILENCE).await;
    After::Close
}

/// Copies until both sides have ended, one is broken, or both are silent for so long.
pub async fn tunnel(client: &mut Client, server: Server, silence: Duration) {
    client.deadline.set(silence);
    let sent = std::mem::take(&mut client.buffer);
    let mut up =
        Way { from: &client.stream, to: &server.stream, buffer: sent, ended: client.half_closed, finished: false };
    let mut down =
        Way { from: &server.stream, to: &client.stream, buffer: server.buffer, ended: false, finished: false };
    let both = poll_fn(|context| {
        let (Ok(moved_up), Ok(moved_down)) = (up.turn(context), down.turn(context)) else {
            return Poll::Ready(());
        };
        if moved_up || moved_down {
            client.deadline.set(silence);
        }
        if up.finished && down.finished { Poll::Ready(()) } else { Poll::Pending }
    });
    let _ = client.deadline.within(both).await;
}

impl Way<'_> {
    /// Moves what can be moved without waiting; whether anything was.
    ///
    /// # Errors
    /// When one of the two is broken.
    fn turn(&mut self, context: &mut Context<'_>) -> io::Result<bool> {
        let mut moved = false;
        while !self.finished {
            if !self.buffer.is_empty() {
                if self.to.poll_write_ready(context).is_pending() {
                    break;
                }
                match self.to.try_write(self.buffer.data()) {
                    Ok(written) => self.buffer.consume(written),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                    Err(error) => return Err(error),
                }
                moved = true;
            } else if self.ended {
                let _ = self.to.finish_writing();
                self.finished = true;
            } else {
                if self.from.poll_read_ready(context).is_pending() {
                    break;
                }
                match self.from.try_read(&mut self.buffer) {
                    Ok(0) => self.ended = true,
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(moved)
    }
}

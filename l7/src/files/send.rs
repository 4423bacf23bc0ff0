//! The bytes of a file on their way to the client: a small one with the head at once, the rest of a large one by the kernel (sendfile), or
//! copied where the kernel can't.

use std::fs::File;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use nix::sys::sendfile::sendfile64;
use tokio::io::Interest;

use crate::buffer::{self, Buffer};
use crate::client::Client;
use crate::stream::Stream;
use crate::timers::Late;
use crate::write_all::{write_all, write_both};

/// Bytes that are sent before others of the thread get their turn: the disk may be slow.
const TURN: u64 = 1 << 20;

/// Sends `head`, which is a buffer of the caller's, and a range of the file. `silence`: how long the client may take nothing.
///
/// # Errors
/// When the client takes no more, or the file has become shorter than it was.
pub async fn send(
    client: &mut Client,
    file: &File,
    mut range: Range<u64>,
    silence: Duration,
    head: &mut Vec<u8>,
) -> io::Result<()> {
    let (stream, deadline) = (&client.stream, &client.deadline);
    let mut part = Buffer::default();
    read(file, &mut range, &mut part)?;
    deadline.set(silence);
    in_time(deadline.within(write_both(stream, head, part.data())).await)?;
    part.consume(part.data().len());
    let mut copied = !stream.is_plain();
    while !range.is_empty() {
        deadline.set(silence);
        if copied {
            read(file, &mut range, &mut part)?;
            in_time(deadline.within(write_all(stream, part.data())).await)?;
            part.consume(part.data().len());
            continue;
        }
        match in_time(deadline.within(move_some(stream, file, &range)).await) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(moved) => {
                stream.has_sent(moved as usize);
                range.start += moved;
                if moved == TURN {
                    tokio::task::yield_now().await;
                }
            }
            // Some file systems can only be read.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) => copied = true,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn in_time<T>(result: Result<io::Result<T>, Late>) -> io::Result<T> {
    result.unwrap_or_else(|Late| Err(ErrorKind::TimedOut.into()))
}

/// Reads the beginning of the range into an empty buffer, which takes as much as it has room for.
fn read(file: &File, range: &mut Range<u64>, part: &mut Buffer) -> io::Result<()> {
    while !range.is_empty() && part.data().len() < buffer::SIZE {
        let space = part.space();
        let most = space.len().min(usize::try_from(range.end - range.start).unwrap_or(usize::MAX));
        match file.read_at(&mut space[..most], range.start) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => {
                part.filled(length);
                range.start += length as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn move_some(stream: &Stream, file: &File, range: &Range<u64>) -> io::Result<u64> {
    let most = (range.end - range.start).min(TURN) as usize;
    loop {
        poll_fn(|context| stream.poll_write_ready(context)).await?;
        let moved = stream.try_io(Interest::WRITABLE, |to| {
            let mut at = range.start as libc::off64_t;
            Ok(sendfile64(to, file, Some(&mut at), most)?)
        });
        match moved {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            result => return result.map(|moved| moved as u64),
        }
    }
}

//! Writing until all of it has gone.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};

use crate::stream::Stream;

/// Small parts are copied behind each other and sent at once: cheaper than a vectored write.
const JOINED: usize = 4096;

/// Writes `head` and `body`, at once where they are small. `head` is a buffer of the caller's and may be used as scratch space.
pub async fn write_both(stream: &Stream, head: &mut Vec<u8>, body: &[u8]) -> io::Result<()> {
    if body.len() <= JOINED {
        head.extend_from_slice(body);
        return write_all(stream, head).await;
    }
    write_slices(stream, &mut [IoSlice::new(head), IoSlice::new(body)]).await
}

pub async fn write_all(stream: &Stream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(length) => bytes = &bytes[length..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                poll_fn(|context| stream.poll_write_ready(context)).await?;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

pub async fn write_slices(stream: &Stream, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match stream.try_write_vectored(slices) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(length) => IoSlice::advance_slices(&mut slices, length),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                poll_fn(|context| stream.poll_write_ready(context)).await?;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

//! Large bodies that the kernel moves from one connection to the other, through a pipe, without a copy to here.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use nix::unistd::pipe2;
use tokio::io::Interest;

use crate::stream::Stream;

/// Shorter bodies are copied: a pipe has its price too.
pub const WORTH_IT: u64 = 64 << 10;
/// Wanted size of a pipe; where it is not to be had, the default does.
const SIZE: i32 = 1 << 20;
/// Pipes that a thread keeps.
const KEPT: usize = 16;

thread_local! {
    static FREE: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

/// A pipe, and how many bytes are in it.
#[derive(Debug)]
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    filled: usize,
}

impl Pipe {
    /// An empty one.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn take() -> io::Result<Self> {
        if let Some(pipe) = FREE.with_borrow_mut(Vec::pop) {
            return Ok(pipe);
        }
        let (read, write) = pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC)?;
        let _ = fcntl(&write, FcntlArg::F_SETPIPE_SZ(SIZE));
        Ok(Self { read, write, filled: 0 })
    }

    /// Keeps it for the next body. One that is not empty is closed: its bytes belong to nobody.
    pub fn give_back(self) {
        FREE.with_borrow_mut(|free| {
            if self.filled == 0 && free.len() < KEPT {
                free.push(self);
            }
        });
    }

    pub fn filled(&self) -> usize {
        self.filled
    }

    /// Fills it from a connection with at most `most` bytes; 0 at the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there.
    pub fn fill(&mut self, from: &Stream, most: u64) -> io::Result<usize> {
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(SIZE as usize);
        let moved = from.try_io(Interest::READABLE, |from| {
            Ok(splice(
                from,
                None,
                &self.write,
                None,
                most,
                SpliceFFlags::SPLICE_F_NONBLOCK | SpliceFFlags::SPLICE_F_MOVE,
            )?)
        })?;
        self.filled += moved;
        Ok(moved)
    }

    /// Empties it into a connection as far as that takes it.
    ///
    /// # Errors
    /// `WouldBlock` when it takes nothing now.
    pub fn drain(&mut self, to: &Stream) -> io::Result<()> {
        let moved = to.try_io(Interest::WRITABLE, |to| {
            let flags = SpliceFFlags::SPLICE_F_NONBLOCK | SpliceFFlags::SPLICE_F_MOVE;
            Ok(splice(&self.read, None, to, None, self.filled, flags)?)
        })?;
        to.has_sent(moved);
        self.filled -= moved.min(self.filled);
        Ok(())
    }
}

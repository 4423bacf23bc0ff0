//! Waiting for packets and for other threads.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use crate::sys;

/// Descriptors to wait for, made once and used for every wait. It does not own them: take a closed one out with
/// [`Poller::clear`], else it counts as ready for ever.
#[derive(Debug, Default)]
pub struct Poller {
    entries: Vec<libc::pollfd>,
}

impl Poller {
    /// Waits for nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all descriptors.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Adds a descriptor to wait for until it is readable (a port has received, a waker was woken); its place for
    /// [`Poller::is_ready`].
    pub fn add(&mut self, fd: BorrowedFd<'_>) -> usize {
        self.entries.push(libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 });
        self.entries.len() - 1
    }

    /// Waits until a descriptor is ready or the time is over, and says how many are ready. A signal ends the wait early. On ports in
    /// copy mode it also sends what is left in the TX ring.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<usize> {
        sys::poll(&mut self.entries, timeout)
    }

    /// Whether the descriptor at that place was ready at the last wait.
    pub fn is_ready(&self, place: usize) -> bool {
        self.entries.get(place).is_some_and(|entry| entry.revents != 0)
    }
}

/// Ends a wait from another thread.
#[derive(Debug)]
pub struct Waker {
    fd: OwnedFd,
}

impl Waker {
    /// A waker that was not woken.
    pub fn new() -> io::Result<Self> {
        Ok(Self { fd: sys::eventfd()? })
    }

    /// Makes the waker ready until it is [`drain`](Waker::drain)ed.
    pub fn wake(&self) -> io::Result<()> {
        match sys::write(self.fd.as_fd(), &1u64.to_ne_bytes()) {
            // The counter is at its maximum: woken more than enough.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            other => other.map(drop),
        }
    }

    /// Makes the waker not ready again; whether it was woken.
    pub fn drain(&self) -> bool {
        sys::read(self.fd.as_fd(), &mut [0; 8]).is_ok()
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests;

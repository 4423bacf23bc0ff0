//! Telling the kernel that there is something to send, and making sense of its answers.

use super::{Mode, Port};

/// What became of a [`Port::flush`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kick {
    /// The TX ring is empty, no system call was needed.
    Idle,
    /// The kernel looks at the ring by itself, no system call was needed.
    NotNeeded,
    /// The kernel took all packets, or (zero copy) was woken.
    Done,
    /// Packets are left in the TX ring; a later flush sends them.
    Stalled,
    /// The kernel is short of memory; a later flush sends the rest.
    NoMemory,
    /// The device is down. Packets left in the ring would go out, old, when it comes back: close the port and open it again then.
    DeviceDown,
    /// The device is gone, the socket is of no use any more.
    DeviceGone,
    /// The kernel answered with an unexpected error, counted as `kick_failed`.
    Failed,
}

/// Kicks per flush. A full ring of 2048 at the fixed budget of 32 per call, the least that kernels have, takes 64.
const TRIES: usize = 64;

impl Port {
    /// Publishes the queued packets and makes the kernel send them, if it needs telling. Never blocks; at most 64 system calls.
    #[inline]
    pub fn flush(&mut self) -> Kick {
        self.tx.publish();
        if self.tx.outstanding() == 0 {
            return Kick::Idle;
        }
        if !self.tx.needs_wakeup() {
            return Kick::NotNeeded;
        }
        self.kick()
    }

    fn kick(&mut self) -> Kick {
        for _ in 0..TRIES {
            // A full completion ring stops the kernel, silently.
            let drained = self.drain_completions();
            self.counters.kicks += 1;
            match self.kernel.kick().map_err(|error| error.raw_os_error().unwrap_or(0)) {
                Ok(()) if self.mode == Mode::ZeroCopy || self.tx.outstanding() == 0 => return Kick::Done,
                Ok(()) if drained == 0 => break,
                Ok(()) => {}
                Err(libc::EAGAIN) => self.counters.kick_again += 1,
                // The kernel dropped this one packet and completed it; those behind it still want to go.
                Err(libc::EBUSY) => self.counters.kick_dropped += 1,
                Err(libc::ENOBUFS | libc::ENOMEM) => {
                    self.counters.kick_no_memory += 1;
                    return Kick::NoMemory;
                }
                Err(libc::ENETDOWN) => {
                    self.counters.kick_device_down += 1;
                    return Kick::DeviceDown;
                }
                Err(libc::ENXIO | libc::EBADF | libc::ENODEV) => {
                    self.counters.kick_device_gone += 1;
                    return Kick::DeviceGone;
                }
                Err(_) => {
                    self.counters.kick_failed += 1;
                    return Kick::Failed;
                }
            }
            if self.tx.outstanding() == 0 {
                return Kick::Done;
            }
        }
        self.counters.stalled += 1;
        Kick::Stalled
    }

    /// Moves completions aside until the next `reap`, as far as there is room for them.
    fn drain_completions(&mut self) -> usize {
        let before = self.completed.len();
        while self.completed.len() < self.completed.capacity() {
            let Some(address) = self.completion.pop() else { break };
            self.completed.push(address);
        }
        self.completion.release();
        self.completed.len() - before
    }
}

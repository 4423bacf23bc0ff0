//! AF_XDP sockets: the way from a UMEM and a (device, queue) to a [`Port`].
//!
//! All sockets of a worker share its UMEM, so a packet received on one device leaves on another without a copy. The kernel binds
//! the first socket with a mode (zero copy or copy) that all later ones inherit: one device without zero copy therefore means copy
//! mode for the whole worker.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::abi::{self, SOL_XDP};
use crate::device::Device;
use crate::error::XskError;
use crate::port::{Mode, Port};
use crate::steering::Attach;
use crate::sys;
use crate::umem::{FramePool, Umem};

mod set_up;

/// Which mode the sockets of a worker are bound in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ZeroCopy {
    /// Zero copy if all devices have it, else copy.
    #[default]
    Auto,
    /// Zero copy or an error.
    Require,
    /// Copy mode.
    Never,
}

/// Preferred busy polling: the driver's receive loop runs in the worker's system calls. Of use on real network cards only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BusyPoll {
    /// Microseconds one call may poll.
    pub micros: u32,
    /// Packets one call may process.
    pub budget: u32,
}

/// How sockets are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketOptions {
    /// Entries of each of the four rings; a power of two.
    pub ring_size: u32,
    /// Bind mode.
    pub zero_copy: ZeroCopy,
    /// Busy polling; `None` leaves it to interrupts.
    pub busy_poll: Option<BusyPoll>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self { ring_size: 2048, zero_copy: ZeroCopy::Auto, busy_poll: None }
    }
}

/// A port that is wanted.
#[derive(Debug, Clone, Copy)]
pub struct PortRequest<'a> {
    /// The device, asked for after the steering program was attached.
    pub device: &'a Device,
    /// Its queue.
    pub queue: u32,
    /// How the steering program runs on the device.
    pub attach: Attach,
}

/// Why the sockets of a worker are in copy mode although zero copy was wanted.
#[derive(Debug)]
pub struct NoZeroCopy {
    /// The device that refused.
    pub device: String,
    /// Its queue.
    pub queue: u32,
    /// What the kernel said.
    pub source: io::Error,
}

/// The sockets of one worker.
#[derive(Debug)]
pub struct Sockets {
    umem: Umem,
    options: SocketOptions,
    /// Mode for the next socket that registers the UMEM.
    zero_copy: bool,
    refused: Option<NoZeroCopy>,
    /// Sockets that are bound to the UMEM as long as their ports exist.
    bound: Vec<Weak<OwnedFd>>,
}

/// A socket closed a moment ago keeps its queue busy until the kernel has cleaned up after it.
const BUSY_PATIENCE: Duration = Duration::from_secs(1);
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// Packets the kernel sends per kick in copy mode, instead of 32 (since 6.17). Any value from 32 to 256 measured the same; this one
/// is a burst.
const TX_BUDGET: i32 = 64;

impl Sockets {
    /// No sockets yet.
    pub fn new(umem: &Umem, options: SocketOptions) -> Result<Self, XskError> {
        let entries = options.ring_size;
        if !entries.is_power_of_two() || !(64..=32768).contains(&entries) {
            return Err(XskError::RingSize { entries });
        }
        let zero_copy = options.zero_copy != ZeroCopy::Never;
        Ok(Self { umem: umem.clone(), options, zero_copy, refused: None, bound: Vec::new() })
    }

    /// Opens all ports of a worker, in one mode. On an error none stays open and the pool is as it was.
    pub fn open_all(&mut self, requests: &[PortRequest<'_>], pool: &mut FramePool) -> Result<Vec<Port>, XskError> {
        match self.try_all(requests, pool) {
            Err(XskError::NoZeroCopy { device, queue, source }) if self.options.zero_copy == ZeroCopy::Auto => {
                self.fall_back(NoZeroCopy { device, queue, source });
                self.try_all(requests, pool)
            }
            other => other,
        }
    }

    /// Opens one more port, or one again whose device was away. It gets the mode of the sockets that are open.
    pub fn open(&mut self, request: PortRequest<'_>, pool: &mut FramePool) -> Result<Port, XskError> {
        self.bound.retain(|socket| socket.strong_count() > 0);
        let first = self.bound.is_empty();
        match self.try_open(request, pool) {
            Err(XskError::NoZeroCopy { device, queue, source })
                if first && self.options.zero_copy == ZeroCopy::Auto =>
            {
                self.fall_back(NoZeroCopy { device, queue, source });
                self.try_open(request, pool)
            }
            other => other,
        }
    }

    /// Why the sockets are in copy mode, when zero copy was wanted.
    pub fn refused(&self) -> Option<&NoZeroCopy> {
        self.refused.as_ref()
    }

    fn fall_back(&mut self, refused: NoZeroCopy) {
        self.zero_copy = false;
        self.refused = Some(refused);
    }

    fn try_all(&mut self, requests: &[PortRequest<'_>], pool: &mut FramePool) -> Result<Vec<Port>, XskError> {
        let mut ports = Vec::with_capacity(requests.len());
        for request in requests {
            match self.try_open(*request, pool) {
                Ok(port) => ports.push(port),
                Err(error) => {
                    for port in ports {
                        port.close(pool);
                    }
                    return Err(error);
                }
            }
        }
        Ok(ports)
    }

    fn try_open(&mut self, request: PortRequest<'_>, pool: &mut FramePool) -> Result<Port, XskError> {
        request.device.check_frame_size(self.umem.frame_size())?;
        request.device.check_queue(request.queue)?;
        if self.zero_copy && request.attach == Attach::Generic {
            let source = io::Error::new(io::ErrorKind::Unsupported, "the steering program runs in generic mode");
            return Err(XskError::NoZeroCopy {
                device: request.device.name().to_string(),
                queue: request.queue,
                source,
            });
        }
        self.bound.retain(|socket| socket.strong_count() > 0);
        let port = set_up::port(&self.umem, self.options.ring_size, request, self.bound.is_empty(), pool)?;
        match self.bind(&port, request) {
            Ok(()) => Ok(self.finish(port, request)),
            Err(error) => {
                port.close(pool);
                Err(error)
            }
        }
    }

    fn bind(&self, port: &Port, request: PortRequest<'_>) -> Result<(), XskError> {
        let Some(fd) = port.fd() else { return Ok(()) };
        let sharers: Vec<_> = self.bound.iter().filter_map(Weak::upgrade).collect();
        let mode = if self.zero_copy { abi::XDP_ZEROCOPY } else { abi::XDP_COPY };
        let outcome = if sharers.is_empty() {
            bind_patiently(fd, request, mode | abi::XDP_USE_NEED_WAKEUP, 0)
        } else {
            // A socket whose device is gone is not bound any more (EBADF), but the next one may be.
            sharers
                .iter()
                .map(|socket| bind_patiently(fd, request, abi::XDP_SHARED_UMEM, socket.as_raw_fd() as u32))
                .find(|outcome| outcome.as_ref().map_err(io::Error::raw_os_error) != Err(Some(libc::EBADF)))
                .unwrap_or_else(|| Err(io::Error::from_raw_os_error(libc::EBADF)))
        };
        outcome.map_err(|source| self.explain(request, source))
    }

    fn explain(&self, request: PortRequest<'_>, source: io::Error) -> XskError {
        /// The kernel's internal number, which some drivers let escape.
        const ENOTSUPP: i32 = 524;
        let (device, queue) = (request.device.name().to_string(), request.queue);
        match source.raw_os_error() {
            Some(libc::EBUSY) => XskError::Busy { device, queue },
            Some(libc::EOPNOTSUPP | libc::EINVAL | ENOTSUPP) if self.zero_copy => {
                XskError::NoZeroCopy { device, queue, source }
            }
            _ => XskError::Socket { device, queue, step: "bind", source },
        }
    }

    fn finish(&mut self, mut port: Port, request: PortRequest<'_>) -> Port {
        let Some(socket) = port.socket() else { return port };
        let fd = socket.as_fd();
        let zero_copy = sys::option::<u32>(fd, SOL_XDP, abi::XDP_OPTIONS).unwrap_or(0) & abi::XDP_OPTIONS_ZEROCOPY != 0;
        // The options below are wishes: kernels that do not know them work without.
        if !zero_copy {
            let _ = sys::set_option(fd, SOL_XDP, abi::XDP_MAX_TX_SKB_BUDGET, &TX_BUDGET);
        }
        if let Some(busy) = self.options.busy_poll {
            let _ = sys::set_option(fd, libc::SOL_SOCKET, abi::SO_PREFER_BUSY_POLL, &1i32);
            let _ = sys::set_option(fd, libc::SOL_SOCKET, abi::SO_BUSY_POLL, &busy.micros);
            let _ = sys::set_option(fd, libc::SOL_SOCKET, abi::SO_BUSY_POLL_BUDGET, &busy.budget);
        }
        self.bound.push(Arc::downgrade(&socket));
        port.set_mode(match (zero_copy, request.attach) {
            (true, _) => Mode::ZeroCopy,
            (false, Attach::Native) => Mode::Copy,
            (false, Attach::Generic) => Mode::Generic,
        });
        port
    }
}

fn bind_patiently(fd: BorrowedFd<'_>, request: PortRequest<'_>, flags: u16, shared_umem_fd: u32) -> io::Result<()> {
    let address = abi::Address {
        family: abi::AF_XDP as u16,
        flags,
        ifindex: request.device.index(),
        queue: request.queue,
        shared_umem_fd,
    };
    let start = Instant::now();
    loop {
        match sys::bind(fd, &address) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) && start.elapsed() < BUSY_PATIENCE => {
                #[expect(clippy::disallowed_methods, reason = "the kernel tells nobody when the queue is free")]
                std::thread::sleep(BUSY_PAUSE);
            }
            other => return other,
        }
    }
}

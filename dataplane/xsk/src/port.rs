//! One (device, queue) of a worker: four rings, and the kernel or its stand-in behind them.
//!
//! One round of a worker, per port: [`reap`](Port::reap), [`receive`](Port::receive), process, [`transmit`](Port::transmit),
//! [`flush`](Port::flush), [`refill`](Port::refill), [`wake_rx`](Port::wake_rx).
//!
//! The port knows which chunks are in its rings, one bit each. So no answer of the kernel can make two frames of one chunk, the
//! accounting (free + frames in rings + frames in process = total) is exact, and all chunks come back when the port is closed.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use crate::abi::{Descriptor, XDP_PKT_CONTD, XdpStatistics};
use crate::frame::Frame;
use crate::ring::{Consumer, Producer};
use crate::umem::{Area, FramePool};

mod counters;
mod held;
mod kernel;
mod kick;

pub use counters::PortCounters;
pub use kick::Kick;

pub(crate) use held::Held;
pub(crate) use kernel::Kernel;

/// How packets get from the device into the UMEM and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The device reads and writes the UMEM itself.
    ZeroCopy,
    /// The driver runs the steering program, the kernel copies each packet.
    Copy,
    /// The steering program runs late, on kernel packet buffers (`generic`): slow, and checksums may be partial.
    Generic,
    /// No kernel at all, see [`memory_port`](crate::memory_port).
    Memory,
}

/// The kernel refuses shorter packets than an Ethernet header.
const MIN_PACKET: usize = 14;
/// Slots asked for at once when the free room of the TX ring is read anew: one burst.
const BURST: u32 = 64;

/// One (device, queue), owned by the worker that serves it.
#[derive(Debug)]
pub struct Port {
    // Rings and kernel come first: they are closed before the chunks they refer to are counted home.
    rx: Consumer<Descriptor>,
    tx: Producer<Descriptor>,
    fill: Producer<u64>,
    completion: Consumer<u64>,
    kernel: Kernel,
    held: Held,
    /// Addresses taken from the completion ring between two calls of `reap`; they still count as held.
    completed: Vec<u64>,
    area: Arc<Area>,
    device: u32,
    queue: u32,
    mode: Mode,
    counters: PortCounters,
}

/// What a port is put together from.
pub(crate) struct Parts {
    pub(crate) rx: Consumer<Descriptor>,
    pub(crate) tx: Producer<Descriptor>,
    pub(crate) fill: Producer<u64>,
    pub(crate) completion: Consumer<u64>,
    pub(crate) kernel: Kernel,
    pub(crate) held: Held,
    pub(crate) area: Arc<Area>,
    pub(crate) device: u32,
    pub(crate) queue: u32,
    pub(crate) mode: Mode,
}

impl Port {
    pub(crate) fn new(parts: Parts) -> Self {
        let completed = Vec::with_capacity(parts.completion.size() as usize);
        let Parts { rx, tx, fill, completion, kernel, held, area, device, queue, mode } = parts;
        let counters = PortCounters::default();
        Self { rx, tx, fill, completion, kernel, held, completed, area, device, queue, mode, counters }
    }

    /// Moves up to `max` received packets to `out`, never beyond its capacity, and says how many.
    ///
    /// A descriptor that makes no sense is counted (`rx_rejected`); if its chunk was ours, it arrives as an empty frame.
    #[inline]
    pub fn receive(&mut self, out: &mut Vec<Frame>, max: usize) -> usize {
        let before = out.len();
        let wanted = max.min(out.capacity() - before) as u32;
        let count = self.rx.available(wanted).min(wanted);
        for _ in 0..count {
            let Some(descriptor) = self.rx.pop() else { break };
            if let Some(frame) = self.received(descriptor) {
                out.push(frame);
            }
        }
        self.rx.release();
        out.len() - before
    }

    /// Fills the fill ring as far as the pool allows.
    ///
    /// # Panics
    /// When the pool is of another UMEM.
    #[inline]
    pub fn refill(&mut self, pool: &mut FramePool) {
        assert!(pool.is_of(&self.area), "a port is filled from the pool of its own UMEM");
        fill_from(&mut self.fill, &mut self.held, &self.area, pool);
    }

    /// Gives the chunks of sent packets back to the pool and says how many.
    ///
    /// # Panics
    /// When the pool is of another UMEM.
    #[inline]
    pub fn reap(&mut self, pool: &mut FramePool) -> usize {
        assert!(pool.is_of(&self.area), "a port gives back to the pool of its own UMEM");
        let before = pool.available();
        while let Some(address) = self.completed.pop().or_else(|| self.completion.pop()) {
            match self.area.locate(address) {
                Some((chunk, _)) if self.held.remove(chunk) => pool.put(chunk),
                _ => self.counters.completion_rejected += 1,
            }
        }
        self.completion.release();
        pool.available() - before
    }

    /// Packets the TX ring can take now.
    #[inline]
    pub fn tx_room(&mut self) -> usize {
        self.tx.room(BURST) as usize
    }

    /// Queues a packet; it leaves with the next [`flush`](Port::flush).
    ///
    /// # Errors
    /// The frame itself, when the TX ring is full, or (counted as `tx_rejected`) when the packet is shorter than an Ethernet header
    /// or of another UMEM: the kernel would swallow such a descriptor and never give its chunk back.
    #[inline]
    pub fn transmit(&mut self, frame: Frame) -> Result<(), Frame> {
        let chunk = match self.area.index(&frame) {
            Some(chunk) if frame.len() >= MIN_PACKET => chunk,
            _ => {
                self.counters.tx_rejected += 1;
                return Err(frame);
            }
        };
        let address = self.area.address(chunk) + frame.headroom() as u64;
        if self.tx.push(Descriptor { address, len: frame.len() as u32, options: 0 }).is_err() {
            return Err(frame);
        }
        self.held.insert(chunk);
        Ok(())
    }

    /// Wakes the kernel if it waits for that before it looks at the fill ring (zero copy only).
    #[inline]
    pub fn wake_rx(&mut self) {
        if self.fill.needs_wakeup() && self.kernel.wake().is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock)
        {
            self.counters.wake_failed += 1;
        }
    }

    /// Chunks in the four rings, or with the kernel between them.
    pub fn frames_in_rings(&self) -> usize {
        self.held.len()
    }

    /// What the kernel counted on the socket; all zero for a port in memory.
    pub fn statistics(&self) -> io::Result<XdpStatistics> {
        self.kernel.statistics()
    }

    /// How packets move on this port.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Interface index of the device; 0 for a port in memory.
    pub fn device(&self) -> u32 {
        self.device
    }

    /// Queue of the device.
    pub fn queue(&self) -> u32 {
        self.queue
    }

    /// What this port counted itself.
    pub fn counters(&self) -> &PortCounters {
        &self.counters
    }

    /// The socket, to poll it or to register it with the steering program; `None` for a port in memory.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.kernel.fd()
    }

    /// Closes the socket and gives all chunks of its rings back to the pool, among them packets that were not sent. Says how many.
    ///
    /// In zero copy the device may write to chunks it had for a moment longer, until the driver has stopped the queue.
    ///
    /// # Panics
    /// When the pool is of another UMEM.
    pub fn close(self, pool: &mut FramePool) -> usize {
        assert!(pool.is_of(&self.area), "a port gives back to the pool of its own UMEM");
        let Self { rx, tx, fill, completion, kernel, mut held, .. } = self;
        // Each mapped ring keeps the socket open, so all of them have to go before its chunks are ours.
        drop((rx, tx, fill, completion));
        kernel.close();
        let before = pool.available();
        held.drain(|chunk| pool.put(chunk));
        pool.available() - before
    }

    #[inline]
    fn received(&mut self, descriptor: Descriptor) -> Option<Frame> {
        let located = self.area.locate(descriptor.address).filter(|(chunk, _)| self.held.remove(*chunk));
        let Some((chunk, start)) = located else {
            self.counters.rx_rejected += 1;
            return None;
        };
        let fits = u32::from(start).checked_add(descriptor.len).is_some_and(|end| end <= self.area.frame_size());
        let len = if fits && descriptor.options & XDP_PKT_CONTD == 0 {
            descriptor.len as u16
        } else {
            self.counters.rx_rejected += 1;
            0
        };
        // SAFETY: the port held the chunk until `remove`; the bounds were just checked.
        Some(unsafe { self.area.frame(chunk, start, len) })
    }
}

/// Moves chunks from the pool to a fill ring until either is exhausted, and publishes them.
#[inline]
pub(crate) fn fill_from(fill: &mut Producer<u64>, held: &mut Held, area: &Area, pool: &mut FramePool) {
    for _ in 0..fill.room(fill.size()) {
        let Some(chunk) = pool.take() else { break };
        if fill.push(area.address(chunk)).is_err() {
            pool.put(chunk);
            break;
        }
        held.insert(chunk);
    }
    fill.publish();
}

#[cfg(test)]
mod tests;

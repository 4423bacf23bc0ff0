//! A port whose kernel is a [`Wire`] in memory: for tests, fuzzing and benchmarks, without privileges.
//!
//! The wire does with the rings what the kernel does in copy mode: a delivered packet takes a chunk from the fill ring, is copied to
//! offset 256 and appears in the RX ring; a sent packet is copied out of its chunk, which appears in the completion ring.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::abi::Descriptor;
use crate::error::XskError;
use crate::port::{Held, Kernel, Mode, Parts, Port};
use crate::ring::{self, Consumer, Producer};
use crate::umem::{Area, HEADROOM, Umem};

/// Makes a port on `umem` and the wire behind it, with rings of `ring_size` entries. The fill ring starts empty: call
/// [`Port::refill`] before the first delivery.
pub fn memory_port(umem: &Umem, ring_size: u32) -> Result<(Port, Wire), XskError> {
    if !ring_size.is_power_of_two() || !(2..=32768).contains(&ring_size) {
        return Err(XskError::RingSize { entries: ring_size });
    }
    let failed = |source| XskError::Ring { entries: ring_size, source };
    let (rx_in, rx) = ring::pair::<Descriptor>(ring_size).map_err(failed)?;
    let (tx, tx_out) = ring::pair::<Descriptor>(ring_size).map_err(failed)?;
    let (fill, fill_out) = ring::pair::<u64>(ring_size).map_err(failed)?;
    let (completion_in, completion) = ring::pair::<u64>(ring_size).map_err(failed)?;
    let area = umem.area().clone();
    let link = Arc::new(Link { open: Mutex::new(true), answers: Mutex::new(VecDeque::new()) });
    let port = Port::new(Parts {
        rx,
        tx,
        fill,
        completion,
        kernel: Kernel::Memory(link.clone()),
        held: Held::none_of(area.clone()),
        area: area.clone(),
        device: 0,
        queue: 0,
        mode: Mode::Memory,
    });
    let wire = Wire { rx: rx_in, tx: tx_out, fill: fill_out, completion: completion_in, link, area };
    Ok((port, wire))
}

/// The far end of a port in memory. Once the port is closed, it delivers and collects nothing.
#[derive(Debug)]
pub struct Wire {
    rx: Producer<Descriptor>,
    tx: Consumer<Descriptor>,
    fill: Consumer<u64>,
    completion: Producer<u64>,
    link: Arc<Link>,
    area: Arc<Area>,
}

impl Wire {
    /// Delivers a copy of `packet`; false when the fill ring is empty, the RX ring full or the packet longer than a chunk.
    pub fn deliver(&mut self, packet: &[u8]) -> bool {
        self.deliver_with(packet.len(), |bytes| bytes.copy_from_slice(packet))
    }

    /// Delivers a packet of `len` bytes that `write` lays down in place. What it does not write is what the chunk held before, so a
    /// benchmark may renew just the headers.
    pub fn deliver_with(&mut self, len: usize, write: impl FnOnce(&mut [u8])) -> bool {
        let link = self.link.clone();
        let open = link.open.lock().unwrap_or_else(PoisonError::into_inner);
        if !*open || len > self.area.frame_size() as usize - HEADROOM || self.rx.room(1) == 0 {
            return false;
        }
        let Some((chunk, _)) = self.fill.pop().and_then(|address| self.area.locate(address)) else { return false };
        self.fill.release();
        // SAFETY: the port gave the chunk away with the fill ring, and takes it back only from the RX ring or, after `Link::close`,
        // which waits for the lock held here. HEADROOM + len was checked to lie inside the chunk, which is initialised memory.
        let bytes = unsafe { std::slice::from_raw_parts_mut(self.area.chunk(chunk).add(HEADROOM).as_ptr(), len) };
        write(bytes);
        let address = self.area.address(chunk) + HEADROOM as u64;
        let delivered = self.rx.push(Descriptor { address, len: len as u32, options: 0 }).is_ok();
        self.rx.publish();
        delivered
    }

    /// All packets the port has sent (flushed) since the last call; their chunks go to the completion ring.
    pub fn collect(&mut self) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        self.collect_with(|packet| packets.push(packet.to_vec()));
        packets
    }

    /// Shows each packet the port has sent to `read`, without a copy, and says how many. Stops early when the completion ring is
    /// full.
    pub fn collect_with(&mut self, mut read: impl FnMut(&[u8])) -> usize {
        let link = self.link.clone();
        let open = link.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut count = 0;
        while *open && self.completion.room(1) > 0 {
            let Some(Descriptor { address, len, .. }) = self.tx.pop() else { break };
            if let Some((chunk, start)) = self.area.locate(address) {
                // SAFETY: the port gave the chunk away with the TX ring and takes it back only from the completion ring or after
                // `Link::close`, which waits for the lock held here. `Port::transmit` put a frame there, so the packet lies inside
                // its chunk.
                read(unsafe {
                    std::slice::from_raw_parts(self.area.chunk(chunk).add(usize::from(start)).as_ptr(), len as usize)
                });
            }
            count += usize::from(self.completion.push(address).is_ok());
        }
        self.tx.release();
        self.completion.publish();
        count
    }

    /// Makes the port need a system call for sending, and fixes what the next calls answer: 0, or an errno. After the last one they
    /// answer 0 again.
    pub fn answer_kicks(&mut self, answers: &[i32]) {
        self.tx.set_needs_wakeup(true);
        self.link.answers.lock().unwrap_or_else(PoisonError::into_inner).extend(answers);
    }
}

/// What both ends of a port in memory share beside the rings.
#[derive(Debug)]
pub(crate) struct Link {
    /// Held by the wire while it touches chunks.
    open: Mutex<bool>,
    answers: Mutex<VecDeque<i32>>,
}

impl Link {
    pub(crate) fn kick(&self) -> io::Result<()> {
        match self.answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front() {
            None | Some(0) => Ok(()),
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    /// After this the wire touches no chunk.
    pub(crate) fn close(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }
}

#[cfg(test)]
mod tests;

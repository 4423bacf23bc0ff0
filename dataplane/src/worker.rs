//! The loop of one core.
//!
//! One round: look at the snapshot, then per lane (a device's queue) reap what was sent, receive a burst, run the pipeline over it,
//! transmit, kick, refill. A lane's burst goes all the way before the next lane's, so that its frames are still in the cache. Housekeeping
//! (timers, parked packets, counters) runs between rounds, every [`HOUSEKEEPING_MS`].
//!
//! The thread owns everything here. It never allocates, locks, or makes a system call other than the kick, the poll when idle, and one
//! write for a packet that belongs to the kernel's stack.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arc_swap::{ArcSwap, Cache};
use crossbeam::channel::Sender;
use headgate_wire::{EtherType, MacAddr, ether};
use headgate_xsk::{Frame, FramePool, Kick, Port};

use crate::counters::Counters;
use crate::drop_reason::DropReason;
use crate::path_mtu::PathMtus;
use crate::pipeline::{BURST, Env, Now, Pipeline, Resolve, Verdict};
use crate::servers::Servers;
use crate::snapshot::{DeviceId, Snapshot};
use crate::table::Table;

/// Milliseconds between two runs of the housekeeping while packets come in.
pub const HOUSEKEEPING_MS: u64 = 10;
/// Timers looked at per housekeeping: 200 000 a second, so that a mass of connections ending at once does not stop the packets.
const TIMERS_PER_RUN: usize = 2_000;
/// The longest sleep of an idle worker; a tick of the table is 125 ms.
const IDLE_MS: u64 = 100;
/// A lane whose device is down is tried again after this long.
const RETRY_MS: u64 = 100;
/// The longest sleep while packets are left in a TX ring.
const UNSENT_MS: u64 = 1;

/// How packets get to the kernel's own stack.
pub trait KernelStack: Send {
    /// Hands over an Ethernet frame addressed to [`Self::mac`].
    fn send(&mut self, frame: &[u8]) -> std::io::Result<()>;
    fn mac(&self) -> MacAddr;
}

/// What all workers share.
#[derive(Debug, Clone)]
pub struct Shared {
    pub table: Arc<Table>,
    pub servers: Arc<Servers>,
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    pub path_mtus: Arc<PathMtus>,
    /// Neighbours that should be resolved.
    pub resolve: Sender<Resolve>,
}

/// What one worker owns.
pub struct Resources {
    pub frames: FramePool,
    /// The ports with the device each belongs to.
    pub lanes: Vec<(DeviceId, Port)>,
    pub kernel: Box<dyn KernelStack>,
    pub counters: Arc<Counters>,
    /// How many connections' timers the worker can hold.
    pub timers: usize,
    pub seed: u64,
}

/// One device's queue.
struct Lane {
    device: DeviceId,
    port: Port,
    /// Set while the device cannot send: nothing is queued, and the kick is tried again at that time.
    down_until_ms: Option<u64>,
}

/// One worker.
pub struct Worker {
    shared: Shared,
    snapshot: Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>,
    generation: u64,
    pipeline: Pipeline,
    frames: FramePool,
    lanes: Vec<Lane>,
    /// The lane to send on, by device.
    out: Vec<Option<usize>>,
    kernel: Box<dyn KernelStack>,
    counters: Arc<Counters>,
    batch: Vec<Frame>,
    /// The kernel left packets in a TX ring and wants to be told again.
    unsent: bool,
    next_housekeeping_ms: u64,
}

impl Worker {
    pub fn new(shared: Shared, resources: Resources, now: Now) -> Self {
        let Resources { frames, lanes, kernel, counters, timers, seed } = resources;
        let pipeline =
            Pipeline::new(&shared.table, timers, Arc::clone(&counters), Arc::clone(&shared.path_mtus), now, seed);
        let mut out = Vec::new();
        for (index, (device, _)) in lanes.iter().enumerate() {
            if out.len() <= device.index() {
                out.resize(device.index() + 1, None);
            }
            out[device.index()].get_or_insert(index);
        }
        let lanes = lanes.into_iter().map(|(device, port)| Lane { device, port, down_until_ms: None }).collect();
        let mut worker = Self {
            snapshot: Cache::new(Arc::clone(&shared.snapshot)),
            shared,
            generation: 0,
            pipeline,
            frames,
            lanes,
            out,
            kernel,
            counters,
            batch: Vec::with_capacity(BURST),
            unsent: false,
            next_housekeeping_ms: now.millis,
        };
        worker.housekeeping(now);
        worker
    }

    /// Serves every lane once; returns how many frames came in.
    pub fn round(&mut self, now: Now) -> usize {
        let snapshot = Arc::clone(self.snapshot.load());
        if snapshot.generation != self.generation {
            self.generation = snapshot.generation;
            self.release_held(&snapshot, now);
        }
        let mut received = 0;
        for index in 0..self.lanes.len() {
            received += self.serve(index, &snapshot, now);
        }
        if received == 0 && self.unsent {
            self.flush(now);
        }
        if now.millis >= self.next_housekeeping_ms {
            self.housekeeping(now);
        }
        received
    }

    /// Milliseconds until there is something to do even if nothing arrives.
    pub fn idle_for(&self, now: Now) -> u64 {
        if self.unsent {
            return UNSENT_MS;
        }
        if self.pipeline.frames_held() > 0 { self.next_housekeeping_ms.saturating_sub(now.millis) } else { IDLE_MS }
    }

    pub fn ports(&self) -> impl Iterator<Item = &Port> {
        self.lanes.iter().map(|lane| &lane.port)
    }

    /// Frames that are free, in rings, or parked; the total of the UMEM unless one was lost.
    pub fn frames_accounted(&self) -> usize {
        let in_rings: usize = self.ports().map(Port::frames_in_rings).sum();
        self.frames.available() + in_rings + self.pipeline.frames_held()
    }

    fn serve(&mut self, index: usize, snapshot: &Snapshot, now: Now) -> usize {
        let room = self.room();
        let lane = &mut self.lanes[index];
        lane.port.reap(&mut self.frames);
        let received = lane.port.receive(&mut self.batch, room.min(BURST));
        if received > 0 {
            self.counters.received.add(received as u64);
            let device = lane.device;
            let mut env = env(&self.shared, snapshot, &mut self.frames, now);
            self.pipeline.process(&mut env, device, &mut self.batch);
            self.deliver();
            self.flush(now);
        }
        let lane = &mut self.lanes[index];
        lane.port.refill(&mut self.frames);
        lane.port.wake_rx();
        received
    }

    /// How many packets every lane that can send has room for: what does not fit is better left in the receive ring.
    fn room(&mut self) -> usize {
        let able = self.lanes.iter_mut().filter(|lane| lane.down_until_ms.is_none());
        able.map(|lane| lane.port.tx_room()).min().unwrap_or(BURST)
    }

    /// Carries out the pipeline's verdicts.
    fn deliver(&mut self) {
        for (mut frame, verdict) in self.pipeline.verdicts() {
            match verdict {
                Verdict::Tx(device) => {
                    let lane = self.out.get(device.index()).copied().flatten().map(|index| &mut self.lanes[index]);
                    let reason = match lane {
                        Some(lane) if lane.down_until_ms.is_none() => match lane.port.transmit(frame) {
                            Ok(()) => {
                                self.counters.transmitted.add(1);
                                continue;
                            }
                            Err(returned) => {
                                frame = returned;
                                DropReason::TxRingFull
                            }
                        },
                        Some(_) => DropReason::TxRefused,
                        None => DropReason::DeviceNotServed,
                    };
                    self.counters.count_drop(reason);
                }
                Verdict::ToKernel => {
                    if hand_over(self.kernel.as_mut(), &mut frame) {
                        self.counters.to_kernel.add(1);
                    } else {
                        self.counters.count_drop(DropReason::KernelRefused);
                    }
                }
                Verdict::Drop(_) => {}
            }
            self.frames.free(frame);
        }
    }

    fn flush(&mut self, now: Now) {
        self.unsent = false;
        for lane in &mut self.lanes {
            if lane.down_until_ms.is_some_and(|until| now.millis < until) {
                continue;
            }
            lane.down_until_ms = None;
            match lane.port.flush() {
                Kick::Idle | Kick::NotNeeded | Kick::Done => {}
                Kick::Stalled | Kick::NoMemory | Kick::Failed => self.unsent = true,
                Kick::DeviceDown | Kick::DeviceGone => lane.down_until_ms = Some(now.millis + RETRY_MS),
            }
        }
    }

    fn release_held(&mut self, snapshot: &Snapshot, now: Now) {
        let mut env = env(&self.shared, snapshot, &mut self.frames, now);
        self.pipeline.release_held(&mut env);
        self.deliver();
        self.flush(now);
    }

    fn housekeeping(&mut self, now: Now) {
        self.next_housekeeping_ms = now.millis + HOUSEKEEPING_MS;
        let snapshot = Arc::clone(self.snapshot.load());
        let mut env = env(&self.shared, &snapshot, &mut self.frames, now);
        self.pipeline.expire(&mut env, TIMERS_PER_RUN);
        self.release_held(&snapshot, now);
        for request in self.pipeline.take_requests() {
            // A full channel means that the control thread is behind; the packet's sender will try again.
            let _ = self.shared.resolve.try_send(request);
        }
        for lane in &mut self.lanes {
            lane.port.reap(&mut self.frames);
        }
        self.counters.frames_total.store(self.frames.total() as u64, Relaxed);
        self.counters.frames_accounted.store(self.frames_accounted() as u64, Relaxed);
    }

    /// Gives everything back in order: parked packets are dropped, ports closed, table entries returned. All frames are free then.
    pub fn shut_down(mut self) -> FramePool {
        self.pipeline.drop_held();
        self.deliver();
        for lane in self.lanes {
            lane.port.close(&mut self.frames);
        }
        self.pipeline.release(&self.shared.table);
        self.frames
    }
}

fn env<'a>(shared: &'a Shared, snapshot: &'a Snapshot, frames: &'a mut FramePool, now: Now) -> Env<'a> {
    Env { snapshot, table: &shared.table, servers: &shared.servers, frames, now }
}

/// Gives an IP packet to the kernel's stack behind an Ethernet header of its own.
fn hand_over(kernel: &mut dyn KernelStack, frame: &mut Frame) -> bool {
    /// A locally administered address: the sender of what we hand over.
    const SOURCE: MacAddr = MacAddr([0x02, 0x68, 0x67, 0, 0, 1]);
    let is_v4 = frame.bytes().first().is_some_and(|byte| byte >> 4 == 4);
    let ethertype = if is_v4 { EtherType::IPV4 } else { EtherType::IPV6 };
    let header = ether::Header::new(kernel.mac(), SOURCE, ethertype);
    match frame.push_front(ether::Header::LEN) {
        Some(room) => room.copy_from_slice(header.as_bytes()),
        None => return false,
    }
    kernel.send(frame.bytes()).is_ok()
}

#[cfg(all(test, not(loom)))]
mod tests;

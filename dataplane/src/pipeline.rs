//! A packet's way through the balancer, from frame to verdict. No I/O, no system call, no clock: everything it needs comes in.
//!
//! ```text
//!  frames ─ classify ─ hash, prefetch ─ candidate, prefetch ─ lookup ─┬ client side ─ forward ─┬─ transmit ─ verdict
//!           (packet.rs)        the whole burst, pass by pass          ├ server side ─ reply ───┤
//!                                                                     ├ ICMP error ─ icmp_in ──┤
//!                                                                     └ no connection ─ schedule
//! ```

mod expire;
mod forward;
mod fragments;
mod hold;
mod icmp_in;
mod icmp_out;
mod persistence;
mod reassemble;
mod reply;
mod schedule;
mod split;
mod transmit;
mod tunnel;

use std::net::IpAddr;
use std::sync::Arc;

use headgate_xsk::{Frame, FramePool};

pub use hold::Resolve;

use crate::counters::Counters;
use crate::drop_reason::DropReason;
use crate::family::{Family, V4, V6};
use crate::packet::{self, Flow, Packet};
use crate::path_mtu::PathMtus;
use crate::servers::Servers;
use crate::snapshot::{DeviceId, Snapshot};
use crate::table::{Candidate, Direction, Hash, Pool, Table, Tick};
use crate::wheel::Wheel;

/// Most frames in one call of [`Pipeline::process`].
pub const BURST: usize = 64;

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Send it out of this device; the frame is complete.
    Tx(DeviceId),
    /// Hand it to the kernel's stack; the frame begins with the IP header.
    ToKernel,
    Drop(DropReason),
}

/// What a burst is processed against.
#[derive(Debug)]
pub struct Env<'a> {
    pub snapshot: &'a Snapshot,
    pub table: &'a Table,
    pub servers: &'a Servers,
    /// Where additional frames (fragments) come from.
    pub frames: &'a mut FramePool,
    pub now: Now,
}

/// The time of a burst, read once by the caller.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// For the connection table and the timers.
    pub tick: Tick,
    /// Milliseconds since an arbitrary start.
    pub millis: u64,
}

/// State of one worker's pipeline. All allocation happens in [`Pipeline::new`].
#[derive(Debug)]
pub struct Pipeline {
    pool: Pool,
    wheel: Wheel,
    sweep: Option<expire::Sweep>,
    counters: Arc<Counters>,
    burst: Vec<Stage>,
    out: Vec<(Frame, Verdict)>,
    hold: hold::HoldQueue,
    icmp: icmp_out::IcmpOut,
    path_mtus: Arc<PathMtus>,
    waiting: fragments::Fragments,
    /// The datagram that is being put together and cut again.
    datagram: Box<[u8]>,
    /// Fragments of the packet that is being cut.
    fragments: Vec<Frame>,
    /// IPv4 identification of packets made here.
    ident: u16,
    random: u64,
}

/// A classified frame on its way to the lookup.
#[derive(Debug, Clone, Copy)]
enum Stage {
    V4(Flow<V4>, Hash, Candidate),
    V6(Flow<V6>, Hash, Candidate),
    Other(Packet),
}

/// A packet that is being handled: where it came from and what was found out about it.
#[derive(Debug, Clone, Copy)]
struct Ingress {
    device: DeviceId,
    /// Frames of the device may carry half-made checksums.
    partial: bool,
}

impl Pipeline {
    /// `timers`: how many connections this worker's wheel can hold. `seed` feeds the random choices of the scheduler `twos`.
    pub fn new(
        table: &Table,
        timers: usize,
        counters: Arc<Counters>,
        path_mtus: Arc<PathMtus>,
        now: Now,
        seed: u64,
    ) -> Self {
        Self {
            pool: Pool::new(table),
            wheel: Wheel::new(timers, now.tick),
            sweep: None,
            counters,
            burst: Vec::with_capacity(BURST),
            out: Vec::with_capacity(2 * BURST),
            hold: hold::HoldQueue::new(),
            icmp: icmp_out::IcmpOut::new(now),
            path_mtus,
            waiting: fragments::Fragments::new(),
            datagram: vec![0; reassemble::MAX_DATAGRAM].into(),
            fragments: Vec::with_capacity(2 * BURST),
            ident: seed as u16,
            random: seed | 1,
        }
    }

    /// Takes all `frames`, received from `device`, through the pipeline. Verdicts wait in [`Self::verdicts`].
    pub fn process(&mut self, env: &mut Env<'_>, device: DeviceId, frames: &mut Vec<Frame>) {
        let partial = env.snapshot.network.device(device).is_some_and(|device| device.partial_checksums);
        let ingress = Ingress { device, partial };
        // Out of `self` for a while, so that its stages need not be copied.
        let mut burst = std::mem::take(&mut self.burst);
        burst.clear();
        for frame in frames.iter_mut() {
            // Each kind of stage is written by itself, and no larger than it is.
            match packet::classify(frame) {
                Packet::V4(flow) => {
                    let hash = env.table.v4().hash(&flow.key);
                    env.table.v4().prefetch(hash);
                    burst.push(Stage::V4(flow, hash, Candidate::NONE));
                }
                Packet::V6(flow) => {
                    let hash = env.table.v6().hash(&flow.key);
                    env.table.v6().prefetch(hash);
                    burst.push(Stage::V6(flow, hash, Candidate::NONE));
                }
                other => burst.push(Stage::Other(other)),
            }
        }
        for stage in &mut burst {
            match stage {
                Stage::V4(_, hash, candidate) => *candidate = env.table.v4().candidate(*hash),
                Stage::V6(_, hash, candidate) => *candidate = env.table.v6().candidate(*hash),
                Stage::Other(_) => {}
            }
        }
        if env.snapshot.services.is_empty() {
            self.without_services(env, ingress, &burst, frames);
            self.burst = burst;
            return;
        }
        for (stage, frame) in burst.iter().zip(frames.drain(..)) {
            match stage {
                Stage::V4(flow, hash, candidate) => self.flow(env, ingress, frame, flow, *hash, *candidate),
                Stage::V6(flow, hash, candidate) => self.flow(env, ingress, frame, flow, *hash, *candidate),
                Stage::Other(packet) => self.other(env, ingress, frame, *packet),
            }
        }
        self.burst = burst;
    }

    /// Frames whose fate is decided, in order; the caller takes them all.
    pub fn verdicts(&mut self) -> std::vec::Drain<'_, (Frame, Verdict)> {
        self.out.drain(..)
    }

    /// Frames that wait for a neighbour, or for the rest of their datagram.
    pub fn frames_held(&self) -> usize {
        self.hold.len() + self.waiting.frames()
    }

    /// Gives the worker's stock of free table entries back.
    pub fn release(self, table: &Table) {
        table.release(self.pool);
    }

    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    #[inline(always)]
    fn flow<F: Family>(
        &mut self,
        env: &mut Env<'_>,
        ingress: Ingress,
        frame: Frame,
        flow: &Flow<F>,
        hash: Hash,
        candidate: Candidate,
    ) {
        match F::table(env.table).lookup(&flow.key, hash, candidate) {
            Some(found) if found.direction == Direction::Forward => self.forward(env, ingress, frame, flow, &found),
            Some(found) => self.reply(env, ingress, frame, flow, &found),
            None => self.unknown(env, ingress, frame, flow),
        }
    }

    #[cold]
    fn other(&mut self, env: &mut Env<'_>, ingress: Ingress, frame: Frame, packet: Packet) {
        match packet {
            Packet::Icmp4 { l4 } => self.icmp4(env, frame, usize::from(l4)),
            Packet::Icmp6 { l4 } => self.icmp6(env, frame, usize::from(l4)),
            Packet::Fragment4 => self.fragment(env, ingress, frame, None),
            Packet::Fragment6 { header } => self.fragment(env, ingress, frame, Some(usize::from(header))),
            Packet::Bad(reason) => self.drop(frame, reason),
            Packet::Other | Packet::V4(_) | Packet::V6(_) => self.pass_to_kernel(frame),
        }
    }

    /// Without a single service IPVS is off, even for connections that are still there (`enable` in `ip_vs_in_hook`).
    #[cold]
    fn without_services(&mut self, env: &mut Env<'_>, ingress: Ingress, burst: &[Stage], frames: &mut Vec<Frame>) {
        for (stage, frame) in burst.iter().zip(frames.drain(..)) {
            match stage {
                Stage::V4(flow, ..) => self.unknown(env, ingress, frame, flow),
                Stage::V6(flow, ..) => self.unknown(env, ingress, frame, flow),
                Stage::Other(Packet::Bad(reason)) => self.drop(frame, *reason),
                Stage::Other(_) => self.pass_to_kernel(frame),
            }
        }
    }

    fn drop(&mut self, frame: Frame, reason: DropReason) {
        self.counters.count_drop(reason);
        self.out.push((frame, Verdict::Drop(reason)));
    }

    fn pass_to_kernel(&mut self, frame: Frame) {
        self.out.push((frame, Verdict::ToKernel));
    }

    /// xorshift64: only ever spreads load, never guards anything.
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

/// The address a packet towards `network`'s own host came for, as source of an ICMP error.
fn device_address(snapshot: &Snapshot, device: DeviceId, like: IpAddr) -> Option<IpAddr> {
    let device = snapshot.network.device(device)?;
    match like {
        IpAddr::V4(_) => device.ipv4.map(IpAddr::V4),
        IpAddr::V6(_) => device.ipv6.map(IpAddr::V6),
    }
}

//! A worker between two wires in memory: the whole loop without a kernel.

use std::io;
use std::sync::Arc;

use anyhow::Result;
use arc_swap::ArcSwap;
use crossbeam::channel;
use headgate_dataplane::pipeline::Resolve;
use headgate_dataplane::worker::{KernelStack, Resources, Shared, Worker};
use headgate_wire::MacAddr;
use headgate_xsk::{FramePool, Wire, memory_port};

use crate::world::{BACK, FRONT, World};

const RING: u32 = 256;

/// The worker, the wires of its two devices, and the world it runs in.
pub struct Rig {
    pub world: World,
    pub worker: Worker,
    pub front: Wire,
    pub back: Wire,
    /// What the worker asks to be resolved; kept open.
    pub resolve: channel::Receiver<Resolve>,
}

impl Rig {
    /// `timers`: connections whose timers the worker can hold.
    ///
    /// # Errors
    /// When there is no memory for the rings.
    pub fn new(world: World, frames: FramePool, timers: usize) -> Result<Self> {
        let (front_port, front) = memory_port(&world.umem, RING)?;
        let (back_port, back) = memory_port(&world.umem, RING)?;
        let (sender, resolve) = channel::bounded(64);
        let shared = Shared {
            table: Arc::clone(&world.table),
            servers: Arc::clone(&world.servers),
            snapshot: Arc::new(ArcSwap::new(Arc::clone(&world.snapshot))),
            path_mtus: Arc::clone(&world.path_mtus),
            resolve: sender,
        };
        let resources = Resources {
            frames,
            lanes: vec![(FRONT, front_port), (BACK, back_port)],
            kernel: Box::new(Nowhere),
            counters: Arc::clone(&world.counters),
            timers,
            seed: 1,
        };
        let mut worker = Worker::new(shared, resources, world.now);
        // The first round fills the fill rings.
        worker.round(world.now);
        Ok(Self { world, worker, front, back, resolve })
    }
}

/// A kernel stack that takes everything and does nothing.
struct Nowhere;

impl KernelStack for Nowhere {
    fn send(&mut self, _frame: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn mac(&self) -> MacAddr {
        MacAddr([2, 0, 0, 9, 9, 9])
    }
}

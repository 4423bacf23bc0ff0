//! Workers on rings in memory, one table and one world, and a clock that moves when told to.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use crossbeam::channel::Receiver;
use headgate_wire::MacAddr;
use headgate_xsk::{FramePool, Umem, UmemConfig, Wire, memory_port};

use crate::counters::{Counters, TrafficTotals};
use crate::drop_reason::DropReason;
use crate::pipeline::{Now, Resolve};
use crate::servers::ServerId;
use crate::snapshot::{DeviceId, Snapshot};
use crate::testing::world::{BACK, FRONT, SERVER_SLOTS, World};
use crate::worker::{KernelStack, Resources, Shared, Worker};

pub const FRAMES: u32 = 256;
/// Entries of each ring.
pub const RING: u32 = 16;
pub const STACK_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x99]);

/// The kernel's stack: keeps what it gets.
#[derive(Debug, Default)]
pub struct Stack {
    pub got: Mutex<Vec<Vec<u8>>>,
    pub refuses: AtomicBool,
}

struct Handle(Arc<Stack>);

impl KernelStack for Handle {
    fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        if self.0.refuses.load(Relaxed) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.got.lock().unwrap().push(frame.to_vec());
        Ok(())
    }

    fn mac(&self) -> MacAddr {
        STACK_MAC
    }
}

/// One worker and what it is connected to.
pub struct Station {
    pub worker: Worker,
    pub counters: Arc<Counters>,
    pub stack: Arc<Stack>,
    wires: [Wire; 2],
    _umem: Umem,
}

impl Station {
    pub fn wire(&mut self, device: DeviceId) -> &mut Wire {
        &mut self.wires[device.index()]
    }

    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.counters.dropped(reason)
    }

    pub fn dropped_in_all(&self) -> u64 {
        DropReason::ALL.iter().map(|reason| self.dropped(*reason)).sum()
    }

    /// Frames that the kernel's stack got since the last call.
    pub fn to_stack(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.stack.got.lock().unwrap())
    }
}

pub struct Rig {
    pub world: World,
    pub stations: Vec<Station>,
    pub asked: Receiver<Resolve>,
    pub now: Now,
    current: Arc<ArcSwap<Snapshot>>,
}

impl Rig {
    pub fn new(mut world: World, workers: usize) -> Self {
        let (resolve, asked) = crossbeam::channel::bounded(64);
        let current = Arc::new(ArcSwap::from_pointee(world.snapshot()));
        let shared = Shared {
            table: Arc::clone(&world.table),
            servers: Arc::clone(&world.servers),
            snapshot: Arc::clone(&current),
            path_mtus: Arc::clone(&world.path_mtus),
            resolve,
        };
        let now = Now::from_millis(1_000_000);
        let stations = (0..workers).map(|n| station(shared.clone(), now, n as u64)).collect();
        let mut rig = Self { world, stations, asked, now, current };
        rig.round_all();
        rig
    }

    /// Makes edits of the world take effect.
    pub fn publish(&mut self) {
        self.current.store(Arc::new(self.world.snapshot()));
    }

    /// One round of a worker.
    #[track_caller]
    pub fn round(&mut self, worker: usize) -> usize {
        let station = &mut self.stations[worker];
        let received = station.worker.round(self.now);
        assert_eq!(station.worker.frames_accounted(), FRAMES as usize, "frames accounted for");
        received
    }

    pub fn round_all(&mut self) {
        (0..self.stations.len()).for_each(|worker| {
            self.round(worker);
        });
    }

    /// Lets time go by in steps of `step_ms`, with a round of every worker after each.
    pub fn advance(&mut self, millis: u64, step_ms: u64) {
        let end = self.now.millis + millis;
        while self.now.millis < end {
            self.now = Now::from_millis(end.min(self.now.millis + step_ms));
            self.round_all();
        }
    }

    /// Delivers a frame to a worker and gives it a round; what left through the front and the back.
    #[track_caller]
    pub fn exchange(&mut self, worker: usize, device: DeviceId, frame: &[u8]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        assert!(self.stations[worker].wire(device).deliver(frame), "room in the rings");
        assert_eq!(self.round(worker), 1);
        (self.collect(worker, FRONT), self.collect(worker, BACK))
    }

    /// As [`Self::exchange`], for a frame that leaves as one through the other device.
    #[track_caller]
    pub fn through(&mut self, worker: usize, device: DeviceId, frame: &[u8]) -> Vec<u8> {
        let (front, back) = self.exchange(worker, device, frame);
        let (mut there, here) = if device == FRONT { (back, front) } else { (front, back) };
        assert_eq!((there.len(), here.len()), (1, 0), "one frame, through the other device");
        there.remove(0)
    }

    /// As [`Self::exchange`], for a frame that goes nowhere.
    #[track_caller]
    pub fn swallowed(&mut self, worker: usize, device: DeviceId, frame: &[u8]) {
        assert_eq!(self.exchange(worker, device, frame), (Vec::new(), Vec::new()));
    }

    pub fn collect(&mut self, worker: usize, device: DeviceId) -> Vec<Vec<u8>> {
        self.stations[worker].wire(device).collect()
    }

    /// The sum over the workers.
    pub fn traffic(&self, id: ServerId) -> TrafficTotals {
        TrafficTotals::of(self.stations.iter().map(|station| &*station.counters), id)
    }

    /// Shuts all workers down; each must give back all its frames.
    pub fn shut_down(self) {
        for station in self.stations {
            let frames: FramePool = station.worker.shut_down();
            assert_eq!(frames.available(), FRAMES as usize);
        }
    }
}

fn station(shared: Shared, now: Now, seed: u64) -> Station {
    let (umem, frames) = Umem::new(UmemConfig { frame_size: 2048, frames: FRAMES, huge_pages: false }).unwrap();
    let counters = Arc::new(Counters::new(SERVER_SLOTS as usize));
    let stack = Arc::new(Stack::default());
    let [(front, front_wire), (back, back_wire)] = [(); 2].map(|()| memory_port(&umem, RING).unwrap());
    let resources = Resources {
        frames,
        lanes: vec![(FRONT, front), (BACK, back)],
        kernel: Box::new(Handle(Arc::clone(&stack))),
        counters: Arc::clone(&counters),
        timers: 4096,
        seed,
    };
    let worker = Worker::new(shared, resources, now);
    Station { worker, counters, stack, wires: [front_wire, back_wire], _umem: umem }
}

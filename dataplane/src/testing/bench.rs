//! One pipeline in its world, with a clock that moves when told to. No frame may be lost in any step.

use std::sync::Arc;

use headgate_xsk::{Frame, FramePool, Umem, UmemConfig};

use super::world::{SERVER_SLOTS, World};
use crate::counters::{Counters, TrafficTotals};
use crate::drop_reason::DropReason;
use crate::pipeline::{Env, Now, Pipeline, Verdict};
use crate::servers::ServerId;
use crate::snapshot::{DeviceId, Snapshot};

const START_MS: u64 = 1_000_000;
const FRAMES: u32 = 512;

pub struct Bench {
    pub world: World,
    pub counters: Arc<Counters>,
    pub frames: FramePool,
    pub pipeline: Pipeline,
    pub now: Now,
    snapshot: Snapshot,
    /// Frames that the pipeline cannot have.
    withheld: Vec<Frame>,
    _umem: Umem,
}

impl Bench {
    pub fn new(world: World) -> Self {
        Self::with_timers(world, 4096)
    }

    /// With a wheel for so many timers.
    pub fn with_timers(mut world: World, timers: usize) -> Self {
        let (umem, frames) = Umem::new(UmemConfig { frame_size: 4096, frames: FRAMES, huge_pages: false }).unwrap();
        let counters = Arc::new(Counters::new(SERVER_SLOTS as usize));
        let now = Now::from_millis(START_MS);
        let mtus = Arc::clone(&world.path_mtus);
        let pipeline = Pipeline::new(&world.table, timers, Arc::clone(&counters), mtus, now, 1);
        let snapshot = world.snapshot();
        Self { world, counters, frames, pipeline, now, snapshot, withheld: Vec::new(), _umem: umem }
    }

    /// Makes edits of the world take effect.
    pub fn publish(&mut self) {
        self.snapshot = self.world.snapshot();
    }

    /// What became of a frame, and of others that it brought about.
    #[track_caller]
    pub fn send(&mut self, device: DeviceId, bytes: &[u8]) -> Vec<(Vec<u8>, Verdict)> {
        let mut frame = self.frames.alloc().unwrap();
        frame.copy_from(bytes).unwrap();
        let mut burst = vec![frame];
        self.with_env(|pipeline, env| pipeline.process(env, device, &mut burst))
    }

    /// Leaves the pipeline no more than `frames` free frames.
    pub fn leave_frames(&mut self, frames: usize) {
        while self.frames.available() > frames {
            self.withheld.extend(self.frames.alloc());
        }
    }

    /// As [`Self::send`] for a frame that ends in one verdict.
    #[track_caller]
    pub fn send_one(&mut self, device: DeviceId, bytes: &[u8]) -> (Vec<u8>, Verdict) {
        let mut results = self.send(device, bytes);
        assert_eq!(results.len(), 1, "{results:?}");
        results.remove(0)
    }

    /// Lets time go by, at most a second at a time, and timers fire.
    #[track_caller]
    pub fn advance(&mut self, millis: u64) -> Vec<(Vec<u8>, Verdict)> {
        let (mut results, end) = (Vec::new(), self.now.millis + millis);
        while self.now.millis < end {
            self.now = Now::from_millis(end.min(self.now.millis + 1000));
            results.extend(self.with_env(|pipeline, env| {
                pipeline.expire(env, 1 << 16);
            }));
        }
        results
    }

    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.counters.dropped(reason)
    }

    pub fn dropped_in_all(&self) -> u64 {
        DropReason::ALL.iter().map(|reason| self.counters.dropped(*reason)).sum()
    }

    pub fn traffic(&self, id: ServerId) -> TrafficTotals {
        TrafficTotals::of([&*self.counters], id)
    }

    #[track_caller]
    fn with_env(&mut self, step: impl FnOnce(&mut Pipeline, &mut Env<'_>)) -> Vec<(Vec<u8>, Verdict)> {
        let before = self.dropped_in_all();
        let mut env = Env {
            snapshot: &self.snapshot,
            table: &self.world.table,
            servers: &self.world.servers,
            frames: &mut self.frames,
            now: self.now,
        };
        step(&mut self.pipeline, &mut env);
        let mut results = Vec::new();
        for (frame, verdict) in self.pipeline.verdicts() {
            results.push((frame.bytes().to_vec(), verdict));
            self.frames.free(frame);
        }
        let accounted = self.frames.available() + self.pipeline.frames_held() + self.withheld.len();
        assert_eq!(accounted, self.frames.total(), "frames accounted for");
        let drops = results.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Drop(_))).count();
        assert_eq!(self.dropped_in_all() - before, drops as u64, "each drop is counted once");
        results
    }
}

/// The frames that leave, with the device.
pub fn sent(results: &[(Vec<u8>, Verdict)]) -> Vec<(DeviceId, &[u8])> {
    results
        .iter()
        .filter_map(|(bytes, verdict)| match verdict {
            Verdict::Tx(device) => Some((*device, &bytes[..])),
            _ => None,
        })
        .collect()
}

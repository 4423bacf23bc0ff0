//! The director under test: one pipeline with its table, a clock that only moves when told to, and no network.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use headgate_dataplane::counters::Counters;
use headgate_dataplane::path_mtu::PathMtus;
use headgate_dataplane::pipeline::{Env, Now, Pipeline, Verdict};
use headgate_dataplane::servers::Servers;
use headgate_dataplane::snapshot::{DeviceId, Snapshot};
use headgate_dataplane::table::{Capacity, Seeds, Table};
use headgate_xsk::{FramePool, SharedWords, Umem, UmemConfig};

use crate::configuration::Configuration;
use crate::topology::Topology;

const SERVERS: u32 = 64;
const CONNECTIONS: u32 = 1024;
const FRAMES: u32 = 256;
const START_MS: u64 = 1_000_000;
const TIMERS_A_CALL: usize = 1 << 16;

pub struct Director {
    pub configuration: Configuration,
    pub servers: Servers,
    pub table: Table,
    pub counters: Arc<Counters>,
    topology: Topology,
    snapshot: Snapshot,
    pipeline: Pipeline,
    frames: FramePool,
    now: Now,
    /// Whether time went by, so that timers may be off by their slack.
    pub advanced: bool,
    _umem: Umem,
}

impl Director {
    /// # Errors
    /// When there is no memory for it.
    pub fn new() -> Result<Self> {
        let capacity = Capacity { v4: CONNECTIONS, v6: CONNECTIONS };
        let words = SharedWords::new(c"headgate-replay-table", Table::words_needed(&capacity)?, false)?;
        let table = Table::create(words, capacity, Seeds([1, 2, 3, 4]))?;
        let words = Servers::words_needed(SERVERS);
        let servers = Servers::new(SharedWords::new(c"headgate-replay-servers", words, false)?)?;
        let (umem, frames) = Umem::new(UmemConfig { frame_size: 4096, frames: FRAMES, huge_pages: false })?;
        let (counters, path_mtus) =
            (Arc::new(Counters::new(SERVERS as usize)), Arc::new(PathMtus::new(SERVERS as usize)));
        let now = Now::from_millis(START_MS);
        let pipeline = Pipeline::new(&table, 4 * CONNECTIONS as usize, Arc::clone(&counters), path_mtus, now, 1);
        Ok(Self {
            configuration: Configuration::new(),
            servers,
            table,
            counters,
            topology: Topology::default(),
            snapshot: Snapshot::default(),
            pipeline,
            frames,
            now,
            advanced: false,
            _umem: umem,
        })
    }

    /// One `ipvsadm` line.
    ///
    /// # Errors
    /// See [`Configuration::apply`].
    pub fn ipvsadm(&mut self, line: &str) -> Result<()> {
        self.configuration.apply(line, &self.servers)
    }

    /// One `ip` line.
    ///
    /// # Errors
    /// See [`Topology::apply`].
    pub fn ip(&mut self, line: &str) -> Result<()> {
        self.topology.apply(line)
    }

    /// Makes what was configured since take effect.
    ///
    /// # Errors
    /// See [`Topology::network`].
    pub fn publish(&mut self) -> Result<()> {
        let (services, servers) = self.configuration.build();
        let generation = self.snapshot.generation + 1;
        let settings = self.configuration.settings.clone();
        self.snapshot = Snapshot::new(generation, settings, services, servers, self.topology.network()?);
        Ok(())
    }

    /// Sends a frame through; what became of it and of any frames made meanwhile.
    ///
    /// # Errors
    /// When the frame is too large, or a frame was lost on the way.
    pub fn send(&mut self, device: DeviceId, bytes: &[u8]) -> Result<Vec<(Vec<u8>, Verdict)>> {
        let mut frame = self.frames.alloc().context("no frame is free")?;
        frame.copy_from(bytes).context("the frame is too large")?;
        let mut burst = vec![frame];
        let mut env = Env {
            snapshot: &self.snapshot,
            table: &self.table,
            servers: &self.servers,
            frames: &mut self.frames,
            now: self.now,
        };
        self.pipeline.process(&mut env, device, &mut burst);
        self.collect()
    }

    fn collect(&mut self) -> Result<Vec<(Vec<u8>, Verdict)>> {
        let mut results = Vec::new();
        for (frame, verdict) in self.pipeline.verdicts() {
            results.push((frame.bytes().to_vec(), verdict));
            self.frames.free(frame);
        }
        let accounted = self.frames.available() + self.pipeline.frames_held();
        ensure!(accounted == self.frames.total(), "{} frames leaked", self.frames.total() - accounted);
        Ok(results)
    }

    /// Lets time go by, at most a second at a time; the frames that timers made or that waited for a neighbour.
    ///
    /// # Errors
    /// When a frame was lost on the way.
    pub fn advance(&mut self, millis: u64) -> Result<Vec<(Vec<u8>, Verdict)>> {
        self.advanced = true;
        let mut results = Vec::new();
        let end = self.now.millis + millis;
        while self.now.millis < end {
            self.now = Now::from_millis(end.min(self.now.millis + 1000));
            let mut env = Env {
                snapshot: &self.snapshot,
                table: &self.table,
                servers: &self.servers,
                frames: &mut self.frames,
                now: self.now,
            };
            self.pipeline.release_held(&mut env);
            self.pipeline.expire(&mut env, TIMERS_A_CALL);
            results.extend(self.collect()?);
        }
        Ok(results)
    }

    /// Frames that wait for something.
    pub fn frames_held(&self) -> usize {
        self.pipeline.frames_held()
    }

    pub fn now(&self) -> Now {
        self.now
    }
}

//! `perf table`: nanoseconds per packet of the real table, the plain one and the whole pipeline, interleaved, so that ratios can be read.
//!
//! Repetitions are the outermost loop and cases the innermost. In each, 512 frames are filled with packets of uniformly random
//! connections (not timed), then taken through in bursts of 32 (timed), until enough packets have been seen.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use headgate_dataplane::pipeline::{Pipeline, Verdict};
use headgate_dataplane::table::Table;
use headgate_wire::Protocol;
use headgate_xsk::{Frame, FramePool, Pages};
use serde::Serialize;

use crate::engine::{self, BURST, Scratch};
use crate::machine::Machine;
use crate::memory;
use crate::packets::FRAME;
use crate::plain::{self, Plain};
use crate::random::Random;
use crate::stats::Spread;
use crate::traffic::{FrameSet, Kind};
use crate::world::{FRONT, Size, VIP, World, client};

/// As many frames as are under way on a worker with usual rings under moderate load; 512 headers do not fit the first-level cache.
const FRAMES: usize = 512;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Options {
    pub sizes: Vec<u32>,
    pub repetitions: usize,
    /// Packets per case and repetition.
    pub packets: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Case {
    /// No table at all.
    Rewrite,
    Plain,
    Table,
    Pipeline,
    PlainBothWays,
    TableBothWays,
    PipelineBothWays,
}

const CASES: [Case; 7] = [
    Case::Rewrite,
    Case::Plain,
    Case::Table,
    Case::Pipeline,
    Case::PlainBothWays,
    Case::TableBothWays,
    Case::PipelineBothWays,
];

#[derive(Serialize)]
struct Row<'a> {
    bench: &'static str,
    connections: u32,
    case: Case,
    ns_per_packet: Spread,
    /// To the plain table in the same direction.
    ratio: Option<Spread>,
    raw: &'a [f64],
    packets: usize,
    pages: &'a str,
    machine: &'a Machine,
}

/// Measures and writes JSON lines to `json` and a table to `text`.
///
/// # Errors
/// Without the memory for the largest size (about 500 bytes per connection), or when a packet is not translated.
pub fn run(options: &Options, json: &mut dyn Write, text: &mut dyn Write) -> Result<()> {
    let machine = Machine::detect();
    writeln!(text, "{machine}\n{}", memory::Footprint::measure()?)?;
    let columns = ["connections", "case", "ns/packet", "ratio to plain"];
    writeln!(text, "{:>11}  {:<18} {:>22} {:>22}", columns[0], columns[1], columns[2], columns[3])?;
    for &connections in &options.sizes {
        let mut bench = Bench::new(connections)?;
        let mut results = vec![Vec::new(); CASES.len()];
        for case in CASES {
            bench.measure(case, options.packets / 4)?;
        }
        for _ in 0..options.repetitions {
            for (case, results) in CASES.into_iter().zip(&mut results) {
                results.push(bench.measure(case, options.packets)?);
            }
        }
        for (index, (case, raw)) in CASES.into_iter().zip(&results).enumerate() {
            let yardstick = match case {
                Case::Rewrite | Case::Plain | Case::PlainBothWays => None,
                Case::Table | Case::Pipeline => Some(Case::Plain),
                Case::TableBothWays | Case::PipelineBothWays => Some(Case::PlainBothWays),
            };
            let ratio = yardstick.and_then(|plain| Spread::of_ratios(&results[index], &results[plain as usize]));
            let Some(ns_per_packet) = Spread::of(raw.iter().copied()) else { continue };
            let packets = options.packets;
            let pages = bench.pages();
            let row =
                Row { bench: "table", connections, case, ns_per_packet, ratio, raw, packets, pages, machine: &machine };
            writeln!(json, "{}", serde_json::to_string(&row)?)?;
            let ratio = ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
            writeln!(text, "{connections:>11}  {:<18} {ns_per_packet:>22.1} {ratio:>22}", format!("{case:?}"))?;
        }
    }
    Ok(())
}

/// All that is measured at one number of connections.
struct Bench {
    world: World,
    pool: FramePool,
    pipeline: Pipeline,
    plain: Plain,
    plain_both: Plain,
    frames: FrameSet,
    scratch: Scratch,
    burst: Vec<Frame>,
    done: Vec<Frame>,
    random: Random,
    connections: u32,
}

impl Bench {
    fn new(connections: u32) -> Result<Self> {
        let frames = 2 * FRAMES as u32;
        let (world, mut pool) = World::new(Size { connections, capacity: connections.max(64), frames })?;
        let (plain, plain_both) = (Plain::new(connections)?, Plain::new(2 * connections)?);
        for n in 0..connections {
            let ((client, client_port), (server, server_port)) = (client(n), world.server_of(n));
            let (client, server, vip) = (client.to_bits(), server.to_bits(), VIP.to_bits());
            let forward = plain::key(client, vip, (client_port, 80), Protocol::UDP.0);
            plain.insert(forward, server, server_port);
            plain_both.insert(forward, server, server_port);
            plain_both.insert(plain::key(server, client, (server_port, client_port), Protocol::UDP.0), vip, 80);
        }
        Ok(Self {
            pipeline: world.pipeline(64),
            frames: FrameSet::new(&mut pool, FRAMES),
            world,
            pool,
            plain,
            plain_both,
            scratch: Scratch::default(),
            burst: Vec::with_capacity(BURST),
            done: Vec::with_capacity(FRAMES),
            random: Random::new(1),
            connections,
        })
    }

    fn pages(&self) -> &'static str {
        match self.world.pages() {
            Pages::Small => "4 KiB",
            Pages::Advised => "advised",
            Pages::Huge => "2 MiB",
        }
    }

    /// Nanoseconds per packet.
    fn measure(&mut self, case: Case, packets: usize) -> Result<f64> {
        let rounds = packets.div_ceil(FRAMES);
        let (mut took, mut translated) = (Duration::ZERO, 0);
        for _ in 0..rounds {
            self.prepare(case);
            let start = Instant::now();
            translated += self.take_through(case);
            took += start.elapsed();
        }
        ensure!(translated == rounds * FRAMES, "{case:?}: only {translated} of {} translated", rounds * FRAMES);
        Ok(took.as_nanos() as f64 / (rounds * FRAMES) as f64)
    }

    fn prepare(&mut self, case: Case) {
        let Self { world, frames, random, connections, .. } = self;
        let both = matches!(case, Case::PlainBothWays | Case::TableBothWays | Case::PipelineBothWays);
        frames.prepare(|| -> [u8; FRAME] {
            let n = random.below(*connections);
            let kind = if both && random.bits() >> 63 == 0 { Kind::NatReply } else { Kind::NatForward };
            kind.frame(world, n)
        });
    }

    fn take_through(&mut self, case: Case) -> usize {
        let now = self.world.now.tick;
        let table: &Table = &self.world.table;
        let bursts = self.frames.frames_mut().chunks_mut(BURST);
        match case {
            Case::Rewrite => bursts.map(engine::rewrite_only).sum(),
            Case::Plain => bursts.map(|burst| engine::plain(&self.plain, &mut self.scratch, burst, now)).sum(),
            Case::PlainBothWays => {
                bursts.map(|burst| engine::plain(&self.plain_both, &mut self.scratch, burst, now)).sum()
            }
            Case::Table | Case::TableBothWays => {
                bursts.map(|burst| engine::real(table, &mut self.scratch, burst, now)).sum()
            }
            Case::Pipeline | Case::PipelineBothWays => self.pipeline_bursts(),
        }
    }

    /// The whole pipeline, verdicts included.
    fn pipeline_bursts(&mut self) -> usize {
        let Self { world, pool, pipeline, frames, burst, done, .. } = self;
        let frames = frames.frames_mut();
        let mut env = world.env(pool);
        let mut sent = 0;
        while !frames.is_empty() {
            burst.extend(frames.drain(frames.len().saturating_sub(BURST)..));
            pipeline.process(&mut env, FRONT, burst);
            for (frame, verdict) in pipeline.verdicts() {
                sent += usize::from(matches!(verdict, Verdict::Tx(_)));
                done.push(frame);
            }
        }
        std::mem::swap(frames, done);
        sent
    }
}

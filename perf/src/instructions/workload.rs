//! The process that valgrind looks at.

use anyhow::{Result, ensure};
use headgate_dataplane::pipeline::{Env, Pipeline, Verdict};
use headgate_xsk::{Frame, FramePool};

use super::Case;
use crate::engine::{self, BURST, Scratch};
use crate::packets::FRAME;
use crate::plain::{self, Plain};
use crate::random::Random;
use crate::rig::Rig;
use crate::traffic::{FrameSet, Kind};
use crate::world::{BACK, FRONT, Size, VIP, World, client};

/// Connections that exist from the start.
const CONNECTIONS: u32 = 1024;
/// New connections that fit beside them.
const ROOM: u32 = 16 * 1024;

/// Takes `packets` packets of the case through.
///
/// # Errors
/// When a packet does not fare as the case says.
pub fn run(case: Case, packets: u32) -> Result<()> {
    let (world, frames) = World::new(Size { connections: CONNECTIONS, capacity: CONNECTIONS + ROOM, frames: 1024 })?;
    match case {
        Case::Engine | Case::EnginePlain => engine(case, &world, frames, packets),
        Case::WorkerNatForward => worker(world, frames, packets),
        _ => pipeline(case, &world, frames, packets),
    }
}

/// What the case sends and what becomes of it.
fn traffic(case: Case) -> (Kind, Verdict) {
    match case {
        Case::NatReply => (Kind::NatReply, Verdict::Tx(FRONT)),
        Case::TcpNatForward => (Kind::TcpNat, Verdict::Tx(BACK)),
        Case::DrForward | Case::NewConnection => (Kind::Dr, Verdict::Tx(BACK)),
        Case::TunnelForward => (Kind::Tunnel, Verdict::Tx(BACK)),
        Case::Miss => (Kind::Miss, Verdict::ToKernel),
        Case::Engine | Case::EnginePlain | Case::NatForward | Case::WorkerNatForward => {
            (Kind::NatForward, Verdict::Tx(BACK))
        }
    }
}

fn pipeline(case: Case, world: &World, mut pool: FramePool, packets: u32) -> Result<()> {
    let (kind, expected) = traffic(case);
    let mut pipeline = world.pipeline((CONNECTIONS + ROOM) as usize);
    let mut set = FrameSet::new(&mut pool, BURST);
    let mut done = Vec::with_capacity(BURST);
    let mut random = Random::new(1);
    // Connections that do not exist yet are made by their first packet, which is not measured.
    let first = match case {
        Case::DrForward | Case::TunnelForward => Some(kind),
        Case::TcpNatForward => Some(Kind::TcpNatSyn),
        _ => None,
    };
    for _ in 0..2 {
        for start in (0..CONNECTIONS).step_by(BURST) {
            let Some(kind) = first else { continue };
            let mut next = start..;
            set.prepare(|| kind.frame(world, next.next().unwrap_or(0)));
            pipeline.process(&mut world.env(&mut pool), FRONT, set.frames_mut());
            set.frames_mut().extend(pipeline.verdicts().map(|(frame, _)| frame));
        }
    }
    let mut fresh = CONNECTIONS..;
    for _ in 0..packets as usize / BURST {
        set.prepare(|| -> [u8; FRAME] {
            let known = random.below(CONNECTIONS);
            let n = if case == Case::NewConnection { fresh.next().unwrap_or(0) } else { known };
            kind.frame(world, n)
        });
        let good = measured(&mut pipeline, &mut world.env(&mut pool), set.frames_mut(), &mut done, expected);
        ensure!(good == BURST, "{case:?}: {good} of {BURST} packets got the verdict {expected:?}");
        set.frames_mut().append(&mut done);
    }
    Ok(())
}

/// The pipeline and what its caller has to do with the verdicts.
#[inline(never)]
fn measured(
    pipeline: &mut Pipeline,
    env: &mut Env<'_>,
    frames: &mut Vec<Frame>,
    done: &mut Vec<Frame>,
    expected: Verdict,
) -> usize {
    pipeline.process(env, FRONT, frames);
    let mut good = 0;
    for (frame, verdict) in pipeline.verdicts() {
        good += usize::from(verdict == expected);
        done.push(frame);
    }
    good
}

fn engine(case: Case, world: &World, mut pool: FramePool, packets: u32) -> Result<()> {
    let plain = Plain::new(CONNECTIONS)?;
    for n in 0..CONNECTIONS {
        let ((client, client_port), (server, server_port)) = (client(n), world.server_of(n));
        plain.insert(plain::key(client.to_bits(), VIP.to_bits(), (client_port, 80), 17), server.to_bits(), server_port);
    }
    let mut set = FrameSet::new(&mut pool, BURST);
    let (mut scratch, mut random) = (Scratch::default(), Random::new(1));
    for _ in 0..packets as usize / BURST {
        set.prepare(|| Kind::NatForward.frame(world, random.below(CONNECTIONS)));
        let frames = set.frames_mut();
        let translated = if case == Case::Engine {
            measured_real(world, &mut scratch, frames)
        } else {
            measured_plain(&plain, world, &mut scratch, frames)
        };
        ensure!(translated == BURST, "{translated} of {BURST} packets translated");
    }
    Ok(())
}

#[inline(never)]
fn measured_real(world: &World, scratch: &mut Scratch, frames: &mut [Frame]) -> usize {
    engine::real(&world.table, scratch, frames, world.now.tick)
}

#[inline(never)]
fn measured_plain(table: &Plain, world: &World, scratch: &mut Scratch, frames: &mut [Frame]) -> usize {
    engine::plain(table, scratch, frames, world.now.tick)
}

fn worker(world: World, frames: FramePool, packets: u32) -> Result<()> {
    let mut rig = Rig::new(world, frames, CONNECTIONS as usize)?;
    let mut random = Random::new(1);
    for _ in 0..packets as usize / BURST {
        for _ in 0..BURST {
            let frame = Kind::NatForward.frame(&rig.world, random.below(CONNECTIONS));
            ensure!(rig.front.deliver(&frame), "the fill ring is empty");
        }
        let received = measured_round(&mut rig);
        let sent = rig.back.collect_with(|_| ());
        ensure!((received, sent) == (BURST, BURST), "received {received}, sent {sent} of {BURST}");
    }
    Ok(())
}

#[inline(never)]
fn measured_round(rig: &mut Rig) -> usize {
    rig.worker.round(rig.world.now)
}

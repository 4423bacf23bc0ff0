//! Packets that wait until the kernel has found out their neighbour's MAC address.

use std::net::IpAddr;

use headgate_xsk::Frame;

use super::{Env, Pipeline};
use crate::drop_reason::DropReason;
use crate::snapshot::DeviceId;
use crate::snapshot::egress::{Egress, L2, Way};

/// Frames a worker holds at most; a burst towards a dead neighbour must not eat the frames of everybody else.
const CAPACITY: usize = 128;
/// Frames held for one neighbour: enough for the opening packets of a few connections.
const PER_NEIGHBOUR: usize = 8;
/// The kernel gives up after three probes, one a second.
const PATIENCE_MS: u64 = 3_000;
/// A neighbour is asked for again after this long.
const ASK_AGAIN_MS: u64 = 500;

/// A neighbour the kernel should be asked to resolve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolve {
    pub device: DeviceId,
    pub address: IpAddr,
}

#[derive(Debug)]
struct Held {
    frame: Frame,
    neighbour: Resolve,
    vlan: Option<u16>,
    since_ms: u64,
}

#[derive(Debug)]
pub(super) struct HoldQueue {
    held: Vec<Held>,
    wanted: Vec<(Resolve, u64)>,
    requests: Vec<Resolve>,
}

impl HoldQueue {
    pub fn new() -> Self {
        Self {
            held: Vec::with_capacity(CAPACITY),
            wanted: Vec::with_capacity(CAPACITY),
            requests: Vec::with_capacity(CAPACITY),
        }
    }

    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Takes the packet back that was parked last.
    pub fn give_up_newest(&mut self) -> Option<Frame> {
        self.held.pop().map(|held| held.frame)
    }

    fn want(&mut self, neighbour: Resolve, now_ms: u64) {
        self.wanted.retain(|(_, asked)| now_ms.saturating_sub(*asked) < ASK_AGAIN_MS);
        let known = self.wanted.iter().any(|(wanted, _)| *wanted == neighbour);
        if !known && self.wanted.len() < CAPACITY && self.requests.len() < CAPACITY {
            self.wanted.push((neighbour, now_ms));
            self.requests.push(neighbour);
        }
    }
}

impl Pipeline {
    /// Parks an IP packet until `neighbour` is known.
    #[cold]
    pub(super) fn park(&mut self, env: &Env<'_>, frame: Frame, neighbour: Resolve, vlan: Option<u16>) {
        self.hold.want(neighbour, env.now.millis);
        let waiting = self.hold.held.iter().filter(|held| held.neighbour == neighbour).count();
        if self.hold.held.len() >= CAPACITY || waiting >= PER_NEIGHBOUR {
            return self.drop(frame, DropReason::HoldQueueFull);
        }
        self.hold.held.push(Held { frame, neighbour, vlan, since_ms: env.now.millis });
    }

    /// Sends what the snapshot can resolve by now, drops what waited too long, and asks again for the neighbours of the rest.
    pub fn release_held(&mut self, env: &mut Env<'_>) {
        let mut index = 0;
        while let Some(held) = self.hold.held.get(index) {
            let Resolve { device, address } = held.neighbour;
            let found = env.snapshot.network.neighbour(device, address).zip(env.snapshot.network.device(device));
            let late = env.now.millis.saturating_sub(held.since_ms) > PATIENCE_MS;
            if found.is_none() && !late {
                // The kernel may have forgotten the neighbour, or never have heard of the request.
                let neighbour = held.neighbour;
                self.hold.want(neighbour, env.now.millis);
                index += 1;
                continue;
            }
            let held = self.hold.held.remove(index);
            match found {
                Some((destination, out)) => {
                    // Whoever is forgotten after this is asked for at once.
                    self.hold.wanted.retain(|(wanted, _)| *wanted != held.neighbour);
                    let l2 = L2 { destination, source: out.mac, vlan: held.vlan };
                    self.emit(
                        env,
                        held.frame,
                        &Way { egress: Egress::Ready { device, l2 }, mtu: out.mtu, source: None },
                    );
                }
                None => self.drop(held.frame, DropReason::NeighbourUnresolved),
            }
        }
    }

    /// Drops all packets and fragments that wait.
    pub fn drop_held(&mut self) {
        self.drop_fragments();
        while let Some(held) = self.hold.held.pop() {
            self.drop(held.frame, DropReason::NeighbourUnresolved);
        }
    }

    /// Neighbours to ask the kernel for; the caller passes them on.
    pub fn take_requests(&mut self) -> std::vec::Drain<'_, Resolve> {
        self.hold.requests.drain(..)
    }
}

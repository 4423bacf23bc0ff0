//! The data plane from the control side: devices, steering, workers; started once, fed with snapshots, stopped in order.

mod open;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use headgate_api as api;
use headgate_dataplane::clock::Clock;
use headgate_dataplane::counters::{Counters, TrafficTotals};
use headgate_dataplane::path_mtu::PathMtus;
use headgate_dataplane::pipeline::Resolve;
use headgate_dataplane::runtime::{Plan, Runtime};
use headgate_dataplane::servers::{ServerId, Servers};
use headgate_dataplane::snapshot::{DeviceId, Snapshot};
use headgate_dataplane::table::{Capacity, Seeds, Table};
use headgate_dataplane::worker::{KernelStack, Resources, Shared};
use headgate_wire::MacAddr;
use headgate_xsk::{Device, Mode, SharedWords, Steering, SteeringMaps, Tap};
use tokio::sync::mpsc;

use open::{Attached, attach, cores, frame_size, open_worker};

use crate::compile::network::Served;
use crate::compile::{MAX_SERVERS, server_words};
use crate::config::model::Dataplane as Config;
use crate::netlink::NetState;

/// Name of the TAP device through which packets get to the kernel's stack.
const TAP_NAME: &str = "headgate%d";
/// A worker keeps up to this many free table entries to itself.
const POOL_ENTRIES: u32 = 256;

/// The running data plane.
pub struct Dataplane {
    runtime: Runtime,
    shared: Shared,
    steering: Steering,
    counters: Vec<Arc<Counters>>,
    cores: Vec<Option<usize>>,
    served: Vec<Served>,
    interfaces: Vec<api::Interface>,
    /// Addresses of the served devices as the steering program knows them.
    macs: Vec<[u8; 6]>,
    generation: u64,
    capacity: u64,
    clock: Clock,
}

impl Dataplane {
    /// Opens devices and sockets and starts the workers. Nothing is taken from the kernel before the first [`Self::publish`].
    /// Neighbours that workers need arrive on the returned channel.
    pub fn start(config: &Config) -> Result<(Self, mpsc::UnboundedReceiver<Resolve>)> {
        let clock = Clock::start();
        let mut steering = Steering::load().context("cannot load the steering program")?;
        let devices = attach(config, &mut steering)?;
        let frame_size = frame_size(&devices)?;
        let cores = cores(config, &devices)?;

        let capacity = capacity(config, cores.len());
        let words = Table::words_needed(&capacity).context("dataplane.connections")?;
        let words = SharedWords::new(c"headgate-connections", words, true)
            .with_context(|| format!("cannot reserve {} MiB for the connection table", (words * 8) >> 20))?;
        tracing::info!(pages = ?words.pages(), mib = (words.len() * 8) >> 20, "connection table");
        let table = Table::create(words, capacity, seeds()?).context("cannot make the connection table")?;
        let slab = SharedWords::new(c"headgate-servers", server_words(), false)
            .context("cannot reserve memory for servers")?;
        let servers = Arc::new(Servers::new(slab)?);

        let tap = Arc::new(Tap::open(TAP_NAME).context("cannot make the TAP device for the kernel's stack")?);
        tap.up().context("cannot set the TAP device up")?;

        let (resolve, requests) = crossbeam::channel::bounded(1024);
        let shared = Shared {
            table: Arc::new(table),
            servers,
            snapshot: Arc::new(ArcSwap::from_pointee(Snapshot::default())),
            path_mtus: Arc::new(PathMtus::new(MAX_SERVERS as usize)),
            resolve,
        };

        let mut plans = Vec::new();
        let mut counters = Vec::new();
        let mut modes = BTreeMap::new();
        for (id, core) in cores.iter().enumerate() {
            let worker = open_worker(config, &devices, frame_size, (id, cores.len()), &mut steering)?;
            for (device, port) in &worker.lanes {
                modes.entry(*device).or_insert(port.mode());
            }
            let own = Arc::new(Counters::new(MAX_SERVERS as usize));
            counters.push(Arc::clone(&own));
            plans.push(Plan {
                id,
                core: *core,
                spin: config.busy_poll(),
                resources: Resources {
                    frames: worker.frames,
                    lanes: worker.lanes,
                    kernel: Box::new(KernelTap(Arc::clone(&tap))),
                    counters: own,
                    // A connection has one timer, and a second one while its deadline was shortened; any worker may own all of them.
                    timers: 2 * config.connections().get() as usize,
                    seed: seeds()?.0[0],
                },
            });
        }
        let macs = devices.iter().map(|device| device.device.mac()).collect();
        let served = devices.iter().map(|device| served(&device.device, frame_size)).collect();
        let interfaces = interfaces(&devices, &modes);
        for interface in &interfaces {
            tracing::info!(interface = %interface.name, mode = %interface.mode, queues = interface.queues, "taking packets");
        }
        let runtime = Runtime::start(&shared, plans, clock).context("cannot start the workers")?;
        let capacity = u64::from(config.connections().get());
        let dataplane = Self {
            runtime,
            shared,
            steering,
            counters,
            cores,
            served,
            interfaces,
            macs,
            generation: 0,
            capacity,
            clock,
        };
        Ok((dataplane, forward_requests(requests)?))
    }

    /// Gives the workers a new snapshot and the steering program what belongs to it. The snapshot goes first when something is added,
    /// so that no packet meets a worker which does not know its service.
    pub fn publish(&mut self, snapshot: Snapshot, maps: &SteeringMaps) -> Result<()> {
        self.runtime.publish(snapshot);
        self.steering.apply(maps).context("cannot update the steering program")?;
        Ok(())
    }

    /// To be called every now and then: frees old snapshots.
    pub fn housekeep(&mut self) {
        self.runtime.collect();
    }

    pub fn has_failed(&self) -> bool {
        self.runtime.has_failed()
    }

    /// Detaches from the devices and stops the workers; the number of frames that were lost (0, or there is a bug).
    pub fn stop(mut self) -> usize {
        for device in &self.served {
            if let Err(error) = self.steering.detach(device.ifindex) {
                tracing::warn!(interface = %device.name, %error, "cannot detach the steering program; it goes with the process");
            }
        }
        self.runtime.stop()
    }

    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    pub fn served(&self) -> &[Served] {
        &self.served
    }

    pub fn counters(&self) -> &[Arc<Counters>] {
        &self.counters
    }

    pub fn clock(&self) -> Clock {
        self.clock
    }

    pub fn steering(&self) -> &Steering {
        &self.steering
    }

    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    pub fn interfaces(&self) -> &[api::Interface] {
        &self.interfaces
    }

    /// Counters of a server, all workers together.
    pub fn traffic(&self, id: ServerId) -> TrafficTotals {
        TrafficTotals::of(self.counters.iter().map(Arc::as_ref), id)
    }

    /// Numbers for snapshots, each larger than the one before.
    pub fn next_generation(&mut self) -> u64 {
        self.generation += 1;
        self.generation
    }

    /// Tells the steering program when a device changed its address. Gives the names of devices that have gone since the last time.
    pub fn follow_links(&mut self, state: &NetState) -> Vec<String> {
        for (device, known) in self.served.iter().zip(&mut self.macs) {
            let mac = state.links.get(&device.ifindex).and_then(|link| link.mac);
            if let Some(mac) = mac.filter(|mac| mac != known) {
                *known = mac;
                match self.steering.set_mac(device.ifindex, mac) {
                    Ok(()) => {
                        tracing::info!(interface = %device.name, address = %MacAddr(mac), "the hardware address has changed");
                    }
                    Err(error) => {
                        tracing::warn!(interface = %device.name, %error, "cannot tell the steering program the new address");
                    }
                }
            }
        }
        let mut gone = Vec::new();
        for (device, interface) in self.served.iter().zip(&mut self.interfaces) {
            if interface.present && !state.links.contains_key(&device.ifindex) {
                interface.present = false;
                gone.push(interface.name.clone());
            }
        }
        gone
    }

    /// Interfaces that packets were taken from and that are no longer there. One that comes back under its name is another one.
    pub fn gone(&self) -> Vec<String> {
        self.interfaces.iter().filter(|interface| !interface.present).map(|interface| interface.name.clone()).collect()
    }

    pub fn workers(&self) -> Vec<api::Worker> {
        let core = |core: &Option<usize>| core.map_or(0, |core| core as u32);
        let shown = |(id, (pinned, counters)): (u32, (_, &Arc<Counters>))| api::Worker {
            id,
            core: core(pinned),
            received: counters.received.value(),
            transmitted: counters.transmitted.value(),
            to_kernel: counters.to_kernel.value(),
        };
        (0..).zip(self.cores.iter().zip(&self.counters)).map(shown).collect()
    }

    /// Packet memory of all workers, as of their last housekeeping.
    pub fn frames(&self) -> api::Frames {
        let sum = |read: fn(&Counters) -> u64| self.counters.iter().map(|counters| read(counters)).sum();
        api::Frames {
            accounted: sum(|counters| counters.frames_accounted.load(Relaxed)),
            total: sum(|counters| counters.frames_total.load(Relaxed)),
        }
    }
}

struct KernelTap(Arc<Tap>);

impl KernelStack for KernelTap {
    fn send(&mut self, frame: &[u8]) -> std::io::Result<()> {
        self.0.send(frame)
    }

    fn mac(&self) -> MacAddr {
        MacAddr(self.0.mac())
    }
}

fn served(device: &Device, frame_size: u32) -> Served {
    let room = frame_size as usize - headgate_xsk::HEADROOM - headgate_wire::ether::HEADER_LEN;
    Served {
        name: device.name().to_owned(),
        ifindex: device.index(),
        partial_checksums: device.may_carry_partial_checksums(),
        largest_packet: room.min(u16::MAX.into()) as u16,
    }
}

fn interfaces(devices: &[Attached], modes: &BTreeMap<DeviceId, Mode>) -> Vec<api::Interface> {
    let shown = |(number, device): (u8, &Attached)| api::Interface {
        name: device.device.name().to_owned(),
        mode: match modes.get(&DeviceId(number)) {
            Some(Mode::ZeroCopy) => api::XdpMode::Zerocopy,
            Some(Mode::Generic) => api::XdpMode::Generic,
            _ => api::XdpMode::Native,
        },
        queues: device.device.rx_queues(),
        mtu: device.device.mtu(),
        present: true,
    };
    (0..).zip(devices).map(shown).collect()
}

/// Both families share the configured number: which of them a node needs is not known beforehand.
fn capacity(config: &Config, workers: usize) -> Capacity {
    let entries = config.connections().get().saturating_add(POOL_ENTRIES * workers as u32);
    Capacity { v4: entries, v6: entries }
}

fn seeds() -> Result<Seeds> {
    use std::io::Read;
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).context("/dev/urandom")?;
    let word = |at: usize| bytes[at * 8..at * 8 + 8].try_into().map_or(1, u64::from_ne_bytes);
    Ok(Seeds([word(0), word(1), word(2), word(3)]))
}

/// Carries requests from the workers' channel, which never blocks them, to one that the control thread can wait for.
fn forward_requests(requests: crossbeam::channel::Receiver<Resolve>) -> Result<mpsc::UnboundedReceiver<Resolve>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let carry = move || {
        while let Ok(request) = requests.recv() {
            if sender.send(request).is_err() {
                break;
            }
        }
    };
    std::thread::Builder::new().name("resolver".into()).spawn(carry).context("cannot start a thread")?;
    Ok(receiver)
}

/// Addresses of this host.
pub fn local_addresses(state: &NetState) -> impl Iterator<Item = IpAddr> {
    state.local_addresses().into_iter()
}

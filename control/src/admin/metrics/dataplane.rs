//! The data plane as a whole.

use headgate_api::{Dataplane, Worker};

use super::Number;
use crate::admin::exposition::{Exposition, Metric, counter, gauge};

const WORKERS: Metric = gauge("headgate_dataplane_workers", "Worker threads of the data plane.");
const CONNECTIONS: Metric = gauge("headgate_dataplane_connections", "Entries in the connection table.");
const CAPACITY: Metric =
    gauge("headgate_dataplane_connections_capacity", "Most entries that the connection table takes.");
const FRAMES: Metric = gauge("headgate_dataplane_frames", "Frames of packet memory.");
const ACCOUNTED: Metric = gauge(
    "headgate_dataplane_frames_accounted",
    "Frames of packet memory whose place is known; fewer than there are means that some were lost.",
);
const DROPPED: Metric = counter("headgate_dataplane_dropped_packets_total", "Packets dropped, by reason.");
const INTERFACE: Metric =
    gauge("headgate_dataplane_interface_present", "Whether a device exists, with how its packets are taken.");

/// A number of a worker.
const WORKER: [Number<Worker>; 3] = [
    (
        counter("headgate_dataplane_worker_received_packets_total", "Packets that a worker took from the devices."),
        |worker| worker.received,
    ),
    (
        counter("headgate_dataplane_worker_transmitted_packets_total", "Packets that a worker sent to the devices."),
        |worker| worker.transmitted,
    ),
    (
        counter("headgate_dataplane_worker_to_kernel_packets_total", "Packets that a worker handed to the kernel."),
        |worker| worker.to_kernel,
    ),
];

pub(super) fn write(out: &mut Exposition, dataplane: &Dataplane) {
    out.single(WORKERS, dataplane.workers.len() as u64);
    out.single(CONNECTIONS, dataplane.connections);
    out.single(CAPACITY, dataplane.capacity);
    out.single(FRAMES, dataplane.frames.total);
    out.single(ACCOUNTED, dataplane.frames.accounted);
    let mut family = out.family(DROPPED);
    for (reason, packets) in &dataplane.drops {
        family.sample(&[("reason", reason)], *packets);
    }
    let mut family = out.family(INTERFACE);
    for interface in &dataplane.interfaces {
        let mode = interface.mode.to_string();
        family.sample(&[("interface", &interface.name), ("mode", &mode)], interface.present);
    }
    for (metric, number) in WORKER {
        let mut family = out.family(metric);
        for worker in &dataplane.workers {
            let (id, core) = (worker.id.to_string(), worker.core.to_string());
            family.sample(&[("worker", &id), ("core", &core)], number(worker));
        }
    }
}

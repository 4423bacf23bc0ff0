//! Sockets and steering on veth pairs.
//!
//! ```text
//!   namespace "there"                     namespace "here"
//!   packet socket ─ veth ═══════════════ veth ─ steering ─ AF_XDP ports
//! ```

use crate::support::wire::{Raw, udp};
use crate::support::{Namespace, Pair, is_root, until};
use headgate_xsk::selftest::unserved_queues;
use headgate_xsk::*;

const PORT: u16 = 53;

fn plan() -> SteeringMaps {
    let service = ServiceKey { addr: "192.0.2.10".parse().unwrap(), protocol: 17, ports: PortMatch::One(PORT) };
    SteeringMaps { services: [service].into(), ..SteeringMaps::default() }
}

fn options(zero_copy: ZeroCopy) -> SocketOptions {
    SocketOptions { ring_size: 256, zero_copy, busy_poll: None }
}

/// A worker's share: memory, sockets and ports on all queues of some devices, registered with a steering program.
struct Worker {
    ports: Vec<Port>,
    sockets: Sockets,
    steering: Steering,
    pool: FramePool,
    devices: Vec<Device>,
}

impl Worker {
    fn start(devices: &[&str], request: AttachRequest) -> Self {
        let mut steering = Steering::load().unwrap();
        let mut attached = Vec::new();
        for name in devices {
            let device = Device::find(name).unwrap();
            let attach = steering.attach(&device, request).unwrap();
            attached.push((device.refresh().unwrap(), attach));
        }
        let requests: Vec<_> = attached
            .iter()
            .flat_map(|(device, attach)| {
                (0..device.rx_queues()).map(|queue| PortRequest { device, queue, attach: *attach })
            })
            .collect();
        let frames = requests.len() as u32 * 512;
        let (umem, mut pool) = Umem::new(UmemConfig { frame_size: 2048, frames, huge_pages: false }).unwrap();
        let mut sockets = Sockets::new(&umem, options(ZeroCopy::Auto)).unwrap();
        let ports = sockets.open_all(&requests, &mut pool).unwrap();
        for port in &ports {
            steering.register(port).unwrap();
        }
        let devices = attached.into_iter().map(|(device, _)| device).collect();
        let worker = Self { ports, sockets, steering, pool, devices };
        worker.check(0);
        worker
    }

    /// Every frame is somewhere.
    fn check(&self, in_process: usize) {
        let in_rings: usize = self.ports.iter().map(Port::frames_in_rings).sum();
        assert_eq!(self.pool.available() + in_rings + in_process, self.pool.total());
    }

    /// One round: what came in on a port leaves on the port at the place `out` says, with the link-layer addresses swapped.
    fn round(&mut self, out: impl Fn(usize) -> usize) -> usize {
        let mut burst = Vec::with_capacity(64);
        let mut moved = 0;
        for place in 0..self.ports.len() {
            self.ports[place].reap(&mut self.pool);
            let room = self.ports[out(place)].tx_room().min(64);
            self.ports[place].receive(&mut burst, room);
            self.check(burst.len());
            for mut frame in burst.drain(..) {
                let (to, from) = frame.bytes_mut()[..12].split_at_mut(6);
                to.swap_with_slice(from);
                self.ports[out(place)].transmit(frame).unwrap();
                moved += 1;
            }
            self.ports[out(place)].flush();
            self.ports[place].refill(&mut self.pool);
            self.ports[place].wake_rx();
            self.check(0);
        }
        moved
    }
}

fn mac_of(namespace: &Namespace, device: &str) -> [u8; 6] {
    namespace.run(|| Device::find(device).unwrap().mac())
}

#[test]
fn packets_come_and_go_on_all_queues() {
    if !is_root() {
        return;
    }
    let net = Pair::new(&["v0"], 2);
    let far = net.there.run(|| Raw::open("v0"));
    let near_kernel = net.here.run(|| Raw::open("v0"));
    let (here, there) = (mac_of(&net.here, "v0"), mac_of(&net.there, "v0"));
    net.here.run(|| {
        let mut worker = Worker::start(&["v0"], AttachRequest::Native);
        assert_eq!(worker.devices[0].driver(), "veth");
        assert_eq!(worker.ports.len(), 2);
        assert!(worker.ports.iter().all(|port| port.mode() == Mode::Copy), "veth has no zero copy");
        assert_eq!(worker.sockets.refused().unwrap().device, "v0");
        worker.steering.apply(&plan()).unwrap();

        let mut expected = std::collections::BTreeSet::new();
        for source in 1000..1128 {
            far.send(&udp(here, there, source, PORT));
            expected.insert(udp(there, here, source, PORT));
            far.send(&udp(here, there, source, PORT + 1));
        }
        until("all packets to come back", || {
            worker.round(|place| place);
            while let Some(frame) = far.receive() {
                expected.remove(&frame);
            }
            expected.is_empty()
        });
        until("all completions", || {
            worker.round(|place| place);
            worker.pool.available() == worker.pool.total() - 2 * 256
        });
        let mut passed = 0;
        while let Some(frame) = near_kernel.receive() {
            assert_eq!(frame[36..38], (PORT + 1).to_be_bytes(), "a packet of the service reached the kernel");
            passed += 1;
        }
        assert_eq!(passed, 128);
        let counters = worker.steering.counters().unwrap();
        assert_eq!((counters.passed, counters.taken, counters.dropped_unserved), (128, 128, 0));
        for port in &worker.ports {
            let statistics = port.statistics().unwrap();
            assert_eq!((statistics.rx_dropped, statistics.tx_invalid_descs, statistics.rx_ring_full), (0, 0, 0));
            assert!(port.counters().kicks > 0, "queue {} sent nothing", port.queue());
        }
        let Worker { ports, mut pool, .. } = worker;
        for port in ports {
            port.close(&mut pool);
        }
        assert_eq!(pool.available(), pool.total());
    });
}

#[test]
fn two_devices_share_the_memory_of_a_worker() {
    if !is_root() {
        return;
    }
    let net = Pair::new(&["v0", "v1"], 1);
    let (left, right) = net.there.run(|| (Raw::open("v0"), Raw::open("v1")));
    let (here, there) = (mac_of(&net.here, "v0"), mac_of(&net.there, "v0"));
    net.here.run(|| {
        let mut worker = Worker::start(&["v0", "v1"], AttachRequest::Native);
        worker.steering.apply(&plan()).unwrap();
        let mut expected = std::collections::BTreeSet::new();
        for source in 1000..1100 {
            left.send(&udp(here, there, source, PORT));
            expected.insert(udp(there, here, source, PORT));
        }
        until("all packets on the other device", || {
            worker.round(|place| 1 - place);
            while let Some(frame) = right.receive() {
                expected.remove(&frame);
            }
            expected.is_empty()
        });
        assert!(left.receive().is_none());

        // A device that was away gets its port back, whichever of the two it was.
        for name in ["v0", "v1"] {
            let place =
                worker.ports.iter().position(|port| port.device() == Device::find(name).unwrap().index()).unwrap();
            worker.ports.remove(place).close(&mut worker.pool);
            worker.check(0);
            let device = Device::find(name).unwrap();
            let request = PortRequest { device: &device, queue: 0, attach: Attach::Native };
            let port = worker.sockets.open(request, &mut worker.pool).unwrap();
            worker.steering.register(&port).unwrap();
            worker.ports.push(port);
            worker.check(0);
        }
        left.send(&udp(here, there, 2000, PORT));
        until("a packet through the new ports", || {
            worker.round(|place| 1 - place);
            right.receive() == Some(udp(there, here, 2000, PORT))
        });
    });
}

#[test]
fn the_self_test_says_what_it_saw() {
    if !is_root() {
        return;
    }
    let net = Pair::new(&["v0"], 2);
    net.here.run(|| {
        let mut worker = Worker::start(&["v0"], AttachRequest::Native);
        let Worker { ports, steering, pool, devices, .. } = &mut worker;
        assert_eq!(self_test(steering, &devices[0], &mut ports[0], pool), SelfTest::Passed);
        let second = self_test(steering, &devices[0], &mut ports[1], pool);
        assert!(
            matches!(&second, SelfTest::NotProven { reason } if reason.contains("only real traffic")),
            "{second:?}"
        );
        assert_eq!(unserved_queues(&devices[0], &ports[..1]), [1]);
        assert!(unserved_queues(&devices[0], ports).is_empty());

        steering.unregister(devices[0].index(), 1).unwrap();
        let outcome = self_test(steering, &devices[0], &mut ports[1], pool);
        assert!(matches!(&outcome, SelfTest::Failed { reason } if reason.contains("no socket")), "{outcome:?}");
        net.here.ip(&["link", "set", "v0", "down"]);
        let outcome = self_test(steering, &devices[0], &mut ports[0], pool);
        assert!(matches!(&outcome, SelfTest::NotProven { reason } if reason.contains("down")), "{outcome:?}");
        steering.detach(devices[0].index()).unwrap();
        let outcome = self_test(steering, &devices[0], &mut ports[0], pool);
        assert!(
            matches!(&outcome, SelfTest::Failed { reason } if reason.contains("another XDP program")),
            "{outcome:?}"
        );
        worker.check(0);
    });
}

#[test]
fn packets_of_an_unserved_queue_are_dropped_and_counted() {
    if !is_root() {
        return;
    }
    let net = Pair::new(&["v0"], 1);
    let far = net.there.run(|| Raw::open("v0"));
    let near_kernel = net.here.run(|| Raw::open("v0"));
    let (here, there) = (mac_of(&net.here, "v0"), mac_of(&net.there, "v0"));
    net.here.run(|| {
        let mut steering = Steering::load().unwrap();
        steering.attach(&Device::find("v0").unwrap(), AttachRequest::Native).unwrap();
        steering.apply(&plan()).unwrap();
        far.send(&udp(here, there, 1, PORT));
        far.send(&udp(here, there, 2, PORT + 1));
        until("the packet that passes", || near_kernel.receive().is_some_and(|frame| frame[36..38] == [0, 54]));
        let counters = steering.counters().unwrap();
        assert_eq!((counters.passed, counters.taken, counters.dropped_unserved), (1, 0, 1));
        assert!(near_kernel.receive().is_none());
    });
}

#[test]
fn a_poll_ends_when_a_packet_comes() {
    if !is_root() {
        return;
    }
    let net = Pair::new(&["v0"], 1);
    let far = net.there.run(|| Raw::open("v0"));
    let (here, there) = (mac_of(&net.here, "v0"), mac_of(&net.there, "v0"));
    net.here.run(|| {
        let mut worker = Worker::start(&["v0"], AttachRequest::Native);
        worker.steering.apply(&plan()).unwrap();
        let mut poller = Poller::new();
        let place = poller.add(worker.ports[0].fd().unwrap());
        assert_eq!(poller.wait(std::time::Duration::ZERO).unwrap(), 0);
        far.send(&udp(here, there, 1, PORT));
        assert_eq!(poller.wait(std::time::Duration::from_secs(10)).unwrap(), 1);
        assert!(poller.is_ready(place));
        assert_eq!(worker.round(|place| place), 1);
    });
}

#[test]
fn a_device_that_is_down_is_told_and_its_frames_come_home() {
    if !is_root() {
        return;
    }
    let net = Pair::new(&["v0"], 1);
    net.here.run(|| {
        let mut worker = Worker::start(&["v0"], AttachRequest::Native);
        net.here.ip(&["link", "set", "v0", "down"]);
        for _ in 0..10 {
            let mut frame = worker.pool.alloc().unwrap();
            frame.copy_from(&udp([2; 6], [4; 6], 1, 1)).unwrap();
            worker.ports[0].transmit(frame).unwrap();
        }
        assert_eq!(worker.ports[0].flush(), Kick::DeviceDown);
        worker.check(0);
        let Worker { mut ports, mut pool, .. } = worker;
        assert_eq!(ports.remove(0).close(&mut pool), 256 + 10);
        assert_eq!(pool.available(), pool.total());
    });
}

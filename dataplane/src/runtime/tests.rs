//! Threads with rings in memory: they take new snapshots, and stop with all frames accounted for.

use std::io;
use std::sync::Mutex;
use std::time::Instant;

use headgate_wire::MacAddr;
use headgate_xsk::{Umem, UmemConfig, Wire, memory_port};

use super::*;
use crate::counters::Counters;
use crate::proto;
use crate::snapshot::Forward;
use crate::testing::packets::{SYN, client, open, tcp};
use crate::testing::world::{BACK, FRONT, SERVER_SLOTS, VIP, VirtualService, World, v4};
use crate::worker::KernelStack;

type Got = Arc<Mutex<usize>>;

struct Stack(Got);

impl KernelStack for Stack {
    fn send(&mut self, _: &[u8]) -> io::Result<()> {
        *self.0.lock().unwrap() += 1;
        Ok(())
    }

    fn mac(&self) -> MacAddr {
        MacAddr([2; 6])
    }
}

fn plan(id: usize, spin: bool, got: &Got) -> (Plan, Wire, Wire) {
    let (umem, mut frames) = Umem::new(UmemConfig { frame_size: 2048, frames: 64, huge_pages: false }).unwrap();
    let [(mut front, front_wire), (back, back_wire)] = [(); 2].map(|()| memory_port(&umem, 16).unwrap());
    front.refill(&mut frames);
    let resources = Resources {
        frames,
        lanes: vec![(FRONT, front), (BACK, back)],
        kernel: Box::new(Stack(Arc::clone(got))),
        counters: Arc::new(Counters::new(SERVER_SLOTS as usize)),
        timers: 1024,
        seed: 1,
    };
    (Plan { id, core: None, spin, resources }, front_wire, back_wire)
}

/// Asks until there is an answer; a worker that never gives one fails the test.
#[track_caller]
fn wait_for<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "no answer");
        std::thread::yield_now();
    }
}

#[test]
fn workers_balance_follow_snapshots_and_stop() {
    let mut world = World::new();
    world.services = vec![VirtualService::new(proto::TCP, VIP, 80).with(v4(11), Forward::Nat)];
    let shared = Shared {
        table: Arc::clone(&world.table),
        servers: Arc::clone(&world.servers),
        snapshot: Arc::new(ArcSwap::from_pointee(world.snapshot())),
        path_mtus: Arc::clone(&world.path_mtus),
        resolve: crossbeam::channel::bounded(8).0,
    };
    let got = Got::default();
    let (first, mut front, mut back) = plan(0, true, &got);
    let (second, mut front2, mut back2) = plan(1, false, &got);
    let mut runtime = Runtime::start(&shared, vec![first, second], Clock::start()).unwrap();
    let request = |n| tcp(client(n), (VIP, 80).into(), SYN, b"");
    for (n, front, back) in [(1, &mut front, &mut back), (2, &mut front2, &mut back2)] {
        assert!(front.deliver(&request(n)));
        let out = wait_for(|| back.collect().pop());
        assert_eq!(open(&out).destination.ip(), v4(11));
    }

    // A new snapshot, without the service: both take it, also the one that sleeps.
    world.services = vec![VirtualService::new(proto::TCP, VIP, 81)];
    runtime.publish(world.snapshot());
    for (front, back) in [(&mut front, &mut back), (&mut front2, &mut back2)] {
        let (before, mut n) = (*got.lock().unwrap(), 10);
        wait_for(|| {
            // A new client each time: connections made before the worker looked are swallowed, not handed over.
            n += 1;
            front.deliver(&request(n));
            back.collect();
            (*got.lock().unwrap() > before).then_some(())
        });
    }
    wait_for(|| {
        runtime.collect();
        runtime.publisher.retired.is_empty().then_some(())
    });
    assert!(!runtime.has_failed());
    assert_eq!(runtime.stop(), 0, "frames that are not accounted for");
    assert!(!front.deliver(&request(6)), "the ports are closed");
}

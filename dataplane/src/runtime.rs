//! The threads of the data plane: started pinned, told of new snapshots, stopped in order.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use headgate_xsk::poll::{Poller, Waker};

use crate::clock::Clock;
use crate::snapshot::Snapshot;
use crate::worker::{Resources, Shared, Worker};

/// Empty rounds before a worker goes to sleep in `poll`: at full rate the next burst is there within a few microseconds, and a poll
/// costs about as much.
const SPIN_ROUNDS: u32 = 64;

/// A worker to be started.
pub struct Plan {
    pub id: usize,
    /// The core to pin the thread to; `None` = the scheduler's choice.
    pub core: Option<usize>,
    /// Never sleep: lowest latency for a whole core.
    pub spin: bool,
    pub resources: Resources,
}

/// Running workers.
pub struct Runtime {
    threads: Vec<JoinHandle<usize>>,
    stop: Arc<AtomicBool>,
    wakers: Vec<Arc<Waker>>,
    publisher: Publisher,
}

impl Runtime {
    /// Starts one thread per plan.
    ///
    /// # Errors
    /// Of the operating system, when a thread or its waker cannot be made; threads already started stop again.
    pub fn start(shared: &Shared, plans: Vec<Plan>, clock: Clock) -> io::Result<Self> {
        let mut runtime = Self {
            threads: Vec::new(),
            stop: Arc::new(AtomicBool::new(false)),
            wakers: Vec::new(),
            publisher: Publisher { current: Arc::clone(&shared.snapshot), retired: Vec::new() },
        };
        for plan in plans {
            let waker = Arc::new(Waker::new()?);
            runtime.wakers.push(Arc::clone(&waker));
            let (shared, stop) = (shared.clone(), Arc::clone(&runtime.stop));
            let thread = std::thread::Builder::new()
                .name(format!("dp-{}", plan.id))
                .spawn(move || run(shared, plan, clock, &stop, &waker))?;
            runtime.threads.push(thread);
        }
        Ok(runtime)
    }

    /// Makes `snapshot` the one that workers use from their next round on, at once if they sleep.
    pub fn publish(&mut self, snapshot: Snapshot) {
        self.publisher.publish(snapshot);
        for waker in &self.wakers {
            // The worker looks by itself within a tenth of a second.
            let _ = waker.wake();
        }
    }

    /// Frees snapshots that no worker uses any more; to be called now and then.
    pub fn collect(&mut self) {
        self.publisher.collect();
    }

    /// Whether a worker has ended by itself, which none should.
    pub fn has_failed(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Stops all workers and waits for them. Returns how many frames were not accounted for (0, or there is a bug).
    pub fn stop(mut self) -> usize {
        self.halt()
    }

    fn halt(&mut self) -> usize {
        self.stop.store(true, Ordering::Release);
        for waker in &self.wakers {
            let _ = waker.wake();
        }
        self.threads.drain(..).map(|thread| thread.join().unwrap_or(0)).sum()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.halt();
    }
}

/// Publishes snapshots and frees old ones here rather than in the worker that lets go last.
struct Publisher {
    current: Arc<ArcSwap<Snapshot>>,
    retired: Vec<Arc<Snapshot>>,
}

impl Publisher {
    fn publish(&mut self, snapshot: Snapshot) {
        let old = self.current.swap(Arc::new(snapshot));
        self.retired.push(old);
        self.collect();
    }

    fn collect(&mut self) {
        self.retired.retain(|snapshot| Arc::strong_count(snapshot) > 1);
    }
}

fn run(shared: Shared, plan: Plan, clock: Clock, stop: &AtomicBool, waker: &Waker) -> usize {
    if let Some(core) = plan.core {
        let pinned = core_affinity::set_for_current(core_affinity::CoreId { id: core });
        if !pinned {
            tracing::warn!(worker = plan.id, core, "could not pin the worker to its core");
        }
    }
    let mut worker = Worker::new(shared, plan.resources, clock.now());
    let mut poller = Poller::new();
    worker.ports().filter_map(headgate_xsk::Port::fd).for_each(|fd| {
        poller.add(fd);
    });
    poller.add(waker.as_fd());
    let mut idle = 0;
    while !stop.load(Ordering::Acquire) {
        let now = clock.now();
        if worker.round(now) > 0 {
            idle = 0;
            continue;
        }
        idle += 1;
        if plan.spin || idle < SPIN_ROUNDS {
            std::hint::spin_loop();
            continue;
        }
        // An error here is an interrupted or refused wait: the next round looks anyway.
        let _ = poller.wait(Duration::from_millis(worker.idle_for(now)));
        waker.drain();
    }
    let frames = worker.shut_down();
    frames.total().saturating_sub(frames.available())
}

#[cfg(all(test, not(loom)))]
mod tests;

//! The pool: threads with a runtime, listeners and connections of their own each.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use socket2::Socket;
use tokio::runtime::LocalOptions;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use crate::clock::millis;
use crate::config::{Protocol, Proxy};
use crate::http2::Sessions;
use crate::idle::Idle;
use crate::listen::{Listening, accept, listen};
use crate::log::{Buffers, Logs, OpenError, Queue, Seen, Sink};
use crate::snapshot::Snapshot;
use crate::spool::Spool;
use crate::timers::Timers;

/// Scratch memory that a thread keeps.
const SCRATCHES: usize = 64;

/// What all workers share.
#[derive(Debug)]
pub struct Shared {
    pub snapshot: ArcSwap<Snapshot>,
    /// Connections of clients.
    pub connections: AtomicU64,
    /// No new requests: connections end with the one they have.
    pub draining: AtomicBool,
    workers: usize,
    /// Lines of the access log on their way.
    pub log: Queue,
}

/// What a connection's task knows.
#[derive(Debug)]
pub struct Worker {
    /// From 0.
    pub id: usize,
    pub shared: Arc<Shared>,
    pub timers: Timers,
    pub idle: Idle,
    pub sessions: Sessions,
    /// The snapshot, counted in this thread: a count that all threads share would be fought for at each request.
    snapshot: RefCell<LocalSnapshot>,
    scratch: RefCell<Vec<Scratch>>,
    /// Lines for the access log.
    pub lines: Buffers,
    accepted: Cell<u64>,
}

#[allow(clippy::redundant_allocation, reason = "the outer count is the point")]
pub type LocalSnapshot = Rc<Arc<Snapshot>>;

/// Memory that a request needs while it runs.
#[derive(Debug, Default)]
pub struct Scratch {
    /// For the server: the head.
    pub head: Vec<u8>,
    /// For the server: the body.
    pub spool: Spool,
    /// For the server: what ends the body.
    pub tail: Vec<u8>,
    /// For the client.
    pub out: Vec<u8>,
    /// What is hashed.
    pub key: Vec<u8>,
    /// Fields that are added to responses.
    pub added: Vec<u8>,
    /// A new target, a new host and fields for the server, behind each other.
    pub edited: Vec<u8>,
    /// For the access log.
    pub seen: Seen,
}

impl Worker {
    fn new(id: usize, shared: Arc<Shared>) -> Self {
        Self {
            id,
            snapshot: RefCell::new(Rc::new(shared.snapshot.load_full())),
            shared,
            timers: Timers::default(),
            idle: Idle::default(),
            sessions: Sessions::default(),
            scratch: RefCell::default(),
            lines: Buffers::default(),
            accepted: Cell::new(0),
        }
    }

    /// A number for a connection that no other of the process has.
    pub fn number(&self) -> u64 {
        self.accepted.set(self.accepted.get() + 1);
        self.accepted.get() * self.shared.workers as u64 + self.id as u64
    }

    /// What is in force now.
    pub fn snapshot(&self) -> LocalSnapshot {
        let now = self.shared.snapshot.load();
        let mut known = self.snapshot.borrow_mut();
        if !Arc::ptr_eq(&now, &known) {
            *known = Rc::new(Arc::clone(&now));
        }
        Rc::clone(&known)
    }

    pub fn is_draining(&self) -> bool {
        self.shared.draining.load(Relaxed)
    }

    pub fn scratch(&self) -> Scratch {
        self.scratch.borrow_mut().pop().unwrap_or_default()
    }

    pub fn put_back(&self, mut scratch: Scratch) {
        scratch.spool.clear();
        let mut kept = self.scratch.borrow_mut();
        if kept.len() < SCRATCHES {
            kept.push(scratch);
        }
    }
}

enum Order {
    Listen(SocketAddr, Arc<str>, Socket),
    Close(SocketAddr),
    /// Connections without a request end.
    EndIdle,
    Stop,
}

/// What an address is for: the name of its listener, and what that speaks.
type Opened = (Arc<str>, Protocol);

/// The running proxy.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<(UnboundedSender<Order>, JoinHandle<()>)>,
    open: HashMap<SocketAddr, Opened>,
    logs: Logs,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Log(#[from] OpenError),
}

impl Pool {
    /// Starts a thread for each element: pinned to its core, if it names one.
    pub fn start(cores: &[Option<usize>]) -> io::Result<Self> {
        let (logs, log) = Logs::new();
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::default(),
            connections: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            workers: cores.len(),
            log,
        });
        let start = |(id, core): (usize, &Option<usize>)| {
            let (orders, inbox) = unbounded_channel();
            let (shared, core) = (Arc::clone(&shared), *core);
            let thread = std::thread::Builder::new().name(format!("l7-{id}")).spawn(move || {
                if let Some(id) = core {
                    core_affinity::set_for_current(core_affinity::CoreId { id });
                }
                run(id, shared, inbox);
            })?;
            Ok((orders, thread))
        };
        let workers = cores.iter().enumerate().map(start).collect::<io::Result<_>>()?;
        Ok(Self { shared, workers, open: HashMap::new(), logs })
    }

    /// Goes over to another configuration, without disturbing connections that it has a place for. All or nothing.
    pub fn apply(&mut self, proxy: Proxy) -> Result<(), ApplyError> {
        let wanted: HashMap<SocketAddr, Opened> = proxy
            .listeners
            .iter()
            .flat_map(|listener| {
                let opened: Opened = (listener.name.as_str().into(), listener.protocol);
                listener.addresses.iter().map(move |address| (*address, opened.clone()))
            })
            .collect();
        let sinks = self.logs.open(proxy.access_logs().map(|log| &log.destination))?;
        let mut sockets = Vec::new();
        for (address, opened) in wanted.iter().filter(|(address, opened)| self.open.get(address) != Some(opened)) {
            for worker in 0..self.workers.len() {
                let (name, protocol) = opened;
                let socket =
                    listen(*address, *protocol).map_err(|source| ApplyError::Listen { address: *address, source })?;
                sockets.push((worker, *address, Arc::clone(name), socket));
            }
        }
        // First the new snapshot: a connection must find its listener.
        let before = self.shared.snapshot.load_full();
        self.shared.snapshot.store(Arc::new(Snapshot::new(proxy, &before, &sinks, self.workers.len())));
        self.logs.keep(sinks);
        for (address, _) in self.open.iter().filter(|(address, name)| wanted.get(address) != Some(name)) {
            self.workers.iter().for_each(|(orders, _)| drop(orders.send(Order::Close(*address))));
        }
        for (worker, address, name, socket) in sockets {
            let _ = self.workers[worker].0.send(Order::Listen(address, name, socket));
        }
        self.open = wanted;
        Ok(())
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot.load_full()
    }

    /// Connections of clients at the moment.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Relaxed)
    }

    /// Where the access logs go.
    pub fn logs(&self) -> &[Arc<Sink>] {
        self.logs.sinks()
    }

    /// Opens the files of the access logs again: those that have been renamed are left behind.
    pub fn reopen_logs(&self) {
        self.logs.reopen();
    }

    /// Closes the listeners; connections end with the request they have.
    pub fn drain(&mut self) {
        self.shared.draining.store(true, Relaxed);
        for (address, _) in self.open.drain() {
            self.workers.iter().for_each(|(orders, _)| drop(orders.send(Order::Close(address))));
        }
        self.workers.iter().for_each(|(orders, _)| drop(orders.send(Order::EndIdle)));
    }

    /// Ends all connections and threads.
    pub fn stop(self) {
        for (orders, _) in &self.workers {
            let _ = orders.send(Order::Stop);
        }
        for (_, thread) in self.workers {
            let _ = thread.join();
        }
        // With it the last way to the log's thread.
        drop(self.shared);
        self.logs.finish();
    }

    /// Whether a thread has ended unasked.
    pub fn has_failed(&self) -> bool {
        self.workers.iter().any(|(_, thread)| thread.is_finished())
    }
}

fn run(id: usize, shared: Arc<Shared>, inbox: UnboundedReceiver<Order>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = match builder.enable_io().enable_time().build_local(LocalOptions::default()) {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!("cannot start a proxy worker: {error}"),
    };
    let worker = Rc::new(Worker::new(id, shared));
    runtime.block_on(async {
        let sweeper = Rc::clone(&worker);
        tokio::task::spawn_local(async move { sweeper.timers.sweep().await });
        let sweeper = Rc::clone(&worker);
        tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                sweeper.idle.sweep(millis());
                sweeper.sessions.sweep(millis());
                sweeper.lines.flush(&sweeper.shared.log);
                // A worker without requests would hold what others have let go of.
                drop(sweeper.snapshot());
            }
        });
        obey(&worker, inbox).await;
        worker.lines.finish(&worker.shared.log).await;
    });
}

/// Opens and closes listeners until told to stop.
async fn obey(worker: &Rc<Worker>, mut inbox: UnboundedReceiver<Order>) {
    let mut listeners: HashMap<SocketAddr, AbortHandle> = HashMap::new();
    while let Some(order) = inbox.recv().await {
        match order {
            Order::Listen(address, name, socket) => match Listening::new(socket) {
                Ok(socket) => {
                    let task = tokio::task::spawn_local(accept(Rc::clone(worker), name, socket));
                    listeners.insert(address, task.abort_handle());
                }
                Err(error) => tracing::error!(%address, "cannot listen: {error}"),
            },
            Order::Close(address) => {
                if let Some(task) = listeners.remove(&address) {
                    task.abort();
                }
            }
            Order::EndIdle => worker.timers.end_idle(),
            Order::Stop => return,
        }
    }
}

//! The virtual routers of this node at work.
//!
//! ```text
//!  control thread ─ Command ─▶ vrrp (thread): sockets, timers ─▶ Event ─▶ control thread
//!                                 ├─▶ hold: addresses by netlink
//!                                 └─▶ tell: gratuitous ARP, neighbour advertisements
//! ```
//!
//! The vrrp thread decides and sends adverts, and waits for nothing else: with a thousand addresses the kernel needs longer than an advert
//! may be late.

mod hold;
mod place;
mod report;
mod send;
mod setup;
mod socket;
mod tell;
mod thread;
pub mod track;

use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use headgate_api as api;
use tokio::sync::{mpsc, oneshot};

pub use setup::{Announcing, Instance, Notify, Setup};

use crate::netlink::NetState;
use thread::{Commands, Thread};
use track::Verdict;

/// What the thread is told.
#[derive(Debug)]
enum Command {
    Configure(Arc<Setup>),
    Network(Arc<NetState>),
    Judge {
        router: String,
        track: usize,
        verdict: Verdict,
    },
    Report(oneshot::Sender<api::Vrrp>),
    /// Leaves in order.
    Stop,
}

/// What the thread tells, for the log and for scripts.
#[derive(Debug, Clone)]
pub enum Event {
    Became {
        router: String,
        /// Whom its settings want to be told.
        notify: Arc<Notify>,
        from: &'static str,
        to: &'static str,
        cause: String,
        priority: u8,
    },
    /// Something does not work.
    Trouble { router: String, what: String },
    /// What is odd about adverts of others, told once until it changes.
    Odd { router: String, what: String },
}

/// The threads, once there has been a virtual router.
#[derive(Debug, Default)]
pub struct Vrrp(Option<Running>);

#[derive(Debug)]
struct Running {
    commands: Commands,
    events: mpsc::UnboundedReceiver<Event>,
    threads: Vec<JoinHandle<()>>,
}

impl Vrrp {
    /// Goes over to these virtual routers; those that stay are not disturbed. Nothing is started for none.
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn apply(&mut self, setup: Setup, network: &Arc<NetState>) -> Result<()> {
        if self.0.is_none() && !setup.instances.is_empty() {
            self.0 = Some(Running::start().context("cannot start the virtual routers")?);
        }
        if let Some(running) = &self.0 {
            running.commands.send(Command::Network(Arc::clone(network)));
            running.commands.send(Command::Configure(Arc::new(setup)));
        }
        Ok(())
    }

    /// The interfaces or their addresses have changed.
    pub fn network_changed(&self, network: &Arc<NetState>) {
        if let Some(running) = &self.0 {
            running.commands.send(Command::Network(Arc::clone(network)));
        }
    }

    /// Something that a router tracks, by its place in the list, has been looked at.
    pub fn judge(&self, router: String, track: usize, verdict: Verdict) {
        if let Some(running) = &self.0 {
            running.commands.send(Command::Judge { router, track, verdict });
        }
    }

    /// Never, without virtual routers.
    pub async fn next_event(&mut self) -> Event {
        match &mut self.0 {
            Some(running) => match running.events.recv().await {
                Some(event) => event,
                None => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }

    pub async fn report(&self) -> api::Vrrp {
        let none = || api::Vrrp::new(Vec::new());
        let Some(running) = &self.0 else { return none() };
        let (answer, answered) = oneshot::channel();
        running.commands.send(Command::Report(answer));
        answered.await.unwrap_or_else(|_| none())
    }

    /// Whether a thread has ended by itself.
    pub fn has_failed(&self) -> bool {
        self.0.as_ref().is_some_and(|running| running.threads.iter().any(JoinHandle::is_finished))
    }

    /// Leaves in order: one advert of priority 0, then the addresses go. What has happened meanwhile.
    pub async fn stop(&mut self) -> Vec<Event> {
        let Some(mut running) = self.0.take() else { return Vec::new() };
        running.commands.send(Command::Stop);
        drop(running.commands);
        // They end one after the other, each when the one before has let go of it.
        let ended = tokio::task::spawn_blocking(|| running.threads.into_iter().for_each(|thread| drop(thread.join())));
        if ended.await.is_err() {
            tracing::error!("the virtual routers did not end in order");
        }
        std::iter::from_fn(|| running.events.try_recv().ok()).collect()
    }
}

impl Running {
    fn start() -> Result<Self> {
        let (events, received) = mpsc::unbounded_channel();
        let (holder, holding) = hold::start(events.clone())?;
        let (teller, telling) = tell::start(events.clone())?;
        let (commands, thread) = Thread::start(events, holder, teller)?;
        Ok(Self { commands, events: received, threads: vec![thread, holding, telling] })
    }
}

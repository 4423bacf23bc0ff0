//! The running daemon: one thread that listens to everything slow (signals, the control socket, netlink, timers) and tells the workers
//! what follows from it.
//!
//! ```text
//!  file ── reload ──▶ Model ──▶ Registry ─┐
//!  control socket ── server … ──▶         ├─▶ compile ──▶ snapshot ──▶ workers
//!  netlink mirror ──▶ NetState ───────────┘          └──▶ maps ──▶ steering program
//!                    Model ──▶ Proxy (the pool of the proxy's workers)
//! ```

mod addresses;
mod answers;
mod chain;
mod checks;
mod dataplane;
mod interfaces;
mod neighbours;
mod notify;
mod proxy;
mod rates;
pub mod registry;
mod reload;
mod signals;
mod stop;
mod tracking;
mod virtual_routers;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use headgate_api as api;
use headgate_dataplane::pipeline::Resolve;
use headgate_dataplane::servers::Servers;
use headgate_xsk::SharedWords;
use tokio::sync::{mpsc, watch};

use crate::admin::Admin;
use crate::compile::{self, network::network, steering::steering};
use crate::config::{self, Environment, LoadError, Loaded, Model};
use crate::logging::{self, LogControl};
use crate::netlink::mirror::Options as MirrorOptions;
use crate::netlink::{Commands, Mirror, NetState};
use crate::socket::{Call, Server};
use crate::vrrp::{self, Vrrp};

use addresses::Held;
use chain::chain;
use checks::Checks;
use dataplane::Dataplane;
use notify::notify;
use proxy::Proxy;
use rates::Rates;
use registry::Registry;
use signals::{Order, Signals};
use tracking::{Finding, Tracking};
use virtual_routers::Notifier;

/// Timers of the daemon: old snapshots, removed servers, rates.
const TICK: Duration = Duration::from_millis(100);
/// Neighbours in use are kept fresh this often: the kernel does not see that they are used, and only asks again when told so.
const CONFIRM_EVERY: u32 = 10;
/// How soon a held address that has gone is put back, in ticks. Slow enough for the mirror to have seen what we added ourselves.
const KEEP_ADDRESSES_EVERY: u32 = 3;
/// How often an interface that had gone is looked for, in ticks.
const TAKE_BACK_EVERY: u32 = 10;
/// How often the caches of lblc and lblcr are cleaned, in ticks (`ip_vs_lblc.c`: a minute).
const HOUSEKEEP_EVERY: u32 = 600;

/// What `headgate run` was told.
#[derive(Debug, Clone)]
pub struct Options {
    pub config: PathBuf,
    /// Instead of `control.socket`.
    pub socket: Option<PathBuf>,
    /// How long connections may go on after the order to stop.
    pub drain: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Configuration(#[from] LoadError),
    #[error("{}", chain(.0))]
    Start(#[from] anyhow::Error),
}

/// Runs until it is told to stop.
pub fn run(options: &Options) -> Result<(), RunError> {
    let loaded = config::load(&options.config, &Environment::detect())?;
    let log = logging::init(loaded.model.control().log()).map_err(anyhow::Error::from)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the control thread")?;
    // Health checks are tasks that stay in this thread.
    let ended = tokio::task::LocalSet::new().block_on(&runtime, async {
        // First of all: a signal that comes during the start is obeyed after it, instead of ending us halfway.
        let mut signals = Signals::listen()?;
        let mut daemon = Daemon::start(options, loaded, log).await?;
        notify("READY=1");
        let worked = daemon.serve(&mut signals, options.drain).await;
        daemon.stop().await;
        worked
    });
    // A lookup of a host name may go on for long, and nobody waits for it any more.
    runtime.shutdown_background();
    Ok(ended?)
}

struct Daemon {
    file: PathBuf,
    log: LogControl,
    started: Instant,
    model: Model,
    generation: u64,
    last_reload: Option<api::LastReload>,
    registry: Registry,
    dataplane: Option<Dataplane>,
    requests: Option<mpsc::UnboundedReceiver<Resolve>>,
    proxy: Proxy,
    vrrp: Vrrp,
    tracking: Tracking,
    checks: Checks,
    notifier: Notifier,
    state: watch::Receiver<Arc<NetState>>,
    commands: Commands,
    held: Held,
    rates: Rates,
    server: Server,
    admin: Admin,
    ticks: u32,
    /// Set since the order to stop: the latest end.
    draining: Option<tokio::time::Instant>,
}

/// What the control thread waits for.
enum Event {
    Order(Order),
    Call(Call),
    Network,
    Resolve(Resolve),
    /// A host name of a server has other addresses.
    Names,
    /// A virtual router has changed its state, or has trouble.
    Vrrp(vrrp::Event),
    Tracked(Finding),
    /// A check of a service's server says something new.
    Checked(checks::Finding),
    Tick,
}

impl Daemon {
    async fn start(options: &Options, loaded: Loaded, log: LogControl) -> Result<Self> {
        let model = loaded.model.clone();
        let path = options.socket.as_deref().unwrap_or(model.control().socket());
        let server = Server::bind(path).context("control socket")?;
        let mirror =
            Mirror::open(MirrorOptions::default()).await.context("cannot follow the kernel's network state")?;
        let state = mirror.subscribe();
        tokio::spawn(mirror.run());
        let commands = Commands::open().context("cannot talk to the kernel")?;

        let mut daemon = Self {
            file: options.config.clone(),
            log,
            started: Instant::now(),
            registry: Registry::new(empty_slab()?),
            model,
            generation: 0,
            last_reload: None,
            dataplane: None,
            requests: None,
            proxy: Proxy::default(),
            vrrp: Vrrp::default(),
            tracking: Tracking::new(),
            checks: Checks::new(),
            notifier: Notifier::start(),
            state,
            commands,
            held: Held::default(),
            rates: Rates::default(),
            server,
            admin: Admin::default(),
            ticks: 0,
            draining: None,
        };
        if let Err(error) = daemon.begin().await {
            // Whoever takes over must not meet a node that holds the addresses and balances nothing.
            daemon.vrrp.stop().await;
            daemon.held.release(&daemon.commands).await;
            return Err(error);
        }
        for warning in loaded.warnings.iter().chain(&daemon.unheld(&loaded)) {
            tracing::warn!("{warning}");
        }
        let policy = daemon.state.borrow().policy_warning();
        if let Some(warning) = policy {
            tracing::warn!("{warning}");
        }
        tracing::info!(node = daemon.model.node().name(), version = env!("CARGO_PKG_VERSION"), "headgate runs");
        Ok(daemon)
    }

    /// Holds the addresses and starts to balance.
    async fn begin(&mut self) -> Result<()> {
        self.held.follow(&self.commands, self.model.addresses()).await?;
        // The addresses just added decide which services are local; without them the first snapshot would be an empty one.
        self.await_addresses().await;
        self.follow_admin().await?;
        self.proxy.resolve(self.model.proxy()).await;
        self.apply()
    }

    /// Listens where the model says, with the addresses that are held by now.
    async fn follow_admin(&mut self) -> Result<()> {
        Ok(self.admin.follow(self.model.control().admin()).await?)
    }

    /// Waits until the mirror shows the addresses we hold, or a moment has passed.
    async fn await_addresses(&mut self) {
        let wanted: Vec<_> = self.model.addresses().iter().map(|held| held.prefix().address()).collect();
        let shown = self.state.wait_for(|state| {
            let local = state.local_addresses();
            wanted.iter().all(|address| local.contains(address))
        });
        let _ = tokio::time::timeout(Duration::from_secs(2), shown).await;
    }

    /// Does what is asked until the order to stop has been carried out as far as that takes time.
    async fn serve(&mut self, signals: &mut Signals, drain: Duration) -> Result<()> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            match self.next_event(signals, &mut tick).await {
                Event::Order(Order::Stop) if self.draining.is_some() => return Ok(()),
                Event::Order(Order::Stop) => self.drain(drain).await,
                Event::Order(Order::Reload) if self.draining.is_some() => {
                    tracing::warn!("not reloaded: {}", stop::STOPPING);
                }
                Event::Order(Order::Reload) => {
                    notify("RELOADING=1");
                    self.reload().await;
                    notify("READY=1");
                }
                Event::Order(Order::ReopenLogs) => self.proxy.reopen_logs(),
                Event::Call(call) => {
                    let response = self.answer(call.request().clone()).await;
                    call.answer(response);
                }
                Event::Network => self.network_changed(),
                Event::Resolve(wanted) => self.resolve(wanted).await,
                // Who is stopping opens nothing any more.
                Event::Names if self.draining.is_some() => {}
                Event::Names => self.proxy.follow_names(),
                Event::Vrrp(event) => self.virtual_router_event(&event),
                Event::Tracked((router, track, verdict)) => self.vrrp.judge(router, track, verdict),
                // No server comes back any more.
                Event::Checked(_) if self.draining.is_some() => {}
                Event::Checked(finding) => self.checked(&finding),
                Event::Tick => self.tick().await?,
            }
            if self.is_drained() {
                return Ok(());
            }
        }
    }

    async fn next_event(&mut self, signals: &mut Signals, tick: &mut tokio::time::Interval) -> Event {
        let requests = async {
            match &mut self.requests {
                Some(requests) => requests.recv().await,
                None => None,
            }
        };
        tokio::select! {
            biased;
            order = signals.next() => Event::Order(order),
            Some(call) = self.server.next() => Event::Call(call),
            Ok(()) = self.state.changed() => Event::Network,
            Some(wanted) = requests => Event::Resolve(wanted),
            event = self.vrrp.next_event() => Event::Vrrp(event),
            finding = self.checks.next() => Event::Checked(finding),
            finding = self.tracking.next() => Event::Tracked(finding),
            () = self.proxy.renamed() => Event::Names,
            _ = tick.tick() => Event::Tick,
            // Last: whoever reaches the endpoint can ask without end, and must not keep the daemon from its work.
            Some(call) = self.admin.next() => Event::Call(call),
        }
    }

    /// Makes the model the one that is balanced by. Starts the data plane when the first service comes.
    fn apply(&mut self) -> Result<()> {
        if self.dataplane.is_none() && !self.model.services().is_empty() {
            let (dataplane, requests) = Dataplane::start(self.model.dataplane())?;
            self.registry = Registry::new(Arc::clone(&dataplane.shared().servers));
            self.dataplane = Some(dataplane);
            self.requests = Some(requests);
        }
        self.registry.apply(&self.model)?;
        self.checks.apply(&self.model, &mut self.registry);
        self.proxy.apply(self.model.proxy())?;
        self.generation += 1;
        self.publish()?;
        // Last: a node that is not ready to work must not become master.
        let state = Arc::clone(&self.state.borrow());
        self.vrrp.apply(self.model.virtual_routers().setup(), &state)?;
        self.tracking.apply(self.model.virtual_routers().instances());
        Ok(())
    }

    /// Compiles and publishes what is wanted and what is there.
    fn publish(&mut self) -> Result<()> {
        let Some(dataplane) = &mut self.dataplane else {
            return Ok(());
        };
        let state = Arc::clone(&self.state.borrow_and_update());
        let network = network(&state, dataplane.served());
        let maps = steering(&self.registry, &network, dataplane::local_addresses(&state));
        let snapshot =
            compile::snapshot(dataplane.next_generation(), compile::settings(&self.model), &self.registry, network);
        dataplane.publish(snapshot, &maps)
    }

    fn publish_or_log(&mut self) {
        if let Err(error) = self.publish() {
            tracing::error!("cannot bring the data plane up to date: {}", chain(&error));
        }
    }

    fn network_changed(&mut self) {
        let state = Arc::clone(&self.state.borrow_and_update());
        self.vrrp.network_changed(&state);
        self.follow_interfaces(&state);
        self.publish_or_log();
    }

    async fn tick(&mut self) -> Result<()> {
        self.ticks = self.ticks.wrapping_add(1);
        let grown = self.draining.is_none() && self.registry.grow(Instant::now());
        if self.registry.prune() || grown {
            self.publish_or_log();
        }
        if self.ticks.is_multiple_of(KEEP_ADDRESSES_EVERY) {
            let state = Arc::clone(&self.state.borrow());
            self.held.restore(&self.commands, self.model.addresses(), &state).await;
        }
        if self.ticks.is_multiple_of(TAKE_BACK_EVERY) {
            self.take_interfaces_back();
        }
        self.judge_own();
        anyhow::ensure!(!self.proxy.has_failed(), "a worker thread of the proxy ended unexpectedly");
        anyhow::ensure!(!self.vrrp.has_failed(), "a thread of the virtual routers ended unexpectedly");
        let Some(dataplane) = &mut self.dataplane else {
            return Ok(());
        };
        dataplane.housekeep();
        if dataplane.has_failed() {
            anyhow::bail!("a worker thread ended unexpectedly");
        }
        self.rates.tick(dataplane, &self.registry);
        if self.ticks.is_multiple_of(HOUSEKEEP_EVERY) {
            let seconds = dataplane.clock().now().millis / 1000;
            self.registry.services().iter().for_each(|service| service.pool.housekeep(seconds));
        }
        if self.ticks.is_multiple_of(CONFIRM_EVERY) {
            self.confirm_neighbours().await;
        }
        Ok(())
    }

    fn unheld(&self, loaded: &Loaded) -> Vec<config::ConfigWarning> {
        loaded.unheld(&self.state.borrow().local_addresses())
    }
}

/// A slab for a node without a data plane, which balances nothing.
fn empty_slab() -> Result<Arc<Servers>> {
    let words = SharedWords::new(c"headgate-servers", Servers::words_needed(1), false)?;
    Ok(Arc::new(Servers::new(words)?))
}

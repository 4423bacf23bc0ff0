//! The addresses of the virtual routers that this node is master of: added and removed by netlink, in a thread of its own.

use std::collections::{HashMap, HashSet};
use std::thread::JoinHandle;

use anyhow::Result;
use futures_util::future::join_all;
use tokio::sync::mpsc;

use super::Event;
use super::setup::Key;
use crate::config::model::Prefix;
use crate::netlink::commands::Detection;
use crate::netlink::{Commands, NetlinkError};

/// What a virtual router is to hold from now on.
#[derive(Debug)]
pub struct Job {
    pub key: Key,
    /// Its name.
    pub router: String,
    pub ifindex: u32,
    /// All addresses it has to do with.
    pub addresses: Vec<Prefix>,
    /// Or none of them.
    pub hold: bool,
}

const ENODEV: i32 = 19;

pub type Holder = mpsc::UnboundedSender<Job>;

/// Ends when the sender is gone, with nothing held.
pub fn start(events: mpsc::UnboundedSender<Event>) -> Result<(Holder, JoinHandle<()>)> {
    let (sender, jobs) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Here, so that it belongs to the network namespace of whoever starts us.
    let commands = {
        let _entered = runtime.enter();
        Commands::open()?
    };
    let thread = std::thread::Builder::new().name("vrrp-hold".to_owned()).spawn(move || {
        runtime.block_on(work(commands, jobs, events));
    })?;
    Ok((sender, thread))
}

async fn work(commands: Commands, mut jobs: mpsc::UnboundedReceiver<Job>, events: mpsc::UnboundedSender<Event>) {
    let mut held: HashMap<Key, HashSet<(u32, Prefix)>> = HashMap::new();
    while let Some(job) = jobs.recv().await {
        let named: HashSet<_> = job.addresses.iter().map(|prefix| (job.ifindex, *prefix)).collect();
        let before = held.remove(&job.key).unwrap_or_default();
        // Without its holding them, they may be there: of a predecessor that was killed.
        let gone = if job.hold { &before - &named } else { &before | &named };
        let mut results = join_all(gone.iter().map(|(at, prefix)| remove(&commands, *at, *prefix))).await;
        if job.hold {
            results.extend(join_all(job.addresses.iter().map(|prefix| add(&commands, job.ifindex, *prefix))).await);
            held.insert(job.key, named);
        }
        // One is enough to know what is wrong.
        if let Some(error) = results.into_iter().find_map(Result::err) {
            let _ = events.send(Event::Trouble { router: job.router, what: error.to_string() });
        }
    }
    join_all(held.into_values().flatten().map(|(at, prefix)| remove(&commands, at, prefix))).await;
}

async fn add(commands: &Commands, ifindex: u32, prefix: Prefix) -> Result<(), NetlinkError> {
    commands.add_address_at(ifindex, prefix.address(), prefix.length(), Detection::Skip).await.map(|_| ())
}

/// An interface that is gone has taken its addresses along.
async fn remove(commands: &Commands, ifindex: u32, prefix: Prefix) -> Result<(), NetlinkError> {
    if ifindex == 0 {
        return Ok(());
    }
    match commands.del_address_at(ifindex, prefix.address(), prefix.length()).await {
        Err(error) if error.errno() == Some(ENODEV) => Ok(()),
        answer => answer.map(|_| ()),
    }
}

//! The addresses of the virtual routers that this node is master of: added and removed by netlink, in a thread of its own.

use std::collections::HashMap;
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
    let mut held: HashMap<Key, (u32, Vec<Prefix>)> = HashMap::new();
    while let Some(job) = jobs.recv().await {
        let before = held.remove(&job.key);
        let gone: Vec<(u32, Prefix)> = before
            .into_iter()
            .flat_map(|(ifindex, prefixes)| prefixes.into_iter().map(move |prefix| (ifindex, prefix)))
            .chain((!job.hold).then_some(&job.addresses).into_iter().flatten().map(|prefix| (job.ifindex, *prefix)))
            .filter(|(ifindex, prefix)| !(job.hold && *ifindex == job.ifindex && job.addresses.contains(prefix)))
            .collect();
        let mut results = join_all(gone.iter().map(|(at, prefix)| remove(&commands, *at, *prefix))).await;
        if job.hold {
            results.extend(join_all(job.addresses.iter().map(|prefix| add(&commands, job.ifindex, *prefix))).await);
            held.insert(job.key, (job.ifindex, job.addresses));
        }
        // One is enough to know what is wrong.
        if let Some(error) = results.into_iter().find_map(Result::err) {
            let _ = events.send(Event::Trouble { router: job.router, what: error.to_string() });
        }
    }
    let left = held.into_values().flat_map(|(at, prefixes)| prefixes.into_iter().map(move |prefix| (at, prefix)));
    join_all(left.map(|(at, prefix)| remove(&commands, at, prefix))).await;
}

async fn add(commands: &Commands, ifindex: u32, prefix: Prefix) -> Result<(), NetlinkError> {
    commands.add_address_at(ifindex, prefix.address(), prefix.length(), Detection::Skip).await.map(|_| ())
}

/// An interface that is gone has taken its addresses along.
async fn remove(commands: &Commands, ifindex: u32, prefix: Prefix) -> Result<(), NetlinkError> {
    if ifindex == 0 {
        return Ok(());
    }
    commands.del_address_at(ifindex, prefix.address(), prefix.length()).await.map(|_| ())
}

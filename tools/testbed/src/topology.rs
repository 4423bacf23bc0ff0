//! A set of namespaces with devices, addresses and routes, removed as a whole.

mod builder;
mod host;
pub mod plan;
mod segment;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::decap::Decapsulator;
use crate::names;
use crate::namespace::{self, Namespace};

pub use builder::Builder;
pub use host::Host;

/// A network on one machine. Dropping it kills the processes in its namespaces and deletes all of it; while a panic
/// unwinds, device counters are printed first.
#[derive(Debug)]
pub struct Topology {
    name: String,
    prefix: String,
    directory: PathBuf,
    keep: bool,
    hosts: Vec<Namespace>,
    clients: Vec<Host>,
    director: Option<Host>,
    router: Option<Host>,
    servers: Vec<Host>,
    decapsulators: Vec<Decapsulator>,
    devices: Vec<&'static str>,
}

impl Topology {
    /// Starts describing a topology; `name` appears in messages.
    #[expect(clippy::new_ret_no_self, reason = "a topology only exists built; the builder is its constructor")]
    pub fn new(name: &str) -> Builder {
        Builder::new(name)
    }

    /// The first client.
    pub fn client(&self) -> &Host {
        &self.clients[0]
    }

    /// All clients.
    pub fn clients(&self) -> &[Host] {
        &self.clients
    }

    /// The balancer's namespace; its devices are [`Self::director_devices`].
    pub fn director(&self) -> &Host {
        self.director.as_ref().expect("a built topology has a director")
    }

    /// `["front", "back"]`, or `["front"]` when one-armed.
    pub fn director_devices(&self) -> &[&'static str] {
        &self.devices
    }

    /// The router between director and servers, if asked for.
    pub fn router(&self) -> Option<&Host> {
        self.router.as_ref()
    }

    /// Server `index`, counted from 0.
    ///
    /// # Panics
    /// If there is no such server.
    pub fn server(&self, index: usize) -> &Host {
        &self.servers[index]
    }

    /// All servers.
    pub fn servers(&self) -> &[Host] {
        &self.servers
    }

    /// The decapsulator of each server, in a tunnel topology.
    pub fn decapsulators(&self) -> &[Decapsulator] {
        &self.decapsulators
    }

    /// What all names of this topology begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Logs, sockets and configurations; removed with the topology.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// How to enter and how to remove a kept topology.
    pub fn instructions(&self) -> String {
        let prefix = &self.prefix;
        let enter: Vec<String> =
            self.hosts.iter().map(|host| format!("  ip netns exec {} bash\n", host.name())).collect();
        format!(
            "topology \"{name}\" is kept:\n{enter}endpoints inside the process that built it end with that process; remove the rest with\n  \
             for n in $(ls {dir} | grep '^{prefix}-'); do ip netns pids $n | xargs -r kill -9; ip netns del $n; done; \
             rm -rf {directory}\n",
            name = self.name,
            enter = enter.concat(),
            dir = names::NETNS_DIR,
            directory = self.directory.display()
        )
    }

    fn empty(name: &str, keep: bool) -> Result<Self> {
        let prefix = names::unique_prefix(keep);
        let directory = names::directory(&prefix);
        std::fs::create_dir(&directory).with_context(|| format!("create {}", directory.display()))?;
        Ok(Self {
            name: name.to_owned(),
            prefix,
            directory,
            keep,
            hosts: Vec::new(),
            clients: Vec::new(),
            director: None,
            router: None,
            servers: Vec::new(),
            decapsulators: Vec::new(),
            devices: Vec::new(),
        })
    }

    fn add_namespace(&mut self, role: &str) -> Result<Namespace> {
        let ns = Namespace::create(&format!("{}-{role}", self.prefix), &self.directory)?;
        self.hosts.push(ns.clone());
        Ok(ns)
    }
}

impl Drop for Topology {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for host in &self.hosts {
                let counters = host.run(&["ip", "-s", "link"]).unwrap_or_else(|error| format!("{error:#}\n"));
                eprintln!("--- {}: ip -s link ---\n{counters}", host.name());
            }
        }
        if self.keep {
            eprint!("{}", self.instructions());
            return;
        }
        self.decapsulators.clear();
        for name in names::namespaces_of(&self.prefix) {
            namespace::destroy(&name);
        }
        // A missing directory is as good as a removed one.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[cfg(test)]
mod tests;

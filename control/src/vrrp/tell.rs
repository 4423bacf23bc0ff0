//! Tells switches and hosts where the addresses have gone, in a thread of its own: a thousand addresses take a while, and adverts must not wait.

use std::collections::HashMap;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use headgate_vrrp::announce::{Mac, frame};
use headgate_xsk::LinkSocket;
use tokio::sync::mpsc;

use super::Event;
use super::setup::{Announcing, Instance, Key};

#[derive(Debug)]
pub enum Job {
    Announce {
        instance: Instance,
        ifindex: u32,
        mac: Mac,
    },
    /// The addresses are elsewhere now.
    Quiet(Key),
}

pub type Teller = Sender<Job>;

/// What goes on being told.
struct Telling {
    router: String,
    socket: LinkSocket,
    /// One for each address.
    frames: Vec<Vec<u8>>,
    /// When next, and whether that is the second burst.
    next: Option<(Instant, bool)>,
    announcing: Announcing,
}

/// Ends when the sender is gone.
pub fn start(events: mpsc::UnboundedSender<Event>) -> Result<(Teller, JoinHandle<()>)> {
    let (sender, jobs) = unbounded();
    let thread = std::thread::Builder::new().name("vrrp-tell".to_owned()).spawn(move || work(&jobs, &events))?;
    Ok((sender, thread))
}

fn work(jobs: &Receiver<Job>, events: &mpsc::UnboundedSender<Event>) {
    let mut all: HashMap<Key, Telling> = HashMap::new();
    let trouble = |router: &str, error: &std::io::Error| {
        let what = format!("cannot announce the addresses: {error}");
        let _ = events.send(Event::Trouble { router: router.to_owned(), what });
    };
    loop {
        let next = all.values().filter_map(|telling| telling.next).map(|(at, _)| at).min();
        let job = match next {
            Some(at) => jobs.recv_deadline(at),
            None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match job {
            Ok(Job::Quiet(key)) => drop(all.remove(&key)),
            Ok(Job::Announce { instance, ifindex, mac }) => match Telling::new(&instance, ifindex, mac) {
                Ok(mut telling) => {
                    if let Err(error) = telling.burst(true) {
                        trouble(&telling.router, &error);
                    }
                    all.insert(instance.key(), telling);
                }
                Err(error) => trouble(&instance.router.name, &error),
            },
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = Instant::now();
        for telling in all.values_mut() {
            let Some((_, again)) = telling.next.filter(|(at, _)| *at <= now) else { continue };
            if let Err(error) = telling.burst_or_once(again) {
                trouble(&telling.router, &error);
            }
        }
    }
}

impl Telling {
    fn new(instance: &Instance, ifindex: u32, mac: Mac) -> std::io::Result<Self> {
        let routes = routes_ipv6(&instance.router.interface);
        let addresses = instance.addresses.iter().map(|prefix| prefix.address());
        Ok(Self {
            router: instance.router.name.clone(),
            socket: LinkSocket::open(ifindex)?,
            frames: addresses.map(|address| frame(address, mac, routes)).collect(),
            next: None,
            announcing: instance.announcing,
        })
    }

    /// All addresses as often as is wanted, one round after the other, as keepalived does.
    fn burst(&mut self, first: bool) -> std::io::Result<()> {
        self.schedule(first);
        (0..self.announcing.repeat).try_for_each(|_| self.round())
    }

    fn burst_or_once(&mut self, again: bool) -> std::io::Result<()> {
        if again {
            return self.burst(false);
        }
        self.schedule(false);
        self.round()
    }

    fn schedule(&mut self, first: bool) {
        let Announcing { delay, refresh, .. } = self.announcing;
        let after = |pause: Duration| (pause > Duration::ZERO).then(|| Instant::now() + pause);
        let second = if first { after(delay).map(|at| (at, true)) } else { None };
        self.next = second.or_else(|| after(refresh).map(|at| (at, false)));
    }

    fn round(&self) -> std::io::Result<()> {
        self.frames.iter().try_for_each(|frame| self.socket.send(frame))
    }
}

/// Whether this node forwards IPv6 packets that come in at an interface.
fn routes_ipv6(interface: &str) -> bool {
    let path = format!("/proc/sys/net/ipv6/conf/{interface}/forwarding");
    std::fs::read(path).is_ok_and(|text| text.trim_ascii() == b"1")
}

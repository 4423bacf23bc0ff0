//! The thread that takes part in elections. It has real-time priority where that is permitted, and waits for nothing but packets, its timers
//! and the control thread.

mod around;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::{Context, Result};
use crossbeam::channel::{Receiver, Sender, unbounded};
use headgate_vrrp::datagram::Datagram;
use headgate_vrrp::hmac::{Marks, Numbers};
use headgate_vrrp::node::Actions;
use headgate_vrrp::reason::{Reason, Warning};
use headgate_vrrp::receive::{Here, find, receive};
use headgate_vrrp::router::Micros;
use headgate_vrrp::{Action, Node, State};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::{TimeSpec, TimeValLike};
use tokio::sync::mpsc;

use super::hold::{self, Holder};
use super::place::Place;
use super::report::{Counters, report};
use super::setup::{Instance, Setup};
use super::socket::{AdvertSocket, LARGEST};
use super::tell::{self, Teller};
use super::track::Verdict;
use super::{Command, Event, send};
use crate::netlink::NetState;
use crate::time::unix;

/// Above everything ordinary, below the kernel's own threads.
const REALTIME: u8 = 50;
/// Packets that are taken from a socket before the timers are looked at. All that have come count before a timer does: a thread that was
/// late must not take its own lateness for the master's.
const BURST: usize = 1024;

/// The way to the thread.
#[derive(Debug)]
pub struct Commands {
    sender: Sender<Command>,
    waker: Arc<EventFd>,
}

impl Commands {
    pub fn send(&self, command: Command) {
        // It has ended; whoever waits for an answer gets none.
        if self.sender.send(command).is_ok() {
            let _ = self.waker.write(1);
        }
    }
}

/// What there is to know of a virtual router besides its machine.
#[derive(Debug, Default)]
pub struct Company {
    pub place: Place,
    pub counters: Counters,
    marks: Marks,
    numbers: Numbers,
    /// What was odd about the last advert, so that it is told once.
    odd: Vec<Warning>,
    /// The last trouble with sending.
    trouble: Option<io::ErrorKind>,
    /// How it is with each of its tracks, as far as that is known.
    pub verdicts: Vec<Option<Verdict>>,
}

pub struct Thread {
    setup: Arc<Setup>,
    node: Node,
    /// As the instances of the setup.
    company: Vec<Company>,
    sockets: Vec<AdvertSocket>,
    /// Adverts that are of no router of ours.
    unmatched: BTreeMap<Reason, u64>,
    network: Arc<NetState>,
    begun: Instant,
    commands: Receiver<Command>,
    waker: Arc<EventFd>,
    events: mpsc::UnboundedSender<Event>,
    holder: Holder,
    teller: Teller,
}

impl Thread {
    pub fn start(
        events: mpsc::UnboundedSender<Event>,
        holder: Holder,
        teller: Teller,
    ) -> Result<(Commands, JoinHandle<()>)> {
        let (sender, commands) = unbounded();
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let waker = Arc::new(EventFd::from_value_and_flags(0, flags).context("eventfd")?);
        let mut thread = Self {
            setup: Arc::default(),
            node: Node::default(),
            company: Vec::new(),
            sockets: Vec::new(),
            unmatched: BTreeMap::new(),
            network: Arc::default(),
            begun: Instant::now(),
            commands,
            waker: Arc::clone(&waker),
            events,
            holder,
            teller,
        };
        let handle = std::thread::Builder::new().name("vrrp".to_owned()).spawn(move || {
            if let Err(error) = headgate_xsk::realtime::prioritise(REALTIME) {
                thread.trouble("", format!("no real-time priority, other work may delay adverts: {error}"));
            }
            if let Err(error) = headgate_xsk::realtime::lock_memory() {
                thread.trouble("", format!("memory cannot be locked, swapping may delay adverts: {error}"));
            }
            thread.run();
        })?;
        Ok((Commands { sender, waker }, handle))
    }

    fn now(&self) -> Micros {
        self.begun.elapsed().as_micros() as Micros
    }

    fn run(&mut self) {
        let mut buffer = [0; LARGEST];
        loop {
            self.wait();
            self.receive(&mut buffer);
            let (now, mut out) = (self.now(), Vec::new());
            self.node.on_timer(now, &mut out);
            self.carry_out(out);
            let _ = self.waker.read();
            while let Ok(command) = self.commands.try_recv() {
                match command {
                    Command::Configure(setup) => self.configure(setup),
                    Command::Network(network) => self.network_changed(network),
                    Command::Judge { router, track, verdict } => self.judge(&router, track, verdict),
                    Command::Report(answer) => drop(answer.send(self.report())),
                    Command::Stop => return self.stop(),
                }
            }
        }
    }

    fn wait(&self) {
        let left = self.node.next_deadline().map(|at| at.saturating_sub(self.now()));
        let timeout = left.map(|left| TimeSpec::microseconds(left.try_into().unwrap_or(i64::MAX)));
        let sockets = self.sockets.iter().map(AdvertSocket::fd).chain([self.waker.as_fd()]);
        let mut fds: Vec<PollFd<'_>> = sockets.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        // An interruption is as good as the end of the wait: all is looked at again.
        let _ = ppoll(&mut fds, timeout, None);
    }

    fn receive(&mut self, buffer: &mut [u8; LARGEST]) {
        for at in 0..self.sockets.len() {
            for _ in 0..BURST {
                match self.sockets[at].receive(buffer) {
                    Ok(Some(Ok(datagram))) => self.take(at, &datagram),
                    Ok(Some(Err(reason))) => self.is_of_nobody(reason),
                    Ok(None) | Err(_) => break,
                }
            }
        }
    }

    /// What has come in at a socket.
    fn take(&mut self, at: usize, datagram: &Datagram<'_>) {
        let is_here = |instance: &&Instance| self.sockets[at].is_of(&instance.router);
        let here = self.setup.instances.iter().filter(is_here).map(|instance| &*instance.router);
        let router = match find(here, datagram) {
            Ok(router) => router,
            // Others may use other numbers on the same wire.
            Err(reason) => return self.is_of_nobody(reason),
        };
        let is_it = |instance: &Instance| std::ptr::eq(Arc::as_ptr(&instance.router), router);
        let Some(index) = self.setup.instances.iter().position(is_it) else { return };
        let company = &mut self.company[index];
        let here = Here {
            running: matches!(self.node.machine(index).state(), State::Backup | State::Master),
            addresses: &company.place.addresses,
            now_unix: unix().as_secs(),
        };
        let received = match receive(router, here, &mut company.marks, datagram) {
            Ok(received) => received,
            Err(reason) => return company.counters.discard(reason),
        };
        company.counters.received += 1;
        company.counters.message_only += u64::from(received.message_only);
        received.warnings.iter().for_each(|warning| company.counters.warn(*warning));
        if company.odd != received.warnings {
            company.odd.clone_from(&received.warnings);
            let names: Vec<&str> = company.odd.iter().map(|warning| warning.name()).collect();
            if !names.is_empty() {
                let what = format!("adverts of {}: {}", received.source, names.join(", "));
                let _ = self.events.send(Event::Odd { router: router.name.clone(), what });
            }
        }
        let (primary, now, mut out) = (company.place.primary, self.now(), Vec::new());
        self.node.on_advert(index, now, &received, primary, &mut out);
        self.carry_out(out);
    }

    fn is_of_nobody(&mut self, reason: Reason) {
        *self.unmatched.entry(reason).or_default() += 1;
    }

    fn carry_out(&mut self, actions: Actions) {
        for (index, action) in actions {
            match action {
                Action::SendAdvert { priority } => self.send(index, priority),
                Action::Hold(hold) => self.hold(index, hold),
                Action::Announce => self.announce(index),
                Action::WantsMaster => {}
                Action::Became { from, to, cause } => {
                    let (instance, counters) = (&self.setup.instances[index], &mut self.company[index].counters);
                    counters.transitions += 1;
                    counters.last_transition = Some(unix().as_secs());
                    counters.reason = cause.to_string();
                    let _ = self.events.send(Event::Became {
                        router: instance.router.name.clone(),
                        notify: Arc::clone(&instance.notify),
                        from: from.name(),
                        to: to.name(),
                        cause: cause.to_string(),
                        priority: self.node.machine(index).priority(),
                    });
                }
            }
        }
    }

    fn send(&mut self, index: usize, priority: u8) {
        let (instance, company) = (&self.setup.instances[index], &mut self.company[index]);
        let socket = self.sockets.iter().find(|socket| socket.is_of(&instance.router));
        let (Some(socket), Some(source)) = (socket, company.place.primary) else { return };
        match send::adverts(&instance.router, priority, source, socket, &mut company.numbers) {
            Ok(()) => {
                company.counters.sent += 1;
                company.trouble = None;
            }
            Err(error) => {
                if company.trouble.replace(error.kind()) != Some(error.kind()) {
                    let name = instance.router.name.clone();
                    self.trouble(&name, format!("cannot send adverts: {error}"));
                }
            }
        }
    }

    fn hold(&self, index: usize, hold: bool) {
        let instance = &self.setup.instances[index];
        let _ = self.holder.send(hold::Job {
            key: instance.key(),
            router: instance.router.name.clone(),
            ifindex: self.company[index].place.ifindex,
            addresses: instance.addresses.clone(),
            hold,
        });
        if !hold {
            let _ = self.teller.send(tell::Job::Quiet(instance.key()));
        }
    }

    fn announce(&self, index: usize) {
        let (instance, place) = (&self.setup.instances[index], &self.company[index].place);
        let Some(mac) = place.mac else { return };
        let (instance, ifindex) = (instance.clone(), place.ifindex);
        let _ = self.teller.send(tell::Job::Announce { instance, ifindex, mac });
    }

    fn report(&self) -> headgate_api::Vrrp {
        let group = |index| self.setup.groups.iter().find(|(_, members)| members.contains(&index));
        let instances = self.setup.instances.iter().enumerate();
        let routers = instances
            .map(|(index, instance)| {
                let (company, machine) = (&self.company[index], self.node.machine(index));
                let group = group(index).map(|(name, _)| &**name);
                report(instance, group, machine, company)
            })
            .collect();
        let mut vrrp = headgate_api::Vrrp::new(routers);
        vrrp.unmatched = self.unmatched.iter().map(|(reason, count)| (reason.name().to_owned(), *count)).collect();
        vrrp
    }

    fn stop(&mut self) {
        let mut out = Vec::new();
        self.node.stop(&mut out);
        self.carry_out(out);
    }

    fn trouble(&self, router: &str, what: String) {
        let _ = self.events.send(Event::Trouble { router: router.to_owned(), what });
    }
}

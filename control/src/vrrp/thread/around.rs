//! What is around the virtual routers: their settings, their interfaces, and what they track.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use headgate_vrrp::node::Actions;
use headgate_vrrp::router::{Micros, Peers};
use headgate_vrrp::{Node, Router, State};

use super::{Company, Thread};
use crate::netlink::NetState;
use crate::vrrp::place::Place;
use crate::vrrp::setup::{Instance, Key, Setup};
use crate::vrrp::socket::AdvertSocket;
use crate::vrrp::track::{Tracked, Verdict, Weighed};

impl Thread {
    /// Goes over to other virtual routers; those that are in both go on.
    pub(super) fn configure(&mut self, setup: Arc<Setup>) {
        if self.setup == setup {
            return;
        }
        let mut out = Vec::new();
        for (index, instance) in self.setup.instances.iter().enumerate() {
            let version = instance.router.version;
            let stays = |new: &Instance| new.key() == instance.key() && new.router.version == version;
            if !setup.instances.iter().any(stays) {
                self.node.stop_one(index, &mut out);
            }
        }
        self.carry_out(out);
        let before = std::mem::replace(&mut self.setup, setup);
        let companies = std::mem::take(&mut self.company).into_iter();
        let mut known: BTreeMap<Key, (&Instance, Company)> =
            before.instances.iter().zip(companies).map(|(old, company)| (old.key(), (old, company))).collect();
        for instance in &self.setup.instances {
            let (tracks, mut company) = match known.remove(&instance.key()) {
                Some((old, company)) => (&old.tracks[..], company),
                None => (&[][..], Company::default()),
            };
            // A verdict is of what is tracked, wherever that stands in the list now.
            let verdicts = instance.tracks.iter().map(|track| {
                let at = tracks.iter().position(|old| old.what == track.what)?;
                company.verdicts[at].clone()
            });
            company.verdicts = verdicts.collect();
            self.company.push(company);
        }
        let old = std::mem::take(&mut self.node);
        self.node = Node::new(&self.setup.routers(), &self.setup.groups);
        let (now, mut out) = (self.now(), Vec::new());
        self.node.inherit(old, now, &mut out);
        self.sockets.retain(|socket| self.setup.instances.iter().any(|instance| socket.is_of(&instance.router)));
        self.look_around();
        self.carry_out(out);
        self.follow_addresses(&before);
        let mut out = Vec::new();
        self.node.start(now, &mut out);
        self.release_strays();
        self.carry_out(out);
    }

    /// Where this node is master, other addresses than before are held and announced.
    fn follow_addresses(&self, before: &Setup) {
        for (index, instance) in self.setup.instances.iter().enumerate() {
            let known = before.instances.iter().find(|known| known.key() == instance.key());
            let same =
                |known: &Instance| (&known.addresses, known.announcing) == (&instance.addresses, instance.announcing);
            if self.node.machine(index).state() == State::Master && !known.is_some_and(same) {
                self.hold(index, true);
                self.announce(index);
            }
        }
    }

    /// Addresses that a predecessor left behind would answer beside the master's.
    fn release_strays(&self) {
        for (index, instance) in self.setup.instances.iter().enumerate() {
            let place = &self.company[index].place;
            let stray = instance.addresses.iter().any(|prefix| place.addresses.contains(&prefix.address()));
            if stray && self.node.machine(index).state() != State::Master {
                self.hold(index, false);
            }
        }
    }

    pub(super) fn network_changed(&mut self, network: Arc<NetState>) {
        self.network = network;
        self.look_around();
    }

    /// Finds interfaces, addresses and faults anew.
    fn look_around(&mut self) {
        let (now, mut out) = (self.now(), Vec::new());
        for index in 0..self.setup.instances.len() {
            let instance = &self.setup.instances[index];
            let place = Place::find(instance, &self.setup, &self.network);
            let before = std::mem::replace(&mut self.company[index].place, place);
            let place = &self.company[index].place;
            let is_master = self.node.machine(index).state() == State::Master;
            let lost = is_master && *place != before && before.lost(place, instance);
            if place.ifindex != 0 {
                self.open_socket(index);
            }
            if lost {
                let name = self.setup.instances[index].router.name.clone();
                self.trouble(&name, "somebody took an address away, it is put back".to_owned());
                self.hold(index, true);
                self.announce(index);
            }
        }
        for index in 0..self.setup.instances.len() {
            self.look_at_interfaces(index);
            self.weigh(index, now, &mut out);
        }
        self.carry_out(out);
    }

    /// Those it tracks.
    fn look_at_interfaces(&mut self, index: usize) {
        for (at, track) in self.setup.instances[index].tracks.iter().enumerate() {
            let Tracked::Interface(name) = &track.what else { continue };
            let verdict = match self.network.interface_by_name(name) {
                Some(link) if link.up && link.running => Verdict::Good,
                Some(link) if link.up => Verdict::Bad("no carrier".into()),
                Some(_) => Verdict::Bad("it is down".into()),
                None => Verdict::Bad("there is none".into()),
            };
            self.company[index].verdicts[at] = Some(verdict);
        }
    }

    /// Something that is tracked has been looked at.
    pub(super) fn judge(&mut self, router: &str, track: usize, verdict: Verdict) {
        let named = |instance: &Instance| instance.router.name == router;
        let Some(index) = self.setup.instances.iter().position(named) else { return };
        // The list may have become shorter while this was on its way.
        let Some(known) = self.company[index].verdicts.get_mut(track) else { return };
        if known.as_ref() == Some(&verdict) {
            return;
        }
        *known = Some(verdict);
        let (now, mut out) = (self.now(), Vec::new());
        self.weigh(index, now, &mut out);
        self.carry_out(out);
    }

    /// Priority and fault that follow from all that is known.
    fn weigh(&mut self, index: usize, now: Micros, out: &mut Actions) {
        let (instance, company) = (&self.setup.instances[index], &self.company[index]);
        let mut fault = company.place.fault.clone();
        let mut priority = i32::from(instance.router.priority);
        for (track, verdict) in instance.tracks.iter().zip(&company.verdicts) {
            match track.weigh(verdict.as_ref()) {
                Weighed::Priority(more) => priority = priority.saturating_add(more),
                Weighed::Fault(what) => fault = fault.or(Some(what)),
            }
        }
        self.node.set_priority(index, priority.clamp(1, 254) as u8);
        self.node.set_fault(index, now, fault, out);
    }

    /// Has the adverts of a router come in, if they do not yet.
    fn open_socket(&mut self, index: usize) {
        let (router, ifindex) = (&self.setup.instances[index].router, self.company[index].place.ifindex);
        // An interface of the same name may be another one now.
        self.sockets.retain(|socket| !socket.is_of(router) || socket.ifindex() == ifindex);
        let known = self.sockets.iter_mut().find(|socket| socket.is_of(router));
        let done = match known {
            Some(socket) => listen(socket, router),
            None => AdvertSocket::open(&router.interface, ifindex, router.family).and_then(|mut socket| {
                listen(&mut socket, router)?;
                self.sockets.push(socket);
                Ok(())
            }),
        };
        if let Err(error) = done {
            let (name, interface) = (router.name.clone(), router.interface.clone());
            self.trouble(&name, format!("cannot listen to adverts on {interface}: {error}"));
        }
    }
}

fn listen(socket: &mut AdvertSocket, router: &Router) -> io::Result<()> {
    match router.peers {
        Peers::Multicast(group) => socket.join(group),
        Peers::Unicast { .. } => Ok(()),
    }
}

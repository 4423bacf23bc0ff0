//! The virtual routers of a node. Members of a sync group are master together or not at all, as in keepalived: one that may become master waits
//! until all may; one that yields takes the others along; one that fails keeps all out of elections.

use std::net::IpAddr;
use std::sync::Arc;

use crate::machine::Machine;
use crate::outcome::{Action, Cause, Effect, State};
use crate::receive::Received;
use crate::router::{Micros, Router};

/// What is to be done, and for which router.
pub type Actions = Vec<(usize, Action)>;

#[derive(Debug, Default)]
pub struct Node {
    members: Vec<Member>,
    groups: Vec<Group>,
}

#[derive(Debug)]
struct Member {
    machine: Machine,
    group: Option<usize>,
    /// Its own; the machine may have that of another member.
    fault: Option<Arc<str>>,
}

#[derive(Debug)]
struct Group {
    name: Arc<str>,
    members: Vec<usize>,
}

impl Node {
    /// `groups`: their names and the indexes of their routers; a router is in one at most.
    pub fn new(routers: &[Arc<Router>], groups: &[(Arc<str>, Vec<usize>)]) -> Self {
        let group_of = |index| groups.iter().position(|(_, members)| members.contains(&index));
        let member = |(index, router): (usize, &Arc<Router>)| {
            let group = group_of(index);
            Member { machine: Machine::new(Arc::clone(router), group.is_some()), group, fault: None }
        };
        Self {
            members: routers.iter().enumerate().map(member).collect(),
            groups: groups
                .iter()
                .map(|(name, members)| Group { name: Arc::clone(name), members: members.clone() })
                .collect(),
        }
    }

    pub fn machines(&self) -> impl Iterator<Item = &Machine> {
        self.members.iter().map(|member| &member.machine)
    }

    pub fn machine(&self, index: usize) -> &Machine {
        &self.members[index].machine
    }

    pub fn next_deadline(&self) -> Option<Micros> {
        self.machines().filter_map(Machine::next_deadline).min()
    }

    /// Takes over what goes on: the state of the router of the same name, family, version and number.
    pub fn inherit(&mut self, mut old: Self, now: Micros, out: &mut Actions) {
        for index in 0..self.members.len() {
            let router = Arc::clone(self.machine(index).router());
            let same = |member: &Member| {
                let known = member.machine.router();
                (known.id, known.family, known.version, &known.interface)
                    == (router.id, router.family, router.version, &router.interface)
            };
            let Some(at) = old.members.iter().position(same) else { continue };
            let mut known = old.members.swap_remove(at);
            let grouped = self.members[index].group.is_some();
            collect(index, out, |out| known.machine.reconfigure(now, router, grouped, out));
            let member = &mut self.members[index];
            member.machine = known.machine;
            member.fault = known.fault;
        }
    }

    pub fn start(&mut self, now: Micros, out: &mut Actions) {
        self.each(now, out, |machine, out| machine.start(now, out));
    }

    /// Leaves in order with one of them.
    pub fn stop_one(&mut self, index: usize, out: &mut Actions) {
        let machine = &mut self.members[index].machine;
        collect(index, out, |out| machine.stop(out));
    }

    pub fn stop(&mut self, out: &mut Actions) {
        for (index, member) in self.members.iter_mut().enumerate() {
            collect(index, out, |out| member.machine.stop(out));
        }
    }

    /// Does what is due.
    pub fn on_timer(&mut self, now: Micros, out: &mut Actions) {
        self.each(now, out, |machine, out| machine.on_timer(now, out));
    }

    pub fn on_advert(
        &mut self,
        index: usize,
        now: Micros,
        received: &Received,
        primary: Option<IpAddr>,
        out: &mut Actions,
    ) -> Effect {
        let begin = out.len();
        let machine = &mut self.members[index].machine;
        let effect = collect(index, out, |out| machine.on_advert(now, received, primary, out));
        self.settle(now, begin, out);
        effect
    }

    pub fn set_priority(&mut self, index: usize, priority: u8) {
        self.members[index].machine.set_priority(priority);
    }

    /// What of this router has failed, or nothing any more.
    pub fn set_fault(&mut self, index: usize, now: Micros, fault: Option<Arc<str>>, out: &mut Actions) {
        if self.members[index].fault == fault {
            return;
        }
        self.members[index].fault = fault;
        let begin = out.len();
        let Some(group) = self.members[index].group else {
            let Member { machine, fault, .. } = &mut self.members[index];
            return collect(index, out, |out| machine.set_fault(now, fault.clone(), out));
        };
        let failed = self.groups[group].members.iter().find_map(|at| self.members[*at].fault.clone());
        for at in self.groups[group].members.clone() {
            let Member { machine, fault, .. } = &mut self.members[at];
            let fault = fault.clone().or_else(|| failed.clone());
            collect(at, out, |out| machine.set_fault(now, fault, out));
        }
        self.settle(now, begin, out);
    }

    fn each(&mut self, now: Micros, out: &mut Actions, mut work: impl FnMut(&mut Machine, &mut Vec<Action>)) {
        let begin = out.len();
        for (index, member) in self.members.iter_mut().enumerate() {
            collect(index, out, |out| work(&mut member.machine, out));
        }
        self.settle(now, begin, out);
    }

    /// Has the groups follow what has happened since `begin`.
    fn settle(&mut self, now: Micros, begin: usize, out: &mut Actions) {
        let mut at = begin;
        while at < out.len() {
            let (index, action) = out[at].clone();
            at += 1;
            let Some(group) = self.members[index].group else { continue };
            match action {
                Action::WantsMaster => self.try_master(group, now, out),
                Action::Became { from: State::Master, to: State::Backup, cause }
                    if !matches!(cause, Cause::Group(_)) =>
                {
                    let cause = Cause::Group(Arc::clone(&self.groups[group].name));
                    for other in self.groups[group].members.clone() {
                        let machine = &mut self.members[other].machine;
                        collect(other, out, |out| machine.follow_down(now, cause.clone(), out));
                    }
                }
                _ => {}
            }
        }
    }

    fn try_master(&mut self, group: usize, now: Micros, out: &mut Actions) {
        let members = self.groups[group].members.clone();
        let may = |at: &usize| {
            let machine = &self.members[*at].machine;
            machine.wants_master() || machine.state() == State::Master
        };
        if !members.iter().all(may) {
            return;
        }
        for at in members {
            let machine = &mut self.members[at].machine;
            if machine.wants_master() {
                let cause = machine.why_master(now);
                collect(at, out, |out| machine.become_master(now, cause, out));
            }
        }
    }
}

/// Notes for which router an action is.
fn collect<T>(index: usize, out: &mut Actions, work: impl FnOnce(&mut Vec<Action>) -> T) -> T {
    let mut actions = Vec::new();
    let result = work(&mut actions);
    out.extend(actions.into_iter().map(|action| (index, action)));
    result
}

#[cfg(test)]
mod tests;

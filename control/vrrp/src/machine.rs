//! The state machine of a virtual router (RFC 9568 section 6.4, RFC 3768 section 6.4), free of I/O and clock: what happens goes in with its
//! time, what is to be done comes out.

use std::net::IpAddr;
use std::sync::Arc;

use crate::outcome::{Action, Cause, Effect, State};
use crate::receive::Received;
use crate::router::{Micros, Router, Version};

/// A master of lower priority is let be for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// No such master has been heard.
    Fresh,
    Until(Micros),
}

#[derive(Debug)]
pub struct Machine {
    router: Arc<Router>,
    state: State,
    /// With what tracking takes from it or adds to it.
    priority: u8,
    fault: Option<Arc<str>>,
    /// Of the master, as its last advert says; with version 2 always our own.
    master_interval: Micros,
    master: Option<(IpAddr, u8)>,
    /// The next advert of ours, or the end of our patience with the master.
    timer: Option<Micros>,
    /// When the timer was set, and that it was a priority 0 that set it.
    since: Micros,
    left: bool,
    patience: Patience,
    /// Its timer ran out, and the sync group has not decided yet.
    wants_master: bool,
    grouped: bool,
}

/// Adverts that may be missing (RFC 9568 section 6.1, Active_Down_Interval).
const DOWN: Micros = 3;
/// The priority of an owner, which tracking leaves alone.
const OWNER: u8 = 255;

impl Machine {
    /// `grouped`: a sync group decides when it becomes master.
    pub fn new(router: Arc<Router>, grouped: bool) -> Self {
        Self {
            state: State::Init,
            priority: router.priority,
            fault: None,
            master_interval: router.interval,
            master: None,
            timer: None,
            since: 0,
            left: false,
            patience: Patience::Fresh,
            wants_master: false,
            grouped,
            router,
        }
    }

    pub fn router(&self) -> &Arc<Router> {
        &self.router
    }

    pub fn state(&self) -> State {
        self.state
    }

    pub fn priority(&self) -> u8 {
        self.priority
    }

    /// Whoever is master, if that is not us and known.
    pub fn master(&self) -> Option<IpAddr> {
        self.master.map(|(address, _)| address)
    }

    pub fn next_deadline(&self) -> Option<Micros> {
        self.timer
    }

    pub fn wants_master(&self) -> bool {
        self.wants_master
    }

    pub fn fault(&self) -> Option<&Arc<str>> {
        self.fault.as_ref()
    }

    /// Takes part from now on.
    pub fn start(&mut self, now: Micros, out: &mut Vec<Action>) {
        if self.state != State::Init {
            return;
        }
        match self.fault.clone() {
            Some(what) => self.become_state(State::Fault, Cause::Fault(what), out),
            None => self.enter(now, Cause::Started, out),
        }
    }

    /// Leaves in order.
    pub fn stop(&mut self, out: &mut Vec<Action>) {
        self.leave(State::Init, Cause::Stopped, out);
    }

    /// Adverts of ours carry it from the next one on.
    pub fn set_priority(&mut self, priority: u8) {
        if self.router.priority != OWNER {
            self.priority = priority.clamp(1, OWNER - 1);
        }
    }

    /// What has failed, or nothing any more.
    pub fn set_fault(&mut self, now: Micros, fault: Option<Arc<str>>, out: &mut Vec<Action>) {
        self.fault.clone_from(&fault);
        match (self.state, fault) {
            (State::Backup | State::Master, Some(what)) => self.leave(State::Fault, Cause::Fault(what), out),
            (State::Fault, None) => self.enter(now, Cause::FaultOver, out),
            _ => {}
        }
    }

    /// Goes on with other settings of the same router: number, family and version stay, and so does what tracking adds to the priority.
    pub fn reconfigure(&mut self, now: Micros, router: Arc<Router>, grouped: bool, out: &mut Vec<Action>) {
        self.grouped = grouped;
        if self.router == router {
            return;
        }
        let tracked = i16::from(self.priority) - i16::from(self.router.priority);
        self.router = router;
        self.priority = self.router.priority;
        self.set_priority((i16::from(self.priority) + tracked).clamp(1, OWNER.into()) as u8);
        if self.state == State::Master || self.router.version == Version::V2 {
            self.master_interval = self.router.interval;
        }
        if self.state == State::Master {
            self.advertise(now, out);
        }
    }

    /// An advert that counts. `primary` is our own address, which ties are decided by.
    pub fn on_advert(
        &mut self,
        now: Micros,
        received: &Received,
        primary: Option<IpAddr>,
        out: &mut Vec<Action>,
    ) -> Effect {
        match self.state {
            State::Backup => self.hear(now, received),
            State::Master => self.contend(now, received, primary, out),
            State::Init | State::Fault => Effect::None,
        }
    }

    /// The deadline has come.
    pub fn on_timer(&mut self, now: Micros, out: &mut Vec<Action>) {
        if self.timer.is_none_or(|at| now < at) {
            return;
        }
        match self.state {
            State::Master => self.advertise_in_time(now, out),
            State::Backup if self.grouped => {
                self.timer = None;
                self.wants_master = true;
                out.push(Action::WantsMaster);
            }
            State::Backup => {
                let cause = self.why_master(now);
                self.become_master(now, cause, out);
            }
            State::Init | State::Fault => self.timer = None,
        }
    }

    /// Why its timer has run out.
    pub fn why_master(&self, now: Micros) -> Cause {
        if self.left { Cause::MasterLeft(self.master()) } else { Cause::Silence(now.saturating_sub(self.since)) }
    }

    /// First of all an advert (then the addresses may take their time).
    pub fn become_master(&mut self, now: Micros, cause: Cause, out: &mut Vec<Action>) {
        self.wants_master = false;
        self.patience = Patience::Fresh;
        self.master = None;
        self.master_interval = self.router.interval;
        self.advertise(now, out);
        out.push(Action::Hold(true));
        out.push(Action::Announce);
        self.become_state(State::Master, cause, out);
    }

    /// A member of a sync group follows the others.
    pub fn follow_down(&mut self, now: Micros, cause: Cause, out: &mut Vec<Action>) {
        if self.state == State::Master {
            self.leave(State::Backup, cause, out);
            self.await_master(now);
        }
    }

    fn enter(&mut self, now: Micros, cause: Cause, out: &mut Vec<Action>) {
        self.master_interval = self.router.interval;
        self.master = None;
        if self.priority == OWNER && !self.grouped {
            return self.become_master(now, Cause::Owner, out);
        }
        self.await_master(now);
        self.become_state(State::Backup, cause, out);
    }

    fn leave(&mut self, to: State, cause: Cause, out: &mut Vec<Action>) {
        if self.state == to {
            return;
        }
        if self.state == State::Master {
            out.push(Action::SendAdvert { priority: 0 });
            out.push(Action::Hold(false));
        }
        self.timer = None;
        self.wants_master = false;
        self.patience = Patience::Fresh;
        self.master = None;
        self.become_state(to, cause, out);
    }

    /// As backup.
    fn hear(&mut self, now: Micros, received: &Received) -> Effect {
        let advert = &received.advert;
        if advert.priority == 0 {
            self.left = true;
            self.master = Some((received.source, 0));
            self.since = now;
            self.timer = Some(now + self.router.skew(self.priority, self.master_interval));
            return Effect::SkewTimer;
        }
        if advert.priority < self.priority && self.router.preempt && !self.is_patient(now) {
            return Effect::KeepTimer;
        }
        if advert.priority >= self.priority {
            self.patience = Patience::Fresh;
        }
        self.accept(now, received);
        Effect::RestartMasterDown
    }

    /// Whether a master of lower priority is let be; the first advert of one starts the delay.
    fn is_patient(&mut self, now: Micros) -> bool {
        if self.router.preempt_delay == 0 {
            return false;
        }
        let until = match self.patience {
            Patience::Fresh => now + self.router.preempt_delay,
            Patience::Until(until) => until,
        };
        self.patience = Patience::Until(until);
        now < until
    }

    /// As master.
    fn contend(&mut self, now: Micros, received: &Received, primary: Option<IpAddr>, out: &mut Vec<Action>) -> Effect {
        let advert = &received.advert;
        if advert.priority == 0 {
            self.advertise(now, out);
            return Effect::SendAdvert;
        }
        let tie = advert.priority == self.priority && primary.is_none_or(|primary| received.source > primary);
        if advert.priority > self.priority || tie {
            out.push(Action::Hold(false));
            self.accept(now, received);
            let cause = Cause::Preempted { by: received.source, priority: advert.priority };
            self.become_state(State::Backup, cause, out);
            return Effect::BecomeBackup;
        }
        // The other one does not know of us: it and the switches are told.
        self.advertise(now, out);
        out.push(Action::Announce);
        Effect::SendAdvertAndAnnounce
    }

    /// Its sender is the master.
    fn accept(&mut self, now: Micros, received: &Received) {
        self.master = Some((received.source, received.advert.priority));
        if self.router.version == Version::V3 {
            self.master_interval = received.advert.interval;
        }
        self.wants_master = false;
        self.await_master(now);
    }

    fn await_master(&mut self, now: Micros) {
        self.left = false;
        self.since = now;
        let interval = self.master_interval;
        self.timer = Some(now + DOWN * interval + self.router.skew(self.priority, interval));
    }

    fn advertise(&mut self, now: Micros, out: &mut Vec<Action>) {
        out.push(Action::SendAdvert { priority: self.priority });
        self.timer = Some(now + self.router.interval);
    }

    /// As [`Self::advertise`], without letting delays add up.
    fn advertise_in_time(&mut self, now: Micros, out: &mut Vec<Action>) {
        let due = self.timer.unwrap_or(now);
        self.advertise(now, out);
        let next = due + self.router.interval;
        if next > now {
            self.timer = Some(next);
        }
    }

    fn become_state(&mut self, to: State, cause: Cause, out: &mut Vec<Action>) {
        let from = std::mem::replace(&mut self.state, to);
        out.push(Action::Became { from, to, cause });
    }

    /// As if it had been in this state for a while; for tests of single adverts.
    pub fn put(&mut self, state: State, master_interval: Micros, patience: Option<Micros>, timer: Option<Micros>) {
        self.timer = timer;
        self.state = state;
        self.master_interval = master_interval;
        self.patience = patience.map_or(Patience::Fresh, Patience::Until);
    }
}

#[cfg(test)]
mod tests;

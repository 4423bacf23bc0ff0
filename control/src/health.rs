//! Health checks: whether servers work is asked again and again, by tasks of the control thread.
//!
//! * [`check`]: what is asked, and how often
//! * [`machine`]: what follows from the answers, without I/O and clock
//! * `probe`: asking
//!
//! Equal checks of the same address are one, whoever wants to know: that is a [`Subject`], such as a server of an upstream.

pub mod check;
pub mod machine;
mod probe;

use std::cell::{Ref, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use headgate_l7::clock::millis;
use tokio::task::AbortHandle;

pub use check::{Check, Kind};
use machine::{Machine, Verdict};

/// The first checks are spread over so much time for each, at least over [`SPREAD_LEAST`], at most over an interval: they keep the distance
/// that they have begun with.
const SPREAD_EACH: Duration = Duration::from_millis(5);
const SPREAD_LEAST: Duration = Duration::from_secs(1);

/// Somebody who is told whether a server works.
pub trait Subject: fmt::Debug {
    /// Tells it from all others; over a reload the same is the same.
    fn id(&self) -> String;
    fn address(&self) -> SocketAddr;
    /// `now` in milliseconds of the proxy's clock.
    fn tell(&self, up: bool, now: u64);
}

/// What is to be checked.
#[derive(Debug)]
pub struct Wanted {
    pub subject: Rc<dyn Subject>,
    pub check: Arc<Check>,
}

/// All checks that run.
#[derive(Debug, Default)]
pub struct Health {
    running: HashMap<SocketAddr, Vec<Running>>,
    /// By their subject's id.
    told: HashMap<String, Rc<Told>>,
}

#[derive(Debug)]
struct Running {
    check: Arc<Check>,
    told: Rc<Told>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Who is told, and what the last word was.
#[derive(Debug)]
struct Told {
    subjects: RefCell<Vec<Rc<dyn Subject>>>,
    status: RefCell<Status>,
}

/// What a check says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub verdict: Verdict,
    /// Whether that is more than what was assumed at the start.
    pub known: bool,
    /// Since when, in milliseconds of the proxy's clock.
    pub since: u64,
    /// What was wrong the last time something was.
    pub reason: Option<String>,
}

impl Health {
    /// Goes over to these checks. What was checked so before keeps its state, what is checked in another way its verdict; what is no
    /// longer checked is taken for well. To be called within a [`tokio::task::LocalSet`].
    pub fn apply(&mut self, wanted: Vec<Wanted>) {
        let mut before = std::mem::take(&mut self.running);
        let mut told_before = std::mem::take(&mut self.told);
        let spread = SPREAD_LEAST.max(SPREAD_EACH * wanted.len() as u32);
        let mut left: HashMap<_, _> = before.values().flatten().flat_map(|running| running.told.by_id()).collect();
        for Wanted { subject, check } in wanted {
            let (id, target) = (subject.id(), check.target(subject.address()));
            left.remove(&id);
            let known = told_before.remove(&id).map(|told| told.status().clone());
            let here = self.running.entry(target).or_default();
            let at = here.iter().position(|running| running.check == check).unwrap_or_else(|| {
                let same = before.get_mut(&target).and_then(|before| {
                    let at = before.iter().position(|running| running.check == check)?;
                    Some(before.swap_remove(at).without_subjects())
                });
                here.push(same.unwrap_or_else(|| Running::start(target, check, known, spread)));
                here.len() - 1
            });
            here[at].told.add(subject);
            self.told.insert(id, Rc::clone(&here[at].told));
        }
        for subject in left.values() {
            subject.tell(true, millis());
        }
    }

    /// What the check of a subject says, if it has one.
    pub fn status(&self, id: &str) -> Option<Status> {
        self.told.get(id).map(|told| told.status().clone())
    }
}

impl Running {
    /// `known`: what another check has said of the same server.
    fn start(target: SocketAddr, check: Arc<Check>, known: Option<Status>, spread: Duration) -> Self {
        let status = known.filter(|status| status.known).unwrap_or_else(|| Status {
            verdict: if check.starts_up { Verdict::Up } else { Verdict::Down },
            known: false,
            since: millis(),
            reason: (!check.starts_up).then(|| "not checked so far".to_owned()),
        });
        let told = Rc::new(Told { subjects: RefCell::default(), status: RefCell::new(status) });
        let spread = check.interval.min(spread).as_millis() as u64;
        let first = millis() + RandomState::new().hash_one(target) % spread.max(1);
        let task = tokio::task::spawn_local(run(target, Arc::clone(&check), Rc::clone(&told), first)).abort_handle();
        Self { check, told, task }
    }

    fn without_subjects(self) -> Self {
        self.told.subjects.borrow_mut().clear();
        self
    }
}

impl Told {
    fn status(&self) -> Ref<'_, Status> {
        self.status.borrow()
    }

    fn by_id(&self) -> Vec<(String, Rc<dyn Subject>)> {
        self.subjects.borrow().iter().map(|subject| (subject.id(), Rc::clone(subject))).collect()
    }

    /// The subject is told what is known so far, and from now on.
    fn add(&self, subject: Rc<dyn Subject>) {
        subject.tell(self.status().verdict == Verdict::Up, millis());
        self.subjects.borrow_mut().push(subject);
    }

    /// What came out of a check: a new verdict, if there is one, and what was wrong, if something was.
    fn note(&self, change: Option<Verdict>, reason: Option<String>, now: u64) {
        let mut status = self.status.borrow_mut();
        if let Some(verdict) = change {
            (status.verdict, status.since) = (verdict, now);
            for subject in &*self.subjects.borrow() {
                subject.tell(verdict == Verdict::Up, now);
                let subject = subject.id();
                match verdict {
                    Verdict::Up => tracing::info!(subject, "the server passes its check again"),
                    Verdict::Down => {
                        let reason = reason.as_deref().unwrap_or_default();
                        tracing::warn!(subject, "the server fails its check: {reason}");
                    }
                }
            }
        } else if !status.known {
            status.since = now;
        }
        status.known = true;
        status.reason = reason.or_else(|| status.reason.take());
    }
}

/// Checks until it is ended.
async fn run(target: SocketAddr, check: Arc<Check>, told: Rc<Told>, first: u64) {
    let mut machine = Machine::new(check.rise, check.fall, check.interval, first);
    machine.assume(told.status().verdict);
    loop {
        tokio::time::sleep(Duration::from_millis(machine.next().saturating_sub(millis()))).await;
        machine.begin(millis());
        let asked = tokio::time::timeout(check.timeout, probe::probe(target, &check.kind)).await;
        let reason = asked.unwrap_or_else(|_| Err(format!("no answer within {:?}", check.timeout))).err();
        told.note(machine.on_result(reason.is_none()), reason, millis());
    }
}

#[cfg(test)]
mod tests;

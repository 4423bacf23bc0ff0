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

use std::cell::{Cell, RefCell};
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
use probe::Passed;

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
    /// What the server says about its weight; `None`: nothing.
    fn weigh(&self, _weight: Option<u32>) {}
}

/// What is to be checked, and how: it works while it passes all of them.
#[derive(Debug)]
pub struct Wanted {
    pub subject: Rc<dyn Subject>,
    pub checks: Vec<Arc<Check>>,
}

/// All checks that run.
#[derive(Debug, Default)]
pub struct Health {
    running: HashMap<SocketAddr, Vec<Running>>,
    /// By id.
    whole: HashMap<String, Rc<Whole>>,
}

/// A subject and all its checks.
#[derive(Debug)]
struct Whole {
    subject: Rc<dyn Subject>,
    parts: RefCell<Vec<Rc<Told>>>,
    /// What the subject was told.
    told: Cell<Option<(bool, Option<u32>)>>,
}

#[derive(Debug)]
struct Running {
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
    check: Arc<Check>,
    whole: RefCell<Vec<Rc<Whole>>>,
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
    /// What the server says about it.
    pub weight: Option<u32>,
}

impl Health {
    /// Goes over to these checks. What was checked so before keeps its state, what is checked in another way its verdict; what is no
    /// longer checked is taken for well. To be called within a [`tokio::task::LocalSet`].
    pub fn apply(&mut self, wanted: Vec<Wanted>) {
        let mut before = std::mem::take(&mut self.running);
        let mut left = std::mem::take(&mut self.whole);
        let spread = SPREAD_LEAST.max(SPREAD_EACH * wanted.len() as u32);
        for Wanted { subject, checks } in wanted {
            let (id, address) = (subject.id(), subject.address());
            let known = left.remove(&id);
            let whole = Rc::new(Whole { subject, parts: RefCell::default(), told: Cell::default() });
            for (index, check) in checks.into_iter().enumerate() {
                let target = check.target(address);
                let here = self.running.entry(target).or_default();
                let at = here.iter().position(|running| running.told.check == check).unwrap_or_else(|| {
                    let same = before.get_mut(&target).and_then(|before| {
                        let at = before.iter().position(|running| running.told.check == check)?;
                        Some(before.swap_remove(at).of_nobody())
                    });
                    let known = known.as_ref().and_then(|known| known.status_of(index));
                    here.push(same.unwrap_or_else(|| Running::start(target, check, known, spread)));
                    here.len() - 1
                });
                here[at].told.whole.borrow_mut().push(Rc::clone(&whole));
                whole.parts.borrow_mut().push(Rc::clone(&here[at].told));
            }
            whole.tell(millis());
            self.whole.insert(id, whole);
        }
        for whole in left.values() {
            whole.subject.tell(true, millis());
            whole.subject.weigh(None);
        }
    }

    /// The checks of a subject and what they say, in their order.
    pub fn status(&self, id: &str) -> Vec<(Arc<Check>, Status)> {
        let parts = self.whole.get(id).map(|whole| whole.parts.borrow());
        let said = |told: &Rc<Told>| (Arc::clone(&told.check), told.status.borrow().clone());
        parts.iter().flat_map(|parts| parts.iter()).map(said).collect()
    }
}

impl Whole {
    fn status_of(&self, index: usize) -> Option<Status> {
        self.parts.borrow().get(index).map(|told| told.status.borrow().clone())
    }

    /// Tells the subject, if there is anything new.
    fn tell(&self, now: u64) {
        let parts = self.parts.borrow();
        let up = parts.iter().all(|told| told.status.borrow().verdict == Verdict::Up);
        let weight = parts.iter().find_map(|told| told.status.borrow().weight);
        let before = self.told.replace(Some((up, weight)));
        if before.is_none_or(|(told, _)| told != up) {
            self.subject.tell(up, now);
        }
        if before.is_none_or(|(_, told)| told != weight) {
            self.subject.weigh(weight);
        }
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
            weight: None,
        });
        let told = Rc::new(Told { check, whole: RefCell::default(), status: RefCell::new(status) });
        let spread = told.check.interval.min(spread).as_millis() as u64;
        let first = millis() + RandomState::new().hash_one(target) % spread.max(1);
        let task = tokio::task::spawn_local(run(target, Rc::clone(&told), first)).abort_handle();
        Self { told, task }
    }

    fn of_nobody(self) -> Self {
        self.told.whole.borrow_mut().clear();
        self
    }
}

impl Told {
    /// What came out of a check: a new verdict, if there is one, and the answer or what was wrong.
    fn note(&self, change: Option<Verdict>, result: Result<Passed, String>, now: u64) {
        let mut status = self.status.borrow_mut();
        if change.is_some() || !status.known {
            status.since = now;
        }
        status.known = true;
        status.verdict = change.unwrap_or(status.verdict);
        match result {
            Ok(Passed { weight }) => status.weight = weight,
            Err(reason) => status.reason = Some(reason),
        }
        let reason = status.reason.clone().unwrap_or_default();
        // Whoever is told looks at it.
        drop(status);
        for whole in &*self.whole.borrow() {
            whole.tell(now);
            let subject = whole.subject.id();
            match change {
                Some(Verdict::Up) => tracing::info!(subject, "the server passes its check again"),
                Some(Verdict::Down) => tracing::warn!(subject, "the server fails its check: {reason}"),
                None => {}
            }
        }
    }
}

/// Checks until it is ended.
async fn run(target: SocketAddr, told: Rc<Told>, first: u64) {
    let check = &told.check;
    let mut machine = Machine::new(check, first);
    machine.assume(told.status.borrow().verdict);
    loop {
        tokio::time::sleep(Duration::from_millis(machine.next().saturating_sub(millis()))).await;
        machine.begin(millis());
        let result = probe::probe(target, check).await;
        told.note(machine.on_result(result.is_ok(), millis()), result, millis());
    }
}

#[cfg(test)]
mod tests;

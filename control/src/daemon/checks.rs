//! Health checks of services: from what a check says to what the data plane does.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use headgate_api as api;
use headgate_l7::clock::millis;
use tokio::sync::mpsc;

use super::Daemon;
use super::registry::{Change, Registry};
use crate::config::Model;
use crate::health::machine::Verdict;
use crate::health::{Check, Health, Status, Subject, Wanted};

/// What the checks of a server say.
#[derive(Debug)]
pub struct Finding {
    service: Rc<str>,
    server: SocketAddr,
    what: What,
}

#[derive(Debug)]
enum What {
    Alive(bool),
    Weight(Option<u32>),
}

#[derive(Debug)]
pub struct Checks {
    health: Health,
    findings: mpsc::UnboundedReceiver<Finding>,
    sender: mpsc::UnboundedSender<Finding>,
}

/// A server of a service, as a subject of checks.
#[derive(Debug)]
struct Checked {
    service: Rc<str>,
    server: SocketAddr,
    sender: mpsc::UnboundedSender<Finding>,
}

impl Checked {
    fn send(&self, what: What) {
        let _ = self.sender.send(Finding { service: Rc::clone(&self.service), server: self.server, what });
    }
}

impl Subject for Checked {
    fn id(&self) -> String {
        id(&self.service, self.server)
    }

    fn address(&self) -> SocketAddr {
        self.server
    }

    fn tell(&self, up: bool, _: u64) {
        self.send(What::Alive(up));
    }

    fn weigh(&self, weight: Option<u32>) {
        self.send(What::Weight(weight));
    }
}

fn id(service: &str, server: SocketAddr) -> String {
    format!("service {service}, server {server}")
}

impl Checks {
    pub fn new() -> Self {
        let (sender, findings) = mpsc::unbounded_channel();
        Self { health: Health::default(), findings, sender }
    }

    /// Goes over to the checks of the model, and tells the registry what is known at once.
    pub fn apply(&mut self, model: &Model, registry: &mut Registry) {
        let mut wanted = Vec::new();
        for service in model.services() {
            let name: Rc<str> = Rc::from(service.name());
            for server in service.servers().iter().filter(|server| !server.checks().is_empty()) {
                let (service, server, checks) = (Rc::clone(&name), server.address(), server.checks().to_vec());
                let subject = Rc::new(Checked { service, server, sender: self.sender.clone() });
                wanted.push(Wanted { subject, checks });
            }
        }
        self.health.apply(wanted);
        // Nothing has happened to anybody: nobody is told.
        while let Ok(finding) = self.findings.try_recv() {
            note(registry, &finding);
        }
    }

    /// May be dropped while waiting without losing anything.
    pub async fn next(&mut self) -> Finding {
        match self.findings.recv().await {
            Some(finding) => finding,
            // Cannot be: we have a sender ourselves.
            None => std::future::pending().await,
        }
    }
}

fn note(registry: &mut Registry, finding: &Finding) -> Vec<Change> {
    let Finding { service, server, what } = finding;
    match what {
        What::Alive(alive) => registry.tell(service, *server, *alive, Instant::now()),
        What::Weight(weight) => registry.weigh(service, *server, *weight, Instant::now()).into_iter().collect(),
    }
}

impl Daemon {
    /// A check says something new: so does the data plane, and scripts that want to know.
    pub(super) fn checked(&mut self, finding: &Finding) {
        let mut changes = note(&mut self.registry, finding);
        // Those that came together change the data plane together.
        while let Ok(finding) = self.checks.findings.try_recv() {
            changes.extend(note(&mut self.registry, &finding));
        }
        self.publish_or_log();
        for change in changes {
            self.tell_of(&change);
        }
    }

    fn tell_of(&self, change: &Change) {
        let (Change::Server { service: name, .. } | Change::Quorum { service: name, .. }) = change;
        let Some(service) = self.model.service(name) else { return };
        let notify = &service.health().notify;
        let (command, words) = match change {
            Change::Server { server, up, .. } => {
                let (command, word) = if *up { (&notify.up, "up") } else { (&notify.down, "down") };
                (command, vec!["SERVER".to_owned(), name.to_string(), server.to_string(), word.to_owned()])
            }
            Change::Quorum { up, alive, .. } => {
                let sorry = service.health().sorry_server.as_ref().map(|sorry| sorry.address().to_string());
                if *up {
                    tracing::info!(service = %name, alive, "the service is up: it has its quorum");
                } else {
                    tracing::warn!(service = %name, alive, sorry, "the service is down: it has lost its quorum");
                }
                let (command, word) = if *up { (&notify.quorum_up, "up") } else { (&notify.quorum_down, "down") };
                (command, vec!["SERVICE".to_owned(), name.to_string(), word.to_owned()])
            }
        };
        if let Some(command) = command {
            self.notifier.run(command, words, name);
        }
    }

    /// What the checks of a server say: the one that fails, or the first.
    pub(super) fn check_of(&self, service: &str, server: SocketAddr) -> Option<api::ServerCheck> {
        shown_check(&self.checks.health.status(&id(service, server)), millis())
    }
}

/// Of several the one that fails, or the first.
pub(super) fn shown_check(checks: &[(Arc<Check>, Status)], now: u64) -> Option<api::ServerCheck> {
    let failing = checks.iter().find(|(_, status)| status.verdict == Verdict::Down);
    let (check, status) = failing.or(checks.first())?;
    let state = match status.verdict {
        Verdict::Up if !status.known => api::CheckState::Unknown,
        Verdict::Up => api::CheckState::Up,
        Verdict::Down => api::CheckState::Down,
    };
    let since_s = now.saturating_sub(status.since) / 1000;
    Some(api::ServerCheck { check: check.kind.to_string(), state, since_s, reason: status.reason.clone() })
}

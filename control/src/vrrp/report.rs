//! What is told of a virtual router.

use std::collections::BTreeMap;

use headgate_api as api;
use headgate_vrrp::reason::{Reason, Warning};
use headgate_vrrp::{Machine, State};

use super::setup::Instance;
use super::thread::Company;
use super::track::{Track, Verdict, Weighed};
use crate::time::rfc3339;

/// Since the router was configured.
#[derive(Debug, Default)]
pub struct Counters {
    pub sent: u64,
    pub received: u64,
    pub message_only: u64,
    pub transitions: u64,
    /// Seconds since 1970.
    pub last_transition: Option<u64>,
    pub reason: String,
    discarded: BTreeMap<Reason, u64>,
    warnings: BTreeMap<Warning, u64>,
}

impl Counters {
    pub fn discard(&mut self, reason: Reason) {
        *self.discarded.entry(reason).or_default() += 1;
    }

    pub fn warn(&mut self, warning: Warning) {
        *self.warnings.entry(warning).or_default() += 1;
    }
}

pub fn report(instance: &Instance, group: Option<&str>, machine: &Machine, company: &Company) -> api::VirtualRouter {
    let (router, counters, primary) = (&instance.router, &company.counters, company.place.primary);
    api::VirtualRouter {
        name: router.name.clone(),
        id: router.id,
        interface: router.interface.clone(),
        family: router.family.name().to_owned(),
        vrrp_version: router.version.number(),
        group: group.map(str::to_owned),
        state: state(machine.state()),
        priority: router.priority,
        effective_priority: machine.priority(),
        master: if machine.state() == State::Master { primary } else { machine.master() },
        advert_interval_ms: router.interval / 1000,
        addresses: instance.addresses.iter().map(|prefix| prefix.address()).collect(),
        transitions: counters.transitions,
        last_transition: counters.last_transition.map(rfc3339),
        reason: counters.reason.clone(),
        fault: machine.fault().map(ToString::to_string),
        tracks: instance
            .tracks
            .iter()
            .zip(&company.verdicts)
            .map(|(track, verdict)| tracked(track, verdict.as_ref()))
            .collect(),
        adverts_sent: counters.sent,
        adverts_received: counters.received,
        discarded: counters.discarded.iter().map(|(reason, count)| (reason.to_string(), *count)).collect(),
        warnings: counters.warnings.iter().map(|(warning, count)| (warning.to_string(), *count)).collect(),
        message_only_checksums: counters.message_only,
    }
}

fn tracked(track: &Track, verdict: Option<&Verdict>) -> api::VrrpTrack {
    let (state, detail) = match verdict {
        None => (api::TrackState::Unknown, String::new()),
        Some(Verdict::Good) => (api::TrackState::Good, String::new()),
        Some(Verdict::Bad(why)) => (api::TrackState::Failing, why.to_string()),
        Some(Verdict::Number(number)) => (api::TrackState::Good, number.to_string()),
    };
    let (priority, fault) = match track.weigh(verdict) {
        Weighed::Priority(priority) => (priority, false),
        Weighed::Fault(_) => (0, true),
    };
    api::VrrpTrack { what: track.to_string(), state, detail, weight: track.weight, priority, fault }
}

fn state(state: State) -> api::VrrpState {
    match state {
        State::Init => api::VrrpState::Init,
        State::Backup => api::VrrpState::Backup,
        State::Master => api::VrrpState::Master,
        State::Fault => api::VrrpState::Fault,
    }
}

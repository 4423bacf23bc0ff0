//! Virtual routers.

use std::collections::BTreeMap;

use headgate_api::{TrackState, VirtualRouter, Vrrp, VrrpState};

use super::Number;
use crate::admin::exposition::{Exposition, Metric, counter, gauge};

const INFO: Metric = gauge("headgate_vrrp_info", "A virtual router as it is configured.");
const STATE: Metric = gauge("headgate_vrrp_state", "1 for the state a virtual router is in.");
const UNMATCHED: Metric =
    counter("headgate_vrrp_adverts_unmatched_total", "Adverts that are of no virtual router of this node, by reason.");
const TRACK: Metric = gauge("headgate_vrrp_track_priority", "What something that is tracked adds to the priority now.");
const TRACK_OK: Metric = gauge("headgate_vrrp_track_good", "Whether all is well with something that is tracked.");

const STATES: [VrrpState; 4] = [VrrpState::Init, VrrpState::Backup, VrrpState::Master, VrrpState::Fault];

/// Adverts of a virtual router, by reason.
type Counts = fn(&VirtualRouter) -> &BTreeMap<String, u64>;
const COUNTS: [(Metric, Counts); 2] = [
    (counter("headgate_vrrp_adverts_discarded_total", "Adverts that were thrown away, by reason."), |router| {
        &router.discarded
    }),
    (counter("headgate_vrrp_advert_warnings_total", "Adverts that counted though odd, by what is odd."), |router| {
        &router.warnings
    }),
];

const NUMBERS: [Number<VirtualRouter>; 6] = [
    (gauge("headgate_vrrp_priority", "The configured priority."), |router| router.priority.into()),
    (gauge("headgate_vrrp_effective_priority", "The priority with what tracking adds or takes."), |router| {
        router.effective_priority.into()
    }),
    (gauge("headgate_vrrp_addresses", "Addresses of the virtual router."), |router| router.addresses.len() as u64),
    (counter("headgate_vrrp_transitions_total", "Changes of state."), |router| router.transitions),
    (counter("headgate_vrrp_adverts_sent_total", "Adverts sent."), |router| router.adverts_sent),
    (counter("headgate_vrrp_adverts_received_total", "Adverts of others that counted."), |router| {
        router.adverts_received
    }),
];

pub(super) fn write(out: &mut Exposition, vrrp: &Vrrp) {
    let routers = &vrrp.virtual_routers;
    let mut family = out.family(INFO);
    for router in routers {
        let (id, version) = (router.id.to_string(), router.vrrp_version.to_string());
        let labels = [
            ("router", &*router.name),
            ("id", &id),
            ("interface", &router.interface),
            ("family", &router.family),
            ("vrrp_version", &version),
            ("group", router.group.as_deref().unwrap_or_default()),
        ];
        family.sample(&labels, true);
    }
    let mut family = out.family(STATE);
    for router in routers {
        for state in STATES {
            family.sample(&[("router", &router.name), ("state", &state.to_string())], router.state == state);
        }
    }
    for (metric, number) in NUMBERS {
        let mut family = out.family(metric);
        for router in routers {
            family.sample(&[("router", &router.name)], number(router));
        }
    }
    for (metric, counts) in COUNTS {
        let mut family = out.family(metric);
        for router in routers {
            for (reason, count) in counts(router) {
                family.sample(&[("router", &router.name), ("reason", reason)], *count);
            }
        }
    }
    let mut family = out.family(UNMATCHED);
    for (reason, count) in &vrrp.unmatched {
        family.sample(&[("reason", reason)], *count);
    }
    tracks(out, routers);
}

fn tracks(out: &mut Exposition, routers: &[VirtualRouter]) {
    let all = || routers.iter().flat_map(|router| router.tracks.iter().map(move |track| (router, track)));
    let mut family = out.family(TRACK_OK);
    for (router, track) in all() {
        family.sample(&[("router", &router.name), ("track", &track.what)], track.state != TrackState::Failing);
    }
    let mut family = out.family(TRACK);
    for (router, track) in all() {
        family.sample(&[("router", &router.name), ("track", &track.what)], f64::from(track.priority));
    }
}

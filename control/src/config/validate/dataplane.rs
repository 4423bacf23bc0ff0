//! `[dataplane]`: defaults, and what depends on the host or on the services.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use super::Unique;
use crate::config::environment::Environment;
use crate::config::error::{Advice, Findings, Place, Problem};
use crate::config::model::{Dataplane, Ipvs, Timeouts, Workers};
use crate::config::raw;
use crate::config::reader::{At, Field};

/// `first_service`: the line of the first service, if there is one.
pub(super) fn dataplane(
    raw: Option<raw::Dataplane>,
    first_service: Option<u32>,
    environment: &Environment,
    findings: &Findings,
) -> Dataplane {
    let default = Dataplane::default();
    let Some(raw) = raw else {
        // No section to point at: the service is what needs it.
        if let Some(line) = first_service {
            let key = "dataplane.interfaces".to_owned();
            findings.error(&Place { line, key, ..Place::default() }, Problem::NoInterfaces);
        }
        return default;
    };
    Dataplane {
        interfaces: interfaces(raw.interfaces, &raw.place, first_service.is_some(), findings),
        workers: workers(raw.workers, environment, findings),
        xdp: raw.xdp.or(default.xdp),
        connections: NonZeroU32::new(raw.connections.or(0)).unwrap_or(default.connections),
        busy_poll: raw.busy_poll.or(default.busy_poll),
        timeouts: raw.timeouts.map_or(default.timeouts, timeouts),
        ipvs: raw.ipvs.map_or(default.ipvs, ipvs),
    }
}

fn interfaces(raw: Field<Vec<At<String>>>, section: &Place, has_services: bool, findings: &Findings) -> Vec<String> {
    let place = match &raw {
        Field::Absent(place) | Field::Set(At { place, .. }) => place.clone(),
        Field::Invalid => section.clone(),
    };
    let wrong = matches!(raw, Field::Invalid);
    let names = raw.or(Vec::new());
    match (names.is_empty(), has_services) {
        (true, true) if !wrong => findings.error(&place, Problem::NoInterfaces),
        (false, false) => findings.warning(&place, Advice::InterfacesUnused),
        _ => {}
    }
    let mut unique = Unique::default();
    names.into_iter().filter(|at| unique.insert(&at.value, &at.place, findings)).map(|at| at.value).collect()
}

pub(super) fn workers(raw: Field<raw::Workers>, environment: &Environment, findings: &Findings) -> Workers {
    let Some(At { value: Some(cores), place }) = raw.set() else { return Workers::Auto };
    if cores.is_empty() {
        findings.error(&place, Problem::Missing("at least one core, or \"auto\""));
    }
    let mut unique = Unique::default();
    for core in &cores {
        unique.insert(&core.value, &core.place, findings);
        if let Some(known) = environment.cores.as_ref().filter(|known| !known.contains(&core.value)) {
            findings.error(&core.place, Problem::NoSuchCore { core: core.value, cores: show_cores(known) });
        }
    }
    Workers::Cores(cores.into_iter().map(|core| core.value).collect())
}

fn timeouts(raw: raw::Timeouts) -> Timeouts {
    let default = Timeouts::default();
    Timeouts { tcp: raw.tcp.or(default.tcp), tcp_fin: raw.tcp_fin.or(default.tcp_fin), udp: raw.udp.or(default.udp) }
}

fn ipvs(raw: raw::Ipvs) -> Ipvs {
    let default = Ipvs::default();
    Ipvs {
        expire_nodest_conn: raw.expire_nodest_conn.or(default.expire_nodest_conn),
        expire_quiescent_template: raw.expire_quiescent_template.or(default.expire_quiescent_template),
        conn_reuse_mode: raw.conn_reuse_mode.or(default.conn_reuse_mode),
        sloppy_tcp: raw.sloppy_tcp.or(default.sloppy_tcp),
        secure_tcp: raw.secure_tcp.or(default.secure_tcp),
        nat_icmp_send: raw.nat_icmp_send.or(default.nat_icmp_send),
        pmtu_disc: raw.pmtu_disc.or(default.pmtu_disc),
        schedule_icmp: raw.schedule_icmp.or(default.schedule_icmp),
        lblc_expiration: raw.lblc_expiration.or(default.lblc_expiration),
        lblcr_expiration: raw.lblcr_expiration.or(default.lblcr_expiration),
    }
}

/// `0-3, 6`
fn show_cores(cores: &BTreeSet<u16>) -> String {
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for core in cores {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *core => *last = *core,
            _ => runs.push((*core, *core)),
        }
    }
    let show = |(a, b): &(u16, u16)| if a == b { a.to_string() } else { format!("{a}-{b}") };
    runs.iter().map(show).collect::<Vec<_>>().join(", ")
}

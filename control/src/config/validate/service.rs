//! `[[service]]`: each one by itself, its servers, then all of them against each other.

use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::Duration;

use super::check::{Speech, checks, of_server};
use super::track::commands;
use super::{Unique, host_address};
use crate::config::error::{Advice, Findings, Place, Problem};
use crate::config::model::{
    Forward, Persistence, Ports, Protocol, Scheduler, SchedulerFlags, Server, ServerParts, Service, ServiceAddress,
    ServiceHealth, ServiceNotify, ServiceParts, Thresholds, Tunnel, Weight,
};
use crate::config::raw;
use crate::config::raw::check::ServerCheck;
use crate::config::reader::{At, Field};
use crate::health::Check;

/// The service default of ipvsadm.
const FORWARD: Forward = Forward::Dr;
const SCHEDULER: Scheduler = Scheduler::Wlc;
const PERSISTENCE_TIMEOUT: Duration = Duration::from_mins(5);

/// Size of the kernel's default Maglev table: each server needs a slot.
const MH_SERVERS: usize = 4093;

/// The services, and the place of each one's address.
pub(super) fn services(raw: Vec<raw::Service>, findings: &Findings) -> (Vec<Service>, Vec<At<IpAddr>>) {
    let mut names = Unique::default();
    let mut claims: Vec<(Protocol, At<ServiceAddress>)> = Vec::new();
    let mut services = Vec::new();
    for raw in raw {
        if let Field::Set(name) = &raw.name {
            names.insert(&name.value, &name.place, findings);
        }
        let claim = raw.protocol.clone().set().zip(raw.address.clone().set()).map(|(p, a)| (p.value, a));
        if let Some(claim) = claim {
            overlap(&claim, &claims, findings);
            claims.push(claim);
        }
        services.extend(service(raw, findings));
    }
    let places = claims.into_iter().map(|(_, at)| At { value: at.value.ip(), place: at.place }).collect();
    (services, places)
}

/// Noted once per service, however many it overlaps.
fn overlap(claim: &(Protocol, At<ServiceAddress>), earlier: &[(Protocol, At<ServiceAddress>)], findings: &Findings) {
    let (protocol, at) = claim;
    let clashes = |(p, a): &&(Protocol, At<ServiceAddress>)| {
        p == protocol && a.value.ip() == at.value.ip() && a.value.ports().overlaps(at.value.ports())
    };
    if let Some((_, other)) = earlier.iter().find(clashes) {
        let (value, line) = (at.value.to_string(), other.place.line);
        let problem = if other.value == at.value {
            Problem::Duplicate { value, line }
        } else {
            Problem::Overlap { value, other: other.value.to_string(), line }
        };
        findings.error(&at.place, problem);
    }
}

fn service(raw: raw::Service, findings: &Findings) -> Option<Service> {
    let name = raw.name.required("a name of its own", findings);
    let protocol = raw.protocol.required("\"tcp\" or \"udp\"", findings);
    let address = raw.address.required("an address such as \"192.0.2.1:80\"", findings);
    let scheduler = raw.scheduler.or(SCHEDULER);
    let flags = flags(raw.flags, scheduler, findings);
    one_packet(&raw.one_packet, protocol.as_ref(), findings);
    let address_value = address.as_ref().map(|at| at.value);
    let persistence = raw.persistence.map(|p| persistence(p, address_value, findings));
    if let Some(at) = &address {
        check_address(at, persistence.is_some(), findings);
    }
    let forward = raw.forward.or(FORWARD);
    let speech = Speech::default();
    let around = checks(raw.checks, &speech, findings);
    let of_all = OfAll {
        forward,
        service: address_value,
        checks: &|own| of_server(own, &around, &speech, findings),
        inhibit_on_failure: raw.inhibit_on_failure.or(false),
    };
    let sorry_server = raw.sorry_server.set().and_then(|at| sorry_server(at.value, &of_all, findings));
    let servers = servers(raw.servers, &of_all, findings);
    let health = ServiceHealth {
        hysteresis: hysteresis(&raw.hysteresis, &raw.quorum, findings),
        quorum: raw.quorum.or(1),
        sorry_server,
        notify: Arc::new(raw.notify.map(notify).unwrap_or_default()),
    };
    check_servers(&servers, scheduler, &raw.place, findings);
    let tunnel = tunnel(raw.tunnel, &servers, findings);
    Some(Service::new(ServiceParts {
        name: name?.value,
        protocol: protocol?.value,
        address: address?.value,
        forward,
        scheduler,
        flags,
        one_packet: raw.one_packet.or(false),
        persistence,
        tunnel,
        servers,
        health,
    }))
}

fn check_address(at: &At<ServiceAddress>, persistent: bool, findings: &Findings) {
    if host_address(at.value.ip(), &at.place, findings) && at.value.ip().is_loopback() {
        findings.warning(&at.place, Advice::Loopback(at.value.ip()));
    }
    if at.value.ports() == Ports::All && !persistent {
        findings.error(&at.place, Problem::AllPortsWithoutPersistence);
    }
}

fn flags(raw: Field<Vec<At<raw::ServiceFlag>>>, scheduler: Scheduler, findings: &Findings) -> SchedulerFlags {
    let Some(At { value: flags, place }) = raw.set() else { return SchedulerFlags::default() };
    if !flags.is_empty() && !matches!(scheduler, Scheduler::Sh | Scheduler::Mh) {
        findings.error(&place, Problem::NoSchedulerFlags(scheduler.word()));
    }
    let has = |flag| flags.iter().any(|at| at.value == flag);
    SchedulerFlags { fallback: has(raw::ServiceFlag::Fallback), port: has(raw::ServiceFlag::Port) }
}

fn one_packet(raw: &Field<bool>, protocol: Option<&At<Protocol>>, findings: &Findings) {
    if let (Field::Set(At { value: true, place }), Some(At { value: Protocol::Tcp, .. })) = (raw, protocol) {
        findings.error(place, Problem::OnePacketNotUdp);
    }
}

fn persistence(raw: raw::Persistence, address: Option<ServiceAddress>, findings: &Findings) -> Persistence {
    let longest = if address.is_none_or(|a| a.ip().is_ipv6()) { 128 } else { 32 };
    let prefix = match raw.netmask.set() {
        Some(At { value, place }) if value > longest => {
            let [value, min, max] = [value, 1, longest].map(|n| n.to_string());
            findings.error(&place, Problem::OutOfRange { value, min, max, unit: "bits" });
            longest
        }
        Some(At { value, .. }) => value,
        None => longest,
    };
    Persistence { timeout: raw.timeout.or(PERSISTENCE_TIMEOUT), prefix }
}

fn tunnel(raw: Option<raw::TunnelSection>, servers: &[Server], findings: &Findings) -> Tunnel {
    let Some(raw) = raw else { return Tunnel::Ipip };
    let unused = !servers.iter().any(|s| s.forward() == Forward::Tunnel);
    if unused && !matches!(raw.kind, Field::Invalid) {
        findings.warning(&raw.place, Advice::TunnelIgnored);
    }
    raw.kind.required("\"ipip\"", findings).map_or(Tunnel::Ipip, |at| at.value)
}

/// What a service says for all its servers.
struct OfAll<'a> {
    forward: Forward,
    service: Option<ServiceAddress>,
    /// From what a server says of checks.
    checks: &'a dyn Fn(Field<ServerCheck>) -> Vec<Arc<Check>>,
    inhibit_on_failure: bool,
}

fn sorry_server(raw: raw::SorryServer, of_all: &OfAll<'_>, findings: &Findings) -> Option<Server> {
    let forward = raw.forward.or(of_all.forward);
    let address = raw.address.required("an address such as \"10.0.0.99:80\"", findings)?;
    let (At { value: (ip, port), place }, service) = (address, of_all.service?);
    if !host_address(ip, &place, findings) {
        return None;
    }
    check_server(ip, port, forward, service, &place, findings);
    let parts = addressed(ip, port, forward, service);
    Some(Server::new(parts))
}

fn addressed(ip: IpAddr, port: Option<NonZeroU16>, forward: Forward, service: ServiceAddress) -> ServerParts {
    let service_port = if let Ports::One(port) = service.ports() { Some(port) } else { None };
    let port = port.filter(|_| forward == Forward::Nat);
    ServerParts {
        ip,
        port,
        shown_port: port.or(service_port),
        forward,
        weight: Weight::ONE,
        thresholds: None,
        checks: Vec::new(),
        inhibit_on_failure: false,
        slow_start: Duration::ZERO,
    }
}

fn hysteresis(raw: &Field<u32>, quorum: &Field<u32>, findings: &Findings) -> u32 {
    let (value, quorum) = (raw.clone().or(0), quorum.clone().or(1));
    if let Some(place) = raw.place()
        && value >= quorum
    {
        findings.error(place, Problem::HysteresisAboveQuorum { value, quorum });
    }
    value
}

fn notify(raw: raw::ServiceNotify) -> ServiceNotify {
    let command = commands(raw.user);
    ServiceNotify {
        up: command(raw.up),
        down: command(raw.down),
        quorum_up: command(raw.quorum_up),
        quorum_down: command(raw.quorum_down),
    }
}

fn servers(raw: Vec<raw::Server>, of_all: &OfAll<'_>, findings: &Findings) -> Vec<Server> {
    let mut unique = Unique::default();
    let mut servers = Vec::new();
    for raw in raw {
        let forward = raw.forward.clone().or(of_all.forward);
        let thresholds = thresholds(&raw, findings);
        let weight = raw.weight.or(Weight::ONE);
        let Some(At { value: (ip, port), place }) =
            raw.address.required("an address such as \"10.0.0.11:80\"", findings)
        else {
            continue;
        };
        if !host_address(ip, &place, findings) {
            continue;
        }
        // Without a service address there is nothing to compare with; its own error has been noted.
        let Some(service) = of_all.service else { continue };
        check_server(ip, port, forward, service, &place, findings);
        let parts = addressed(ip, port, forward, service);
        let checks = (of_all.checks)(raw.check);
        if parts.shown_port.is_none() && checks.iter().any(|check| check.port.is_none() && check.kind.needs_port()) {
            findings.error(&place, Problem::CheckWithoutPort);
        }
        let server = Server::new(ServerParts {
            weight,
            thresholds,
            checks,
            inhibit_on_failure: raw.inhibit_on_failure.or(of_all.inhibit_on_failure),
            slow_start: raw.slow_start.or(Duration::ZERO),
            ..parts
        });
        if unique.insert(&server.address(), &place, findings) {
            servers.push(server);
        }
    }
    servers
}

fn check_server(
    ip: IpAddr,
    port: Option<NonZeroU16>,
    forward: Forward,
    service: ServiceAddress,
    place: &Place,
    findings: &Findings,
) {
    if ip.is_loopback() {
        findings.warning(place, Advice::Loopback(ip));
    }
    if ip.is_ipv4() != service.ip().is_ipv4() && forward != Forward::Tunnel {
        findings.error(place, Problem::MixedFamilies { server: ip, service: service.ip() });
    }
    if let Some(port) = port.filter(|port| forward != Forward::Nat && Ports::One(*port) != service.ports()) {
        findings.warning(place, Advice::PortIgnored { port: port.get(), forward: forward.word() });
    }
}

fn thresholds(raw: &raw::Server, findings: &Findings) -> Option<Thresholds> {
    let max = raw.max_connections.clone().or(0);
    let min = raw.min_connections.clone().or(0);
    if let Field::Set(At { place, .. }) = &raw.min_connections
        && !matches!(raw.max_connections, Field::Invalid)
        && min > max
    {
        findings.error(place, Problem::ThresholdsCrossed { min, max });
    }
    NonZeroU32::new(max).map(|max| Thresholds { max, min })
}

fn check_servers(servers: &[Server], scheduler: Scheduler, place: &Place, findings: &Findings) {
    if servers.is_empty() {
        findings.warning(place, Advice::NoServers);
    } else if servers.iter().all(|s| s.weight().get() == 0) {
        findings.warning(place, Advice::NoWeight);
    }
    if scheduler == Scheduler::Mh && servers.len() > MH_SERVERS {
        findings.error(place, Problem::TooManyServers { count: servers.len(), max: MH_SERVERS });
    }
}

//! Listeners.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use headgate_l7::config::{Forwarding, Limits, Listener, Networks, Protocol, Style, Underscores};

use super::Known;
use super::files::error_pages;
use super::log::access_log;
use super::route::route;
use super::tls::acceptor;
use crate::config::error::{Advice, Findings, Problem};
use crate::config::model::{self, Ports, Service};
use crate::config::raw;
use crate::config::reader::{At, Field};
use crate::config::validate::Unique;

/// The addresses of all listeners.
pub(super) struct Addresses<'a> {
    pub unique: Unique<SocketAddr>,
    pub places: Vec<At<IpAddr>>,
    pub services: &'a [Service],
}

impl Addresses<'_> {
    fn claim(&mut self, at: &At<SocketAddr>, findings: &Findings) -> bool {
        let (address, place) = (at.value, &at.place);
        if address.ip().is_multicast() {
            findings.error(place, Problem::NotAHost(address.ip()));
            return false;
        }
        let takes = |service: &&Service| {
            let ports = service.address().ports();
            let port = NonZeroU16::new(address.port()).map_or(Ports::All, Ports::One);
            service.protocol() == model::Protocol::Tcp && service.address().ip() == address.ip() && ports.overlaps(port)
        };
        if let Some(service) = self.services.iter().find(takes) {
            findings.error(place, Problem::TakenByService { address, service: service.name().to_owned() });
            return false;
        }
        if !address.ip().is_unspecified() {
            self.places.push(At { value: address.ip(), place: place.clone() });
        }
        self.unique.insert(&address, place, findings)
    }
}

pub(super) fn listener(
    raw: raw::Listener,
    known: &mut Known,
    names: &mut Unique<String>,
    addresses: &mut Addresses<'_>,
    findings: &Findings,
) -> Option<Listener> {
    let name = raw.name.required("a name of its own", findings);
    if let Some(at) = &name {
        names.insert(&at.value, &at.place, findings);
    }
    let wanted = raw.addresses.required("an array of addresses such as [\"0.0.0.0:80\"]", findings);
    if let Some(At { place, .. }) = wanted.as_ref().filter(|at| at.value.is_empty()) {
        findings.error(place, Problem::Missing("at least one address"));
    }
    let protocol = raw.protocol.or(Protocol::Http);
    if protocol == Protocol::Tcp {
        let limits = raw.limits.as_ref().map(|limits| &limits.of_http);
        let routes = raw.routes.iter().map(|route| &route.of_http);
        for place in [&raw.of_http].into_iter().chain(limits).chain(routes).flatten() {
            findings.error(place, Problem::OnlyHttp);
        }
    }
    let limits = raw.limits.map_or_else(Limits::default, |raw| limits(raw, findings));
    if raw.routes.is_empty() {
        findings.warning(&raw.place, Advice::NoRoutes);
    }
    let wants_tls = raw.tls.is_some();
    let tls = raw.tls.and_then(|raw| acceptor(raw, protocol, findings));
    let mut seen = Unique::default();
    let error_pages = error_pages(raw.error_pages, findings);
    let access_log = access_log(raw.access_log, None, findings);
    let outer = (&error_pages, access_log.as_ref());
    let routes =
        raw.routes.into_iter().filter_map(|raw| route(raw, protocol, known, &mut seen, outer, findings)).collect();
    let claimed = wanted?.value.into_iter().filter(|at| addresses.claim(at, findings)).map(|at| at.value).collect();
    if wants_tls && tls.is_none() {
        return None;
    }
    let trusted = raw.trusted_proxies.or(Vec::new()).into_iter().map(|at| at.value).collect();
    let forwarding = Forwarding { trusted: Networks::new(trusted), style: raw.forwarded.or(Style::default()) };
    let underscores = raw.underscores.or(Underscores::default());
    let (http2, proxy_protocol) = (raw.http2.or(false), raw.proxy_protocol.or(false));
    Some(Listener {
        name: name?.value,
        protocol,
        addresses: claimed,
        routes,
        limits,
        tls,
        http2,
        proxy_protocol,
        forwarding,
        underscores,
        error_pages,
        access_log,
    })
}

fn limits(raw: raw::Limits, findings: &Findings) -> Limits {
    let default = Limits::default();
    let size = |field: Field<u64>, default: usize| {
        field.set().map_or(default, |at| usize::try_from(at.value).unwrap_or(usize::MAX))
    };
    let head_place = if let Field::Set(at) = &raw.head { Some(at.place.clone()) } else { None };
    let limits = Limits {
        request_line: size(raw.request_line, default.request_line),
        head: size(raw.head, default.head),
        fields: raw.fields.or(default.fields as u32) as usize,
        // 0 in the file is nginx's way to say that there is none.
        body: raw.body.set().map_or(default.body, |at| if at.value == 0 { u64::MAX } else { at.value }),
        body_in_memory: size(raw.body_in_memory, default.body_in_memory),
        head_timeout: raw.head_timeout.or(default.head_timeout),
        body_rate: raw.body_rate.or(default.body_rate),
        body_timeout: raw.body_timeout.or(default.body_timeout),
        send_timeout: raw.send_timeout.or(default.send_timeout),
        keep_alive: raw.keep_alive.or(default.keep_alive),
    };
    if let Some(place) = head_place.filter(|_| limits.head < limits.request_line) {
        findings.error(&place, Problem::HeadBelowLine);
    }
    limits
}

//! The proxy: upstreams, then listeners with their routes, which refer to them.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use headgate_l7::config::{
    Action, Balance, Forward, HashKey, Host, Limits, Listener, Path, Proxy as Config, Retry, Route, Server, Timeouts,
    Upstream,
};

use super::dataplane::workers;
use super::{Unique, host_address};
use crate::config::environment::Environment;
use crate::config::error::{Advice, Findings, Place, Problem};
use crate::config::model::{BalanceWord, HashWord, Ports, Protocol, Proxy, RetryOn, Service};
use crate::config::raw;
use crate::config::reader::{At, Field};
use crate::config::text;

/// nginx's default.
const KEEPALIVE: u32 = 64;
const FAIL_TIMEOUT: Duration = Duration::from_secs(10);
const HTTP: NonZeroU16 = NonZeroU16::new(80).unwrap();
const REDIRECT: u16 = 302;

/// The sections of the proxy.
pub(super) struct Sections {
    pub proxy: Option<raw::Proxy>,
    pub upstreams: Vec<raw::Upstream>,
    pub listeners: Vec<raw::Listener>,
}

/// The proxy, and the places of its listeners' addresses.
pub(super) fn proxy(
    raw: Sections,
    node: &str,
    services: &[Service],
    environment: &Environment,
    findings: &Findings,
) -> (Proxy, Vec<At<IpAddr>>) {
    let workers = workers(raw.proxy.map_or(Field::Absent(Place::default()), |raw| raw.workers), environment, findings);
    let mut known = Known::default();
    let upstreams = raw.upstreams.into_iter().filter_map(|raw| upstream(raw, &mut known, findings)).collect();
    let mut names = Unique::default();
    let mut addresses = Addresses { unique: Unique::default(), places: Vec::new(), services };
    let listeners = raw
        .listeners
        .into_iter()
        .filter_map(|raw| listener(raw, &mut known, &mut names, &mut addresses, findings))
        .collect();
    for (name, upstream) in known.upstreams.iter().filter(|(_, upstream)| !upstream.used) {
        findings.warning(&upstream.place, Advice::UpstreamUnused(name.clone()));
    }
    let pseudonym =
        node.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
    (Proxy { workers, config: Config { listeners, upstreams, pseudonym } }, addresses.places)
}

/// The upstreams that routes may name.
#[derive(Default)]
struct Known {
    names: Unique<String>,
    upstreams: HashMap<String, KnownUpstream>,
    count: usize,
}

struct KnownUpstream {
    index: usize,
    place: Place,
    used: bool,
}

fn upstream(raw: raw::Upstream, known: &mut Known, findings: &Findings) -> Option<Upstream> {
    let name = raw.name.required("a name of its own", findings);
    let balance = balance(raw.balance, raw.hash, findings);
    let servers = servers(raw.servers, findings);
    if servers.is_empty() {
        findings.warning(&raw.place, Advice::NoUpstreamServers);
    } else if servers.iter().all(|server| server.backup || server.down) {
        findings.warning(&raw.place, Advice::NoPrimaries);
    }
    let retry = raw.retry.map_or_else(Retry::default, retry);
    let At { value: name, place } = name?;
    if !known.names.insert(&name, &place, findings) {
        return None;
    }
    known.upstreams.insert(name.clone(), KnownUpstream { index: known.count, place: raw.place, used: false });
    known.count += 1;
    Some(Upstream { name, balance, keepalive: raw.keepalive.or(KEEPALIVE) as usize, retry, servers })
}

fn balance(raw: Field<BalanceWord>, hash: Option<raw::Hash>, findings: &Findings) -> Balance {
    let word = raw.or(BalanceWord::RoundRobin);
    if let Some(hash) = hash.as_ref().filter(|_| word != BalanceWord::Hash) {
        findings.warning(&hash.place, Advice::HashIgnored);
    }
    let (key, consistent) =
        hash.map_or((HashWord::Uri, true), |hash| (hash.key.or(HashWord::Uri), hash.consistent.or(true)));
    let key = match key {
        HashWord::Uri => HashKey::Uri,
        HashWord::Client => HashKey::Client,
        HashWord::Host => HashKey::Host,
    };
    match word {
        BalanceWord::RoundRobin => Balance::RoundRobin,
        BalanceWord::LeastConn => Balance::LeastConn,
        BalanceWord::IpHash => Balance::IpHash,
        BalanceWord::Hash if consistent => Balance::HashConsistent(key),
        BalanceWord::Hash => Balance::Hash(key),
        BalanceWord::RandomTwo => Balance::RandomTwo,
        BalanceWord::Ewma => Balance::Ewma,
    }
}

fn retry(raw: raw::Retry) -> Retry {
    let default = Retry::default();
    let mut retry = Retry {
        tries: raw.tries.or(default.tries),
        timeout: raw.timeout.or(default.timeout),
        non_idempotent: raw.non_idempotent.or(default.non_idempotent),
        ..default
    };
    if let Some(on) = raw.on.set() {
        let on: Vec<RetryOn> = on.value.into_iter().map(|at| at.value).collect();
        retry.on_error = on.contains(&RetryOn::Error);
        retry.on_timeout = on.contains(&RetryOn::Timeout);
        retry.on_invalid_header = on.contains(&RetryOn::InvalidHeader);
        retry.on_status =
            on.iter().filter_map(|on| if let RetryOn::Status(status) = on { Some(*status) } else { None }).collect();
    }
    retry
}

fn servers(raw: Vec<raw::UpstreamServer>, findings: &Findings) -> Vec<Server> {
    let mut unique = Unique::default();
    let mut servers = Vec::new();
    for raw in raw {
        let address = raw.address.required("an address such as \"10.0.0.11:8080\"", findings);
        let server = Server {
            name: String::new(),
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            weight: raw.weight.or(1),
            max_fails: raw.max_fails.or(1),
            fail_timeout: raw.fail_timeout.or(FAIL_TIMEOUT),
            backup: raw.backup.or(false),
            down: raw.down.or(false),
            max_connections: raw.max_connections.or(0),
        };
        let Some(At { value: (name, ip, port), place }) = address else { continue };
        let address = text::endpoint(ip, Some(port.unwrap_or(HTTP)));
        if host_address(ip, &place, findings) && unique.insert(&address, &place, findings) {
            servers.push(Server { name, address, ..server });
        }
    }
    servers
}

/// The addresses of all listeners.
struct Addresses<'a> {
    unique: Unique<SocketAddr>,
    places: Vec<At<IpAddr>>,
    services: &'a [Service],
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
            service.protocol() == Protocol::Tcp && service.address().ip() == address.ip() && ports.overlaps(port)
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

fn listener(
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
    let limits = raw.limits.map_or_else(Limits::default, |raw| limits(raw, findings));
    if raw.routes.is_empty() {
        findings.warning(&raw.place, Advice::NoRoutes);
    }
    let mut seen = Unique::default();
    let routes = raw.routes.into_iter().filter_map(|raw| route(raw, known, &mut seen, findings)).collect();
    let claimed = wanted?.value.into_iter().filter(|at| addresses.claim(at, findings)).map(|at| at.value).collect();
    Some(Listener { name: name?.value, addresses: claimed, routes, limits })
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
        body_timeout: raw.body_timeout.or(default.body_timeout),
        send_timeout: raw.send_timeout.or(default.send_timeout),
        keep_alive: raw.keep_alive.or(default.keep_alive),
    };
    if let Some(place) = head_place.filter(|_| limits.head < limits.request_line) {
        findings.error(&place, Problem::HeadBelowLine);
    }
    limits
}

fn route(raw: raw::Route, known: &mut Known, seen: &mut Unique<String>, findings: &Findings) -> Option<Route> {
    let known_match = !matches!(raw.host, Field::Invalid) && !matches!(raw.path, Field::Invalid);
    let host = raw.host.or(Host::Any);
    let path = raw.path.or(Path::Prefix("/".to_owned()));
    if known_match {
        seen.insert(&text::show_match(&host, &path), &raw.place, findings);
    }
    let proxied = !matches!(raw.upstream, Field::Absent(_));
    let redirected = !matches!(raw.redirect, Field::Absent(_));
    let ways = [proxied, raw.respond.is_some(), redirected].iter().filter(|way| **way).count();
    if ways != 1 {
        findings.error(&raw.place, Problem::RouteWays);
    }
    if let Some(timeouts) = raw.timeouts.as_ref().filter(|_| !proxied) {
        findings.warning(&timeouts.place, Advice::NotProxied);
    }
    let default = Timeouts::default();
    let timeouts = raw.timeouts.map_or(default, |raw| Timeouts {
        connect: raw.connect.or(default.connect),
        send: raw.send.or(default.send),
        read: raw.read.or(default.read),
    });
    let (request_buffering, websocket) = (raw.request_buffering.or(true), raw.websocket.or(true));
    let upstream = raw.upstream.set().and_then(|at| known.find(&at, findings));
    let respond = raw.respond.map(|respond| (respond.status.required("a status such as 403", findings), respond.body));
    let redirect = raw.redirect.set().map(|at| {
        (at.value.location.required("a location such as \"https://$host$request_uri\"", findings), at.value.status)
    });
    let action = if let Some(upstream) = upstream {
        Action::Proxy(Forward { upstream, timeouts, request_buffering, websocket })
    } else if let Some((status, body)) = respond {
        Action::Respond { status: status?.value, body: body.or(String::new()) }
    } else {
        let (location, status) = redirect?;
        Action::Redirect { status: status.or(REDIRECT), location: location?.value }
    };
    Some(Route { host, path, action })
}

impl Known {
    fn find(&mut self, at: &At<String>, findings: &Findings) -> Option<usize> {
        if let Some(upstream) = self.upstreams.get_mut(&at.value) {
            upstream.used = true;
            return Some(upstream.index);
        }
        let mut known: Vec<&str> = self.upstreams.keys().map(String::as_str).collect();
        known.sort_unstable();
        let known = known.join(", ");
        findings.error(&at.place, Problem::NoSuchUpstream { name: at.value.clone(), known });
        None
    }
}

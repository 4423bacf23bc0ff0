//! Upstreams.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use headgate_l7::config::{Balance, HashKey, Queue, Retry, SameSite, Server, Sticky, Upstream};

use super::tls::connector;
use super::{Known, KnownUpstream};
use crate::config::error::{Advice, Findings, Problem};
use crate::config::model::{BalanceWord, HashWord, RetryOn, server_key};
use crate::config::raw;
use crate::config::raw::check::ServerCheck;
use crate::config::reader::{At, Field};
use crate::config::text;
use crate::config::validate::check::{Speech, checks, of_name, of_server};
use crate::config::validate::{Unique, host_address};
use crate::health::Check;

/// nginx's default.
const KEEPALIVE: u32 = 64;
const QUEUE_SIZE: u32 = 1000;
const QUEUE_TIMEOUT: Duration = Duration::from_secs(1);
const RESOLVE_INTERVAL: Duration = Duration::from_secs(30);
const FAIL_TIMEOUT: Duration = Duration::from_secs(10);
const HTTP: NonZeroU16 = NonZeroU16::new(80).unwrap();
const HTTPS: NonZeroU16 = NonZeroU16::new(443).unwrap();

pub(super) fn upstream(raw: raw::Upstream, known: &mut Known, findings: &Findings) -> Option<Upstream> {
    let name = raw.name.required("a name of its own", findings);
    let balance = balance(raw.balance, raw.hash, findings);
    let default_port = if raw.tls.is_some() { HTTPS } else { HTTP };
    let http2 = raw.http2.or(false);
    let tls = raw.tls.and_then(|raw| connector(raw, http2, findings));
    let speech = Speech { tls: tls.clone(), http2 };
    let around = checks(raw.checks, &speech, findings);
    let (servers, all_checks): (Vec<_>, Vec<_>) =
        servers(raw.servers, default_port, balance, findings, |own| of_server(own, &around, &speech, findings))
            .into_iter()
            .unzip();
    if let Field::Set(at) = &raw.send_proxy
        && http2
    {
        findings.error(&at.place, Problem::SendProxyOverHttp2);
    }
    let send_proxy = raw.send_proxy.set().map(|at| at.value);
    let sticky = raw.sticky.and_then(|raw| sticky(raw, findings));
    let queue =
        raw.queue.map(|raw| Queue { size: raw.size.or(QUEUE_SIZE) as usize, timeout: raw.timeout.or(QUEUE_TIMEOUT) });
    if servers.is_empty() {
        findings.warning(&raw.place, Advice::NoUpstreamServers);
    } else if servers.iter().all(|server| server.backup || server.down) {
        findings.warning(&raw.place, Advice::NoPrimaries);
    }
    let backup_below = raw.backup_below.set().map_or(0, |at| {
        if at.value > 0 && servers.iter().all(|server| !server.backup) {
            findings.warning(&at.place, Advice::NoBackups);
        }
        at.value
    });
    let has_names = servers.iter().any(|server| server.host.is_some());
    if let Field::Set(at) = &raw.resolve_interval
        && !has_names
    {
        findings.warning(&at.place, Advice::NoHostNames);
    }
    let resolve_interval = raw.resolve_interval.or(RESOLVE_INTERVAL);
    let retry = raw.retry.map_or_else(Retry::default, retry);
    let At { value: name, place } = name?;
    if !known.names.insert(&name, &place, findings) {
        return None;
    }
    let upstream = KnownUpstream { index: known.count, place: raw.place, used: false, http2, sticky: sticky.is_some() };
    known.upstreams.insert(name.clone(), upstream);
    known.count += 1;
    for (server, checks) in servers.iter().zip(all_checks).filter(|(_, checks)| !checks.is_empty()) {
        known.checks.insert((name.clone(), server_key(server)), checks);
    }
    if has_names {
        known.resolve_intervals.insert(name.clone(), resolve_interval);
    }
    Some(Upstream {
        name,
        balance,
        keepalive: raw.keepalive.or(KEEPALIVE) as usize,
        retry,
        backup_below,
        servers,
        tls,
        http2,
        send_proxy,
        sticky,
        queue,
    })
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

fn sticky(raw: raw::Sticky, findings: &Findings) -> Option<Sticky> {
    let secure = raw.secure.or(false);
    if let Field::Set(at) = &raw.same_site
        && at.value == SameSite::None
        && !secure
    {
        findings.warning(&at.place, Advice::SameSiteNotSecure);
    }
    let cookie = raw.cookie.required("the name of a cookie", findings)?.value;
    let default = Sticky::new(cookie);
    Some(Sticky {
        path: raw.path.or(default.path),
        domain: raw.domain.set().map(|at| at.value),
        max_age: raw.max_age.set().map(|at| at.value),
        secure,
        http_only: raw.http_only.or(default.http_only),
        same_site: raw.same_site.set().map(|at| at.value),
        cookie: default.cookie,
    })
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

fn servers(
    raw: Vec<raw::UpstreamServer>,
    default_port: NonZeroU16,
    balance: Balance,
    findings: &Findings,
    checks: impl Fn(Field<ServerCheck>) -> Vec<Arc<Check>>,
) -> Vec<(Server, Vec<Arc<Check>>)> {
    let by_hash = matches!(balance, Balance::IpHash | Balance::Hash(_) | Balance::HashConsistent(_));
    let mut unique = Unique::default();
    let mut servers = Vec::new();
    for raw in raw {
        if let Field::Set(at) = &raw.slow_start
            && by_hash
        {
            findings.error(&at.place, Problem::SlowStartByHash);
        }
        let checks = checks(raw.check);
        let slow_start = raw.slow_start.or(Duration::ZERO);
        let address = raw.address.required("an address such as \"10.0.0.11:8080\"", findings);
        let server = Server {
            name: String::new(),
            host: None,
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            weight: raw.weight.or(1),
            max_fails: raw.max_fails.or(1),
            fail_timeout: raw.fail_timeout.or(FAIL_TIMEOUT),
            backup: raw.backup.or(false),
            down: raw.down.or(false),
            max_connections: raw.max_connections.or(0),
            slow_start,
        };
        let Some(At { value: (name, host, port), place }) = address else { continue };
        let port = Some(port.unwrap_or(default_port));
        let (ip, host) = match host {
            text::Server::Ip(ip) if !host_address(ip, &place, findings) => continue,
            text::Server::Ip(ip) => (ip, None),
            text::Server::Name(host) => (Ipv4Addr::UNSPECIFIED.into(), Some(host)),
        };
        let server = Server { name, host, address: text::endpoint(ip, port), ..server };
        if unique.insert(&server_key(&server), &place, findings) {
            let checks = of_name(checks, &server);
            servers.push((server, checks));
        }
    }
    servers
}

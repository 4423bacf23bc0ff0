//! The proxy: upstreams, then listeners with their routes, which refer to them.

mod files;
mod listener;
mod log;
mod route;
pub(super) mod tls;
mod upstream;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use headgate_l7::config::{Protocol, Proxy as Config};

use super::Unique;
use super::dataplane::workers;
use crate::config::environment::Environment;
use crate::config::error::{Advice, Findings, Place, Problem};
use crate::config::model::{Proxy, Service};
use crate::config::raw;
use crate::config::reader::{At, Field};
use crate::health::Check;
use listener::{Addresses, listener};
use upstream::upstream;

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
    let Known { checks, resolve_intervals, .. } = known;
    let config = Config { listeners, upstreams, pseudonym };
    (Proxy { workers, config, checks, resolve_intervals }, addresses.places)
}

/// The upstreams that routes may name.
#[derive(Default)]
struct Known {
    names: Unique<String>,
    upstreams: HashMap<String, KnownUpstream>,
    count: usize,
    checks: BTreeMap<(String, String), Vec<Arc<Check>>>,
    resolve_intervals: BTreeMap<String, Duration>,
}

struct KnownUpstream {
    index: usize,
    place: Place,
    used: bool,
    http2: bool,
    /// Has a cookie, which connections have not.
    sticky: bool,
}

impl Known {
    fn find(&mut self, at: &At<String>, protocol: Protocol, findings: &Findings) -> Option<usize> {
        if let Some(upstream) = self.upstreams.get_mut(&at.value) {
            upstream.used = true;
            if protocol == Protocol::Tcp && upstream.http2 {
                findings.error(&at.place, Problem::TcpToHttp2(at.value.clone()));
            }
            if protocol == Protocol::Tcp && upstream.sticky {
                findings.warning(&at.place, Advice::TcpWithCookie(at.value.clone()));
            }
            return Some(upstream.index);
        }
        let mut known: Vec<&str> = self.upstreams.keys().map(String::as_str).collect();
        known.sort_unstable();
        let known = known.join(", ");
        findings.error(&at.place, Problem::NothingOfThatName { word: "upstream", name: at.value.clone(), known });
        None
    }
}

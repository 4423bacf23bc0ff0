//! Checks of upstreams.

use std::sync::Arc;
use std::time::Duration;

use headgate_l7::config::Server;
use headgate_l7::tls::Connector;

use crate::config::error::Findings;
use crate::config::raw;
use crate::config::raw::check::CheckWord;
use crate::config::reader::Field;
use crate::health::check::{Check, Http, Kind};

const INTERVAL: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(1);

/// How the servers are spoken to.
pub(super) struct Speech {
    pub tls: Option<Connector>,
    pub http2: bool,
}

pub(super) fn check(raw: raw::check::Check, speech: &Speech, findings: &Findings) -> Option<Arc<Check>> {
    let kind = raw.kind.required("what to check: \"tcp\" or \"http\"", findings);
    let port = raw.port.set().map(|at| at.value);
    // What listens at another port is another thing.
    let speech = Some(speech).filter(|_| port.is_none());
    let http = Http {
        method: raw.method.or("GET".to_owned()),
        path: raw.path.or("/".to_owned()),
        host: raw.host.set().map(|at| at.value),
        status: raw.status.or(vec![200..=299]),
        body: raw.body.set().map(|at| at.value),
        found_by: None,
        tls: speech.and_then(|speech| speech.tls.clone()),
        http2: speech.is_some_and(|speech| speech.http2),
    };
    let kind = match kind?.value {
        CheckWord::Tcp => Kind::Tcp,
        CheckWord::Http => Kind::Http(Box::new(http)),
    };
    let (interval, timeout) = (raw.interval.or(INTERVAL), raw.timeout.or(TIMEOUT));
    let (rise, fall, starts_up) = (raw.rise.or(1), raw.fall.or(2), raw.start.or(true));
    Some(Arc::new(Check { kind, interval, timeout, rise, fall, port, starts_up }))
}

/// The check of one server: its own, with the keys of the upstream's where it has none; none; or that of the upstream.
pub(super) fn of_server(
    raw: Field<raw::check::ServerCheck>,
    of_upstream: Option<&(raw::check::Check, Option<Arc<Check>>)>,
    speech: &Speech,
    findings: &Findings,
) -> Option<Arc<Check>> {
    match raw.set().map(|at| at.value) {
        None => of_upstream.and_then(|(_, check)| check.clone()),
        Some(raw::check::ServerCheck::Off) => None,
        Some(raw::check::ServerCheck::Own(own)) => {
            let own = match of_upstream {
                Some((base, _)) => own.over(base),
                None => *own,
            };
            check(own, speech, findings)
        }
    }
}

/// A check of a server with a host name: it is asked for by that name, whatever its address.
pub(super) fn of_name(check: Arc<Check>, server: &Server) -> Arc<Check> {
    match (&check.kind, &server.host) {
        (Kind::Http(http), Some(host)) => {
            let asked_for = http.host.clone().or_else(|| Some(server.name.clone()));
            let http = Http { host: asked_for, found_by: Some(host.clone()), ..(**http).clone() };
            Arc::new(Check { kind: Kind::Http(Box::new(http)), ..(*check).clone() })
        }
        _ => check,
    }
}

//! Checks of upstreams.

use std::sync::Arc;
use std::time::Duration;

use crate::config::error::{Advice, Findings};
use crate::config::raw;
use crate::config::raw::check::CheckWord;
use crate::config::reader::Field;
use crate::health::check::{Check, Http, Kind};

const INTERVAL: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(1);

/// `tls`: whether the servers speak it, which checks do not.
pub(super) fn check(raw: raw::check::Check, tls: bool, findings: &Findings) -> Option<Arc<Check>> {
    let kind = raw.kind.required("what to check: \"tcp\" or \"http\"", findings);
    let http = Http {
        method: raw.method.or("GET".to_owned()),
        path: raw.path.or("/".to_owned()),
        host: raw.host.set().map(|at| at.value),
        status: raw.status.or(vec![200..=299]),
        body: raw.body.set().map(|at| at.value),
    };
    let kind = kind?;
    let port = raw.port.set().map(|at| at.value);
    let kind = match kind.value {
        CheckWord::Tcp => Kind::Tcp,
        CheckWord::Http => {
            if tls && port.is_none() {
                findings.warning(&kind.place, Advice::CheckWithoutTls);
            }
            Kind::Http(http)
        }
    };
    let (interval, timeout) = (raw.interval.or(INTERVAL), raw.timeout.or(TIMEOUT));
    Some(Arc::new(Check { kind, interval, timeout, rise: raw.rise.or(1), fall: raw.fall.or(2), port }))
}

/// The check of one server: its own, none, or that of the upstream.
pub(super) fn of_server(
    raw: Field<raw::check::ServerCheck>,
    of_upstream: Option<&Arc<Check>>,
    tls: bool,
    findings: &Findings,
) -> Option<Arc<Check>> {
    match raw.set().map(|at| at.value) {
        None => of_upstream.map(Arc::clone),
        Some(raw::check::ServerCheck::Off) => None,
        Some(raw::check::ServerCheck::Own(own)) => check(*own, tls, findings),
    }
}

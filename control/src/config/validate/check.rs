//! Checks of services and upstreams.

use std::sync::Arc;
use std::time::Duration;

use headgate_l7::config::Server;
use headgate_l7::tls::Connector;

use super::proxy::tls;
use crate::config::error::{Advice, Findings, Place};
use crate::config::raw;
use crate::config::raw::check::CheckWord;
use crate::config::reader::Field;
use crate::health::check::{Check, Exec, Http, Kind, Record};
use crate::program::Command;

const INTERVAL: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(1);
const HELO: &str = "localhost";

/// How servers are spoken to, and checks of them that use HTTP too.
#[derive(Default)]
pub(super) struct Speech {
    pub tls: Option<Connector>,
    pub http2: bool,
}

/// The checks of a section, as they are written and as they are.
pub(super) type Written = Vec<(raw::check::Check, Option<Arc<Check>>)>;

pub(super) fn checks(raw: Field<Vec<raw::check::Check>>, speech: &Speech, findings: &Findings) -> Written {
    let list = raw.set().map_or_else(Vec::new, |at| at.value);
    list.into_iter().map(|raw| (raw.clone(), check(raw.clone(), &raw, speech, findings))).collect()
}

/// The checks of one server: its own, none, or those around it. One of its own has the keys of one around it where it has none.
pub(super) fn of_server(
    raw: Field<raw::check::ServerCheck>,
    around: &Written,
    speech: &Speech,
    findings: &Findings,
) -> Vec<Arc<Check>> {
    let own = match raw.set().map(|at| at.value) {
        None => return around.iter().filter_map(|(_, check)| check.clone()).collect(),
        Some(raw::check::ServerCheck::Off) => Vec::new(),
        Some(raw::check::ServerCheck::Own(own)) => own,
    };
    let base = if let ([_], [(base, _)]) = (&own[..], &around[..]) { Some(base) } else { None };
    let whole = |own: &raw::check::Check| base.map_or_else(|| own.clone(), |base| own.clone().over(base));
    own.iter().filter_map(|own| check(whole(own), own, speech, findings)).collect()
}

/// `own`: what is written here of it.
fn check(raw: raw::check::Check, own: &raw::check::Check, speech: &Speech, findings: &Findings) -> Option<Arc<Check>> {
    let word = raw.kind.clone().required("how to check: a word such as \"tcp\" or \"http\"", findings)?.value;
    ignored(own, word, findings);
    let port = raw.port.clone().set().map(|at| at.value);
    let (interval, timeout) = (raw.interval.clone().or(INTERVAL), raw.timeout.clone().or(TIMEOUT));
    let (rise, fall, starts_up) = (raw.rise.clone().or(1), raw.fall.clone().or(2), raw.start.clone().or(true));
    let delay_before_retry = raw.delay_before_retry.clone().set().map(|at| at.value);
    let kind = kind(word, raw, speech, findings)?;
    Some(Arc::new(Check { kind, interval, timeout, rise, fall, delay_before_retry, port, starts_up }))
}

fn kind(word: CheckWord, raw: raw::check::Check, speech: &Speech, findings: &Findings) -> Option<Kind> {
    Some(match word {
        CheckWord::Tcp => Kind::Tcp,
        CheckWord::Http | CheckWord::Https => {
            // What listens at another port is another thing.
            let speech = Some(speech).filter(|_| raw.port.is_absent());
            let of_requests = speech.and_then(|speech| speech.tls.clone());
            let tls = match raw.tls {
                Some(own) if word == CheckWord::Https => Some(tls::connector(own, false, findings)?),
                None if word == CheckWord::Https && of_requests.is_none() => Some(tls::plain(&raw.place, findings)?),
                _ => of_requests,
            };
            Kind::Http(Box::new(Http {
                method: raw.method.or("GET".to_owned()),
                path: raw.path.or("/".to_owned()),
                host: raw.host.set().map(|at| at.value),
                status: raw.status.or(vec![200..=299]),
                body: raw.body.set().map(|at| at.value),
                digest: raw.digest.set().map(|at| at.value),
                found_by: None,
                tls,
                http2: speech.is_some_and(|speech| speech.http2),
            }))
        }
        CheckWord::Smtp => Kind::Smtp { helo: raw.helo.or(HELO.to_owned()) },
        CheckWord::Dns => Kind::Dns { name: raw.name.or(".".to_owned()), record: raw.record.or(Record::Soa) },
        CheckWord::Udp => Kind::Udp { payload: raw.payload.or(Vec::new()), reply: raw.reply.set().map(|at| at.value) },
        CheckWord::Ping => Kind::Ping,
        CheckWord::Exec => {
            let words = raw.command.required("a program such as \"/etc/headgate/check.sh -v\"", findings)?.value;
            let command = Command { words, user: raw.user.set().map(|at| at.value) };
            Kind::Exec(Exec { command, dynamic_weight: raw.dynamic_weight.or(false) })
        }
    })
}

/// Keys that have a meaning for other types only.
fn ignored(own: &raw::check::Check, word: CheckWord, findings: &Findings) {
    use CheckWord::{Dns, Exec, Http, Https, Ping, Smtp, Udp};
    type Only = (&'static [CheckWord], &'static str);
    const HTTP: Only = (&[Http, Https], "type = \"http\" or \"https\"");
    const EXEC: Only = (&[Exec], "type = \"exec\"");
    const DNS: Only = (&[Dns], "type = \"dns\"");
    const UDP: Only = (&[Udp], "type = \"udp\"");
    let keys: [(Option<&Place>, Only); 14] = [
        (own.method.place(), HTTP),
        (own.path.place(), HTTP),
        (own.host.place(), HTTP),
        (own.status.place(), HTTP),
        (own.body.place(), HTTP),
        (own.digest.place(), HTTP),
        (own.tls.as_ref().map(|tls| &tls.place), (&[Https], "type = \"https\"")),
        (own.helo.place(), (&[Smtp], "type = \"smtp\"")),
        (own.name.place(), DNS),
        (own.record.place(), DNS),
        (own.payload.place(), UDP),
        (own.reply.place(), UDP),
        (own.user.place().or(own.dynamic_weight.place()), EXEC),
        (own.command.place(), EXEC),
    ];
    for (place, (words, only)) in keys {
        if let Some(place) = place.filter(|_| !words.contains(&word)) {
            findings.warning(place, Advice::OnlyFor(only));
        }
    }
    if let Some(place) = own.port.place().filter(|_| word == Ping) {
        findings.warning(place, Advice::OnlyFor("a check by another type than \"ping\""));
    }
}

/// Checks of a server with a host name: it is asked for by that name, whatever its address.
pub(super) fn of_name(checks: Vec<Arc<Check>>, server: &Server) -> Vec<Arc<Check>> {
    let named = |check: Arc<Check>| match (&check.kind, &server.host) {
        (Kind::Http(http), Some(host)) => {
            let asked_for = http.host.clone().or_else(|| Some(server.name.clone()));
            let http = Http { host: asked_for, found_by: Some(host.clone()), ..(**http).clone() };
            Arc::new(Check { kind: Kind::Http(Box::new(http)), ..(*check).clone() })
        }
        _ => check,
    };
    checks.into_iter().map(named).collect()
}

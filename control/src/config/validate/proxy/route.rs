//! Routes.

use std::sync::Arc;
use std::time::Duration;

use headgate_l7::config::{Action, Conditions, ErrorPages, Forward, Host, Path, Protocol, Route, Timeouts, label};
use headgate_l7::log::AccessLog;

use super::Known;
use super::files::{error_pages, files};
use super::log::access_log;
use crate::config::error::{Advice, Findings, Problem};
use crate::config::raw::{self, HeaderEdits};
use crate::config::reader::Field;
use crate::config::validate::Unique;

const REDIRECT: u16 = 302;
/// Connections of any protocol may well be silent for a while.
const TCP_SILENCE: Duration = Duration::from_mins(10);

pub(super) fn route(
    raw: raw::Route,
    protocol: Protocol,
    known: &mut Known,
    seen: &mut Unique<String>,
    (outer, outer_log): (&ErrorPages, Option<&Arc<AccessLog>>),
    findings: &Findings,
) -> Option<Route> {
    let known_match = !matches!(raw.host, Field::Invalid) && !matches!(raw.path, Field::Invalid);
    let host = raw.host.or(Host::Any);
    let path = raw.path.or(Path::Prefix("/".to_owned()));
    let conditions = Conditions {
        methods: raw.methods.or(Vec::new()).into_iter().map(|at| at.value).collect(),
        fields: raw.headers.or(Vec::new()),
    };
    if known_match {
        seen.insert(&label(&host, &path, &conditions), &raw.place, findings);
    }
    let proxied = !matches!(raw.upstream, Field::Absent(_));
    let redirected = !matches!(raw.redirect, Field::Absent(_));
    let served = !matches!(raw.files.root, Field::Absent(_));
    let ways = [proxied, raw.respond.is_some(), redirected, served].iter().filter(|way| **way).count();
    if ways != 1 {
        findings.error(&raw.place, Problem::RouteWays);
    }
    if let Some(timeouts) = raw.timeouts.as_ref().filter(|_| !proxied) {
        findings.warning(&timeouts.place, Advice::NotProxied);
    }
    if !proxied && (raw.request_headers.is_some() || matches!(raw.rewrite, Field::Set(_))) {
        findings.warning(&raw.place, Advice::EditsNotProxied);
    }
    if let Some(place) = raw.timeouts.as_ref().and_then(|timeouts| timeouts.send.place())
        && protocol == Protocol::Tcp
    {
        findings.warning(place, Advice::OnlyFor("protocol = \"http\""));
    }
    let default = match protocol {
        Protocol::Http => Timeouts::default(),
        Protocol::Tcp => Timeouts { read: TCP_SILENCE, ..Timeouts::default() },
    };
    let timeouts = raw.timeouts.map_or(default, |raw| Timeouts {
        connect: raw.connect.or(default.connect),
        send: raw.send.or(default.send),
        read: raw.read.or(default.read),
    });
    let (request_buffering, websocket) = (raw.request_buffering.or(true), raw.websocket.or(true));
    let upstream = raw.upstream.set().and_then(|at| known.find(&at, protocol, findings));
    let respond = raw.respond.map(|respond| (respond.status.required("a status such as 403", findings), respond.body));
    let redirect = raw.redirect.set().map(|at| {
        (at.value.location.required("a location such as \"https://$host$request_uri\"", findings), at.value.status)
    });
    let error_pages = error_pages(raw.error_pages, findings).within(outer);
    let access_log = access_log(raw.access_log, outer_log, findings);
    let files = files(raw.files, findings);
    let action = if let Some(files) = files {
        Action::Files(files)
    } else if let Some(upstream) = upstream {
        let HeaderEdits { edits: request_headers, host } = raw.request_headers.unwrap_or_default();
        let rewrite = raw.rewrite.set().map(|at| at.value);
        Action::Proxy(Forward { upstream, timeouts, request_buffering, websocket, rewrite, host, request_headers })
    } else if let Some((status, body)) = respond {
        Action::Respond { status: status?.value, body: body.or(String::new()) }
    } else {
        let (location, status) = redirect?;
        Action::Redirect { status: status.or(REDIRECT), location: location?.value }
    };
    let response_headers = raw.response_headers.edits;
    Some(Route { host, path, conditions, action, error_pages, response_headers, access_log })
}

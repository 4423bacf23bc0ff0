//! Routes.

use headgate_l7::config::{Action, ErrorPages, Forward, Host, Path, Route, Timeouts};

use super::Known;
use super::files::{error_pages, files};
use crate::config::error::{Advice, Findings, Problem};
use crate::config::raw;
use crate::config::reader::Field;
use crate::config::text;
use crate::config::validate::Unique;

const REDIRECT: u16 = 302;

pub(super) fn route(
    raw: raw::Route,
    known: &mut Known,
    seen: &mut Unique<String>,
    outer: &ErrorPages,
    findings: &Findings,
) -> Option<Route> {
    let known_match = !matches!(raw.host, Field::Invalid) && !matches!(raw.path, Field::Invalid);
    let host = raw.host.or(Host::Any);
    let path = raw.path.or(Path::Prefix("/".to_owned()));
    if known_match {
        seen.insert(&text::show_match(&host, &path), &raw.place, findings);
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
    let error_pages = error_pages(raw.error_pages, findings).within(outer);
    let files = files(raw.files, findings);
    let action = if let Some(files) = files {
        Action::Files(files)
    } else if let Some(upstream) = upstream {
        Action::Proxy(Forward { upstream, timeouts, request_buffering, websocket })
    } else if let Some((status, body)) = respond {
        Action::Respond { status: status?.value, body: body.or(String::new()) }
    } else {
        let (location, status) = redirect?;
        Action::Redirect { status: status.or(REDIRECT), location: location?.value }
    };
    Some(Route { host, path, action, error_pages })
}

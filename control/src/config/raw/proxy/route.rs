//! `[[listener.route]]` and what stands in it.

use std::time::Duration;

use headgate_l7::config::{FieldMatch, Host, Path, Rewrite, Template};

use super::TIMEOUT;
use super::edits::{EDITS, HeaderEdits, conditions};
use super::files::{ErrorPages, Files, error_pages};
use super::log::{AccessLog, access_log};
use crate::config::error::{Place, Problem};
use crate::config::reader::{At, Field, Keys, Section, Value};
use crate::config::text;

pub(in crate::config) static ROUTE: Keys = Keys {
    supported: &[
        "host",
        "path",
        "methods",
        "headers",
        "upstream",
        "respond",
        "redirect",
        "timeouts",
        "request_buffering",
        "websocket",
        "rewrite",
        "request_headers",
        "response_headers",
        "root",
        "index",
        "follow_symlinks",
        "precompressed",
        "error_pages",
        "access_log",
    ],
    later: &[],
};
pub(in crate::config) static RESPOND: Keys = Keys { supported: &["status", "body"], later: &[] };
pub(in crate::config) static REDIRECT: Keys = Keys { supported: &["location", "status"], later: &[] };
pub(in crate::config) static ROUTE_TIMEOUTS: Keys = Keys { supported: &["connect", "send", "read"], later: &[] };

/// What is left of them where the listener has protocol = "tcp".
const TCP: [&str; 3] = ["host", "upstream", "timeouts"];

pub(in crate::config) struct Route {
    pub place: Place,
    pub host: Field<Host>,
    pub path: Field<Path>,
    pub methods: Field<Vec<At<String>>>,
    pub headers: Field<Vec<(String, FieldMatch)>>,
    pub upstream: Field<String>,
    pub respond: Option<Respond>,
    pub redirect: Field<Redirect>,
    pub timeouts: Option<RouteTimeouts>,
    pub request_buffering: Field<bool>,
    pub websocket: Field<bool>,
    pub rewrite: Field<Rewrite>,
    pub request_headers: Option<HeaderEdits>,
    pub response_headers: HeaderEdits,
    pub files: Files,
    pub error_pages: ErrorPages,
    pub access_log: Field<Option<AccessLog>>,
    /// A key that only HTTP knows.
    pub of_http: Option<Place>,
}

pub(in crate::config) struct Respond {
    pub status: Field<u16>,
    pub body: Field<String>,
}

pub(in crate::config) struct Redirect {
    pub location: Field<Template>,
    pub status: Field<u16>,
}

pub(in crate::config) struct RouteTimeouts {
    pub place: Place,
    pub connect: Field<Duration>,
    pub send: Field<Duration>,
    pub read: Field<Duration>,
}

impl Route {
    pub fn read(section: &Section<'_, '_>) -> Self {
        Self {
            place: section.place().clone(),
            host: section.field("host", |v| v.parse("a host, \"*.example.org\" or \"~ pattern\"", text::host)),
            path: section
                .field("path", |v| v.parse("a path such as \"/\", \"= /exact\" or \"~ pattern\"", text::route_path)),
            methods: section.field("methods", |v| v.list("an array of methods", |v| v.parse("a method", text::method))),
            headers: section.field("headers", conditions),
            upstream: section.field("upstream", |v| v.parse("the name of an upstream", text::name)),
            respond: section.section("respond", &RESPOND).map(|s| Respond {
                status: s.field("status", |v| v.integer(200..=599, "")),
                body: s.field("body", |v| v.string("a text").map(str::to_owned)),
            }),
            redirect: section.field("redirect", redirect),
            timeouts: section.section("timeouts", &ROUTE_TIMEOUTS).map(|s| RouteTimeouts {
                place: s.place().clone(),
                connect: s.field("connect", |v| v.duration(TIMEOUT)),
                send: s.field("send", |v| v.duration(TIMEOUT)),
                read: s.field("read", |v| v.duration(TIMEOUT)),
            }),
            request_buffering: section.field("request_buffering", Value::boolean),
            websocket: section.field("websocket", Value::boolean),
            rewrite: section.field("rewrite", |v| v.parse("a path such as \"/new/\"", text::rewrite)),
            request_headers: section.section("request_headers", &EDITS).map(|s| HeaderEdits::read(&s, true)),
            response_headers: section
                .section("response_headers", &EDITS)
                .map_or_else(HeaderEdits::default, |s| HeaderEdits::read(&s, false)),
            files: Files::read(section),
            error_pages: error_pages(section),
            access_log: access_log(section),
            of_http: section.beyond(&TCP),
        }
    }
}

/// A location, or a table with it and a status.
fn redirect(value: &Value<'_, '_>) -> Option<Redirect> {
    let location = |v: &Value<'_, '_>| v.parse("a location such as \"https://$host$request_uri\"", text::location);
    if value.is_string() {
        let location = Field::Set(At { value: location(value)?, place: value.place().clone() });
        return Some(Redirect { location, status: Field::Absent(value.place().clone()) });
    }
    let section = value.section(&REDIRECT)?;
    let status = |v: &Value<'_, '_>| {
        let status = v.integer(300..=399, "")?;
        // 304 and the like are no redirects (RFC 9110 section 15.4).
        if matches!(status, 301 | 302 | 303 | 307 | 308) {
            return Some(status);
        }
        v.refuse(Problem::NotOneOf {
            value: status.to_string(),
            allowed: vec!["301", "302", "303", "307", "308"],
            nearest: None,
        })
    };
    Some(Redirect { location: section.field("location", location), status: section.field("status", status) })
}

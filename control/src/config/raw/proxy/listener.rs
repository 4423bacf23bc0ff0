//! `[[listener]]` and what stands in it, but for its routes.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use headgate_l7::config::{Protocol, Style, Underscores};

use super::TIMEOUT;
use super::files::{ErrorPages, error_pages};
use super::log::{AccessLog, access_log};
use super::route::{ROUTE, Route};
use super::tls::{LISTENER_TLS, ListenerTls};
use crate::config::error::Place;
use crate::config::reader::{At, Field, Keys, Section, Value};
use crate::config::text;

pub(in crate::config) static LISTENER: Keys = Keys {
    supported: &[
        "name",
        "protocol",
        "address",
        "tls",
        "http2",
        "proxy_protocol",
        "trusted_proxies",
        "forwarded",
        "underscores",
        "limits",
        "error_pages",
        "access_log",
        "route",
    ],
    later: &[],
};
pub(in crate::config) static LIMITS: Keys = Keys {
    supported: &[
        "request_line",
        "head",
        "fields",
        "body",
        "body_in_memory",
        "head_timeout",
        "body_timeout",
        "body_rate",
        "send_timeout",
        "keep_alive",
    ],
    later: &[],
};

/// What is left of them where protocol = "tcp".
const TCP: [&str; 7] = ["name", "protocol", "address", "tls", "proxy_protocol", "limits", "route"];
const TCP_LIMITS: [&str; 1] = ["head_timeout"];

/// Every HTTP server takes lines of 8000 bytes (RFC 9112 section 3); a line is held in memory.
const LINE: RangeInclusive<u64> = 1 << 10..=1 << 20;
const BODY: RangeInclusive<u64> = 0..=1 << 50;

const STYLES: [(&str, Option<Style>); 3] =
    [("x-forwarded", Some(Style::XForwarded)), ("rfc7239", Some(Style::Forwarded)), ("both", Some(Style::Both))];
const UNDERSCORES: [(&str, Option<Underscores>); 3] =
    [("drop", Some(Underscores::Drop)), ("pass", Some(Underscores::Pass)), ("refuse", Some(Underscores::Refuse))];

pub(in crate::config) struct Listener {
    pub place: Place,
    pub name: Field<String>,
    pub protocol: Field<Protocol>,
    pub addresses: Field<Vec<At<SocketAddr>>>,
    pub tls: Option<ListenerTls>,
    /// Without TLS.
    pub http2: Field<bool>,
    pub proxy_protocol: Field<bool>,
    pub trusted_proxies: Field<Vec<At<(IpAddr, u8)>>>,
    pub forwarded: Field<Style>,
    pub underscores: Field<Underscores>,
    pub limits: Option<Limits>,
    pub error_pages: ErrorPages,
    pub access_log: Field<Option<AccessLog>>,
    pub routes: Vec<Route>,
    /// A key that only HTTP knows.
    pub of_http: Option<Place>,
}

pub(in crate::config) struct Limits {
    pub request_line: Field<u64>,
    pub head: Field<u64>,
    pub fields: Field<u32>,
    pub body: Field<u64>,
    pub body_in_memory: Field<u64>,
    pub head_timeout: Field<Duration>,
    pub body_timeout: Field<Duration>,
    pub body_rate: Field<u64>,
    pub send_timeout: Field<Duration>,
    pub keep_alive: Field<Duration>,
    /// A key that only HTTP knows.
    pub of_http: Option<Place>,
}

impl Listener {
    pub fn read(section: &Section<'_, '_>) -> Self {
        let address = |v: &Value<'_, '_>| v.parse("an address with port", text::listen_address);
        let network = |v: &Value<'_, '_>| v.parse("a network", text::network);
        Self {
            place: section.place().clone(),
            name: section.field("name", |v| v.parse("a name", text::name)),
            protocol: section
                .field("protocol", |v| v.choice(&[("http", Some(Protocol::Http)), ("tcp", Some(Protocol::Tcp))])),
            addresses: section.field("address", |v| v.list("an array of addresses such as [\"0.0.0.0:80\"]", address)),
            tls: section.section("tls", &LISTENER_TLS).map(|s| ListenerTls::read(&s)),
            http2: section.field("http2", Value::boolean),
            proxy_protocol: section.field("proxy_protocol", Value::boolean),
            trusted_proxies: section
                .field("trusted_proxies", |v| v.list("an array of networks such as [\"10.0.0.0/8\"]", network)),
            forwarded: section.field("forwarded", |v| v.choice(&STYLES)),
            underscores: section.field("underscores", |v| v.choice(&UNDERSCORES)),
            limits: section.section("limits", &LIMITS).map(|s| Limits::read(&s)),
            error_pages: error_pages(section),
            access_log: access_log(section),
            routes: section.sections("route", &ROUTE).iter().map(Route::read).collect(),
            of_http: section.beyond(&TCP),
        }
    }
}

impl Limits {
    fn read(section: &Section<'_, '_>) -> Self {
        let timeout = |key| section.field(key, |v| v.duration(TIMEOUT));
        let size = |key, range: RangeInclusive<u64>| section.field(key, |v| v.size(range));
        Self {
            request_line: size("request_line", LINE),
            head: size("head", LINE),
            fields: section.field("fields", |v| v.integer(1..=FIELDS_MAX, "fields")),
            body: size("body", BODY),
            body_in_memory: size("body_in_memory", 0..=1 << 30),
            head_timeout: timeout("head_timeout"),
            body_timeout: timeout("body_timeout"),
            body_rate: size("body_rate", 0..=1 << 30),
            send_timeout: timeout("send_timeout"),
            keep_alive: timeout("keep_alive"),
            of_http: section.beyond(&TCP_LIMITS),
        }
    }
}

const FIELDS_MAX: u32 = headgate_l7::http1::request::FIELDS_MAX as u32;

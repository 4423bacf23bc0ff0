//! `[[listener]]` and what stands in it, but for its routes.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::TIMEOUT;
use super::files::{ErrorPages, error_pages};
use super::log::{AccessLog, access_log};
use super::route::{ROUTE, Route};
use super::tls::{LISTENER_TLS, ListenerTls};
use crate::config::error::Place;
use crate::config::reader::{At, Field, Keys, Section, Value};
use crate::config::text;

pub(in crate::config) static LISTENER: Keys = Keys {
    supported: &["name", "address", "tls", "http2", "proxy_protocol", "limits", "error_pages", "access_log", "route"],
    later: &["protocol"],
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
        "send_timeout",
        "keep_alive",
    ],
    later: &[],
};

/// Every HTTP server takes lines of 8000 bytes (RFC 9112 section 3); a line is held in memory.
const LINE: RangeInclusive<u64> = 1 << 10..=1 << 20;
const BODY: RangeInclusive<u64> = 0..=1 << 50;

pub(in crate::config) struct Listener {
    pub place: Place,
    pub name: Field<String>,
    pub addresses: Field<Vec<At<SocketAddr>>>,
    pub tls: Option<ListenerTls>,
    /// Without TLS.
    pub http2: Field<bool>,
    pub proxy_protocol: Field<bool>,
    pub limits: Option<Limits>,
    pub error_pages: ErrorPages,
    pub access_log: Field<Option<AccessLog>>,
    pub routes: Vec<Route>,
}

pub(in crate::config) struct Limits {
    pub request_line: Field<u64>,
    pub head: Field<u64>,
    pub fields: Field<u32>,
    pub body: Field<u64>,
    pub body_in_memory: Field<u64>,
    pub head_timeout: Field<Duration>,
    pub body_timeout: Field<Duration>,
    pub send_timeout: Field<Duration>,
    pub keep_alive: Field<Duration>,
}

impl Listener {
    pub fn read(section: &Section<'_, '_>) -> Self {
        let address = |v: &Value<'_, '_>| v.parse("an address with port", text::listen_address);
        Self {
            place: section.place().clone(),
            name: section.field("name", |v| v.parse("a name", text::name)),
            addresses: section.field("address", |v| v.list("an array of addresses such as [\"0.0.0.0:80\"]", address)),
            tls: section.section("tls", &LISTENER_TLS).map(|s| ListenerTls::read(&s)),
            http2: section.field("http2", Value::boolean),
            proxy_protocol: section.field("proxy_protocol", Value::boolean),
            limits: section.section("limits", &LIMITS).map(|s| Limits::read(&s)),
            error_pages: error_pages(section),
            access_log: access_log(section),
            routes: section.sections("route", &ROUTE).iter().map(Route::read).collect(),
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
            send_timeout: timeout("send_timeout"),
            keep_alive: timeout("keep_alive"),
        }
    }
}

const FIELDS_MAX: u32 = headgate_l7::http1::request::FIELDS_MAX as u32;

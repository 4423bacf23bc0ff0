//! `[proxy]`, `[[upstream]]`, `[[listener]]` and what stands in them.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::ops::RangeInclusive;
use std::time::Duration;

use headgate_l7::config::{Host, Path};

use super::dataplane::{Workers, workers};
use crate::config::error::{Place, Problem};
use crate::config::model::{BalanceWord, HashWord, RetryOn};
use crate::config::reader::{At, Field, Keys, Section, Value};
use crate::config::text;

pub(in crate::config) static PROXY: Keys = Keys { supported: &["workers"], later: &[] };
pub(in crate::config) static UPSTREAM: Keys =
    Keys { supported: &["name", "balance", "hash", "keepalive", "retry", "server"], later: &["check"] };
pub(in crate::config) static HASH: Keys = Keys { supported: &["key", "consistent"], later: &[] };
pub(in crate::config) static RETRY: Keys =
    Keys { supported: &["on", "tries", "timeout", "non_idempotent"], later: &[] };
pub(in crate::config) static UPSTREAM_SERVER: Keys = Keys {
    supported: &["address", "weight", "max_fails", "fail_timeout", "backup", "down", "max_connections"],
    later: &["check"],
};
pub(in crate::config) static LISTENER: Keys =
    Keys { supported: &["name", "address", "limits", "route"], later: &["tls", "proxy_protocol", "protocol"] };
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
pub(in crate::config) static ROUTE: Keys = Keys {
    supported: &["host", "path", "upstream", "respond", "redirect", "timeouts", "request_buffering", "websocket"],
    later: &["root"],
};
pub(in crate::config) static RESPOND: Keys = Keys { supported: &["status", "body"], later: &[] };
pub(in crate::config) static REDIRECT: Keys = Keys { supported: &["location", "status"], later: &[] };
pub(in crate::config) static ROUTE_TIMEOUTS: Keys = Keys { supported: &["connect", "send", "read"], later: &[] };

/// A server of weight 10000 has 1.6 million points on the ring of a consistent hash.
const WEIGHT: RangeInclusive<u32> = 1..=10_000;
const COUNT: RangeInclusive<u32> = 0..=1_000_000;
const FAIL_TIMEOUT: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(24);
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(24);
/// Every HTTP server takes lines of 8000 bytes (RFC 9112 section 3); a line is held in memory.
const LINE: RangeInclusive<u64> = 1 << 10..=1 << 20;
const BODY: RangeInclusive<u64> = 0..=1 << 50;

pub(in crate::config) struct Proxy {
    pub workers: Field<Workers>,
}

pub(in crate::config) struct Upstream {
    pub place: Place,
    pub name: Field<String>,
    pub balance: Field<BalanceWord>,
    pub hash: Option<Hash>,
    pub keepalive: Field<u32>,
    pub retry: Option<Retry>,
    pub servers: Vec<UpstreamServer>,
}

pub(in crate::config) struct Hash {
    pub place: Place,
    pub key: Field<HashWord>,
    pub consistent: Field<bool>,
}

pub(in crate::config) struct Retry {
    pub on: Field<Vec<At<RetryOn>>>,
    pub tries: Field<u32>,
    pub timeout: Field<Duration>,
    pub non_idempotent: Field<bool>,
}

pub(in crate::config) struct UpstreamServer {
    /// As written, and what it means.
    pub address: Field<(String, IpAddr, Option<NonZeroU16>)>,
    pub weight: Field<u32>,
    pub max_fails: Field<u32>,
    pub fail_timeout: Field<Duration>,
    pub backup: Field<bool>,
    pub down: Field<bool>,
    pub max_connections: Field<u32>,
}

pub(in crate::config) struct Listener {
    pub place: Place,
    pub name: Field<String>,
    pub addresses: Field<Vec<At<SocketAddr>>>,
    pub limits: Option<Limits>,
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

pub(in crate::config) struct Route {
    pub place: Place,
    pub host: Field<Host>,
    pub path: Field<Path>,
    pub upstream: Field<String>,
    pub respond: Option<Respond>,
    pub redirect: Field<Redirect>,
    pub timeouts: Option<RouteTimeouts>,
    pub request_buffering: Field<bool>,
    pub websocket: Field<bool>,
}

pub(in crate::config) struct Respond {
    pub status: Field<u16>,
    pub body: Field<String>,
}

pub(in crate::config) struct Redirect {
    pub location: Field<String>,
    pub status: Field<u16>,
}

pub(in crate::config) struct RouteTimeouts {
    pub place: Place,
    pub connect: Field<Duration>,
    pub send: Field<Duration>,
    pub read: Field<Duration>,
}

impl Proxy {
    pub fn read(section: &Section<'_, '_>) -> Self {
        Self { workers: section.field("workers", workers) }
    }
}

impl Upstream {
    pub fn read(section: &Section<'_, '_>) -> Self {
        Self {
            place: section.place().clone(),
            name: section.field("name", |v| v.parse("a name", text::name)),
            balance: section.field("balance", |v| v.choice(&BalanceWord::WORDS)),
            hash: section.section("hash", &HASH).map(|s| Hash {
                place: s.place().clone(),
                key: s.field("key", |v| v.choice(&HashWord::WORDS)),
                consistent: s.field("consistent", Value::boolean),
            }),
            keepalive: section.field("keepalive", |v| v.integer(COUNT, "connections")),
            retry: section.section("retry", &RETRY).map(|s| Retry {
                on: s.field("on", |v| v.list("an array of conditions", |v| v.choice(&RetryOn::WORDS))),
                tries: s.field("tries", |v| v.integer(COUNT, "")),
                timeout: s.field("timeout", |v| v.duration(FAIL_TIMEOUT)),
                non_idempotent: s.field("non_idempotent", Value::boolean),
            }),
            servers: section.sections("server", &UPSTREAM_SERVER).iter().map(UpstreamServer::read).collect(),
        }
    }
}

impl UpstreamServer {
    fn read(section: &Section<'_, '_>) -> Self {
        let address = |text: &str| text::server_address(text).map(|(ip, port)| (text.to_owned(), ip, port));
        Self {
            address: section.field("address", |v| v.parse("a server address", address)),
            weight: section.field("weight", |v| v.integer(WEIGHT, "")),
            max_fails: section.field("max_fails", |v| v.integer(COUNT, "")),
            fail_timeout: section.field("fail_timeout", |v| v.duration(FAIL_TIMEOUT)),
            backup: section.field("backup", Value::boolean),
            down: section.field("down", Value::boolean),
            max_connections: section.field("max_connections", |v| v.integer(COUNT, "connections")),
        }
    }
}

impl Listener {
    pub fn read(section: &Section<'_, '_>) -> Self {
        let address = |v: &Value<'_, '_>| v.parse("an address with port", text::listen_address);
        Self {
            place: section.place().clone(),
            name: section.field("name", |v| v.parse("a name", text::name)),
            addresses: section.field("address", |v| v.list("an array of addresses such as [\"0.0.0.0:80\"]", address)),
            limits: section.section("limits", &LIMITS).map(|s| Limits::read(&s)),
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

impl Route {
    fn read(section: &Section<'_, '_>) -> Self {
        Self {
            place: section.place().clone(),
            host: section.field("host", |v| v.parse("a host, \"*.example.org\" or \"~ pattern\"", text::host)),
            path: section
                .field("path", |v| v.parse("a path such as \"/\", \"= /exact\" or \"~ pattern\"", text::route_path)),
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

//! `[[upstream]]` and what stands in it.

use std::num::NonZeroU16;
use std::ops::RangeInclusive;
use std::time::Duration;

use headgate_l7::config::ProxyVersion;

use super::TIMEOUT;
use super::sticky::{STICKY, Sticky};
use super::tls::{UPSTREAM_TLS, UpstreamTls};
use crate::config::error::Place;
use crate::config::model::{BalanceWord, HashWord, RetryOn};
use crate::config::raw::check::{Check, ServerCheck};
use crate::config::reader::{At, Field, Keys, Section, Value};
use crate::config::text;

pub(in crate::config) static UPSTREAM: Keys = Keys {
    supported: &[
        "name",
        "balance",
        "hash",
        "keepalive",
        "retry",
        "tls",
        "http2",
        "send_proxy",
        "sticky",
        "queue",
        "backup_below",
        "resolve_interval",
        "check",
        "server",
    ],
    later: &[],
};
pub(in crate::config) static HASH: Keys = Keys { supported: &["key", "consistent"], later: &[] };
pub(in crate::config) static QUEUE: Keys = Keys { supported: &["size", "timeout"], later: &[] };
pub(in crate::config) static RETRY: Keys =
    Keys { supported: &["on", "tries", "timeout", "non_idempotent"], later: &[] };
pub(in crate::config) static UPSTREAM_SERVER: Keys = Keys {
    supported: &[
        "address",
        "weight",
        "max_fails",
        "fail_timeout",
        "backup",
        "down",
        "max_connections",
        "slow_start",
        "check",
    ],
    later: &[],
};

/// A server of weight 10000 has 1.6 million points on the ring of a consistent hash.
const WEIGHT: RangeInclusive<u32> = 1..=10_000;
const COUNT: RangeInclusive<u32> = 0..=1_000_000;
const RESOLVE_INTERVAL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);
const FAIL_TIMEOUT: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(24);

pub(in crate::config) struct Upstream {
    pub place: Place,
    pub name: Field<String>,
    pub balance: Field<BalanceWord>,
    pub hash: Option<Hash>,
    pub keepalive: Field<u32>,
    pub retry: Option<Retry>,
    pub tls: Option<UpstreamTls>,
    pub http2: Field<bool>,
    pub send_proxy: Field<ProxyVersion>,
    pub sticky: Option<Sticky>,
    pub queue: Option<Queue>,
    pub backup_below: Field<u32>,
    pub resolve_interval: Field<Duration>,
    pub checks: Field<Vec<Check>>,
    pub servers: Vec<UpstreamServer>,
}

pub(in crate::config) struct Queue {
    pub size: Field<u32>,
    pub timeout: Field<Duration>,
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
    pub address: Field<(String, text::Server, Option<NonZeroU16>)>,
    pub weight: Field<u32>,
    pub max_fails: Field<u32>,
    pub fail_timeout: Field<Duration>,
    pub backup: Field<bool>,
    pub down: Field<bool>,
    pub max_connections: Field<u32>,
    pub slow_start: Field<Duration>,
    pub check: Field<ServerCheck>,
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
            tls: section.section("tls", &UPSTREAM_TLS).map(|s| UpstreamTls::read(&s)),
            http2: section.field("http2", Value::boolean),
            send_proxy: section
                .field("send_proxy", |v| v.choice(&[("v1", Some(ProxyVersion::V1)), ("v2", Some(ProxyVersion::V2))])),
            sticky: section.section("sticky", &STICKY).map(|s| Sticky::read(&s)),
            queue: section.section("queue", &QUEUE).map(|s| Queue {
                size: s.field("size", |v| v.integer(1..=1_000_000, "requests")),
                timeout: s.field("timeout", |v| v.duration(TIMEOUT)),
            }),
            backup_below: section.field("backup_below", |v| v.integer(COUNT, "servers")),
            resolve_interval: section.field("resolve_interval", |v| v.duration(RESOLVE_INTERVAL)),
            checks: section.field("check", |v| Some(Check::list(v))),
            servers: section.sections("server", &UPSTREAM_SERVER).iter().map(UpstreamServer::read).collect(),
        }
    }
}

impl UpstreamServer {
    fn read(section: &Section<'_, '_>) -> Self {
        let address = |text: &str| text::upstream_address(text).map(|(host, port)| (text.to_owned(), host, port));
        Self {
            address: section.field("address", |v| v.parse("a server address", address)),
            weight: section.field("weight", |v| v.integer(WEIGHT, "")),
            max_fails: section.field("max_fails", |v| v.integer(COUNT, "")),
            fail_timeout: section.field("fail_timeout", |v| v.duration(FAIL_TIMEOUT)),
            backup: section.field("backup", Value::boolean),
            down: section.field("down", Value::boolean),
            max_connections: section.field("max_connections", |v| v.integer(COUNT, "connections")),
            slow_start: section.field("slow_start", |v| v.duration(FAIL_TIMEOUT)),
            check: section.field("check", ServerCheck::read),
        }
    }
}

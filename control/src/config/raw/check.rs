//! `check` of a service or an upstream, and of their servers.

use std::ops::RangeInclusive;
use std::time::Duration;

use headgate_l7::config::Pattern;

use super::proxy::tls::{UPSTREAM_TLS, UpstreamTls};
use super::track;
use crate::config::error::{Place, Problem};
use crate::config::reader::{Field, Keys, Section, Value};
use crate::config::text;
use crate::health::check::Record;

pub(in crate::config) static CHECK: Keys = Keys {
    supported: &[
        "type",
        "interval",
        "timeout",
        "rise",
        "fall",
        "delay_before_retry",
        "start",
        "port",
        "method",
        "path",
        "host",
        "status",
        "body",
        "digest",
        "tls",
        "helo",
        "name",
        "record",
        "payload",
        "reply",
        "command",
        "user",
        "dynamic_weight",
    ],
    later: &[],
};

const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_hours(24);
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_hours(1);
const IN_A_ROW: RangeInclusive<u32> = 1..=1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum CheckWord {
    Tcp,
    Http,
    Https,
    Smtp,
    Dns,
    Udp,
    Ping,
    Exec,
}

const WORDS: [(&str, Option<CheckWord>); 8] = [
    ("tcp", Some(CheckWord::Tcp)),
    ("http", Some(CheckWord::Http)),
    ("https", Some(CheckWord::Https)),
    ("smtp", Some(CheckWord::Smtp)),
    ("dns", Some(CheckWord::Dns)),
    ("udp", Some(CheckWord::Udp)),
    ("ping", Some(CheckWord::Ping)),
    ("exec", Some(CheckWord::Exec)),
];

#[derive(Clone)]
pub(in crate::config) struct Check {
    pub place: Place,
    pub kind: Field<CheckWord>,
    pub interval: Field<Duration>,
    pub timeout: Field<Duration>,
    pub rise: Field<u32>,
    pub fall: Field<u32>,
    pub delay_before_retry: Field<Duration>,
    /// Whether a server is taken for up at first.
    pub start: Field<bool>,
    pub port: Field<u16>,
    pub method: Field<String>,
    pub path: Field<String>,
    pub host: Field<String>,
    pub status: Field<Vec<RangeInclusive<u16>>>,
    pub body: Field<Pattern>,
    pub digest: Field<[u8; 16]>,
    pub tls: Option<UpstreamTls>,
    pub helo: Field<String>,
    pub name: Field<String>,
    pub record: Field<Record>,
    pub payload: Field<Vec<u8>>,
    pub reply: Field<Pattern>,
    pub command: Field<Vec<String>>,
    pub user: Field<String>,
    pub dynamic_weight: Field<bool>,
}

/// What a server says about checks.
pub(in crate::config) enum ServerCheck {
    /// It is not checked although others are.
    Off,
    Own(Vec<Check>),
}

impl Check {
    fn read(section: &Section<'_, '_>) -> Self {
        let pattern = |v: &Value<'_, '_>| {
            v.parse("a regular expression", |text| Pattern::new(text).map_err(|_| "it is no regular expression"))
        };
        Self {
            place: section.place().clone(),
            kind: section.field("type", |v| v.choice(&WORDS)),
            interval: section.field("interval", |v| v.duration(INTERVAL)),
            timeout: section.field("timeout", |v| v.duration(TIMEOUT)),
            rise: section.field("rise", |v| v.integer(IN_A_ROW, "checks")),
            fall: section.field("fall", |v| v.integer(IN_A_ROW, "checks")),
            delay_before_retry: section.field("delay_before_retry", |v| v.duration(TIMEOUT)),
            start: section.field("start", |v| v.choice(&[("up", Some(true)), ("down", Some(false))])),
            port: section.field("port", |v| v.integer(1..=u16::MAX, "")),
            method: section.field("method", |v| v.parse("a method", text::method)),
            path: section.field("path", |v| v.parse("a path such as \"/healthz\"", text::check_path)),
            host: section.field("host", |v| v.parse("a host", text::check_host)),
            status: section.field("status", |v| v.parse("statuses such as \"200-299,301\"", text::statuses)),
            body: section.field("body", pattern),
            digest: section.field("digest", |v| v.parse("an MD5 digest of 32 hexadecimal digits", digest)),
            tls: section.section("tls", &UPSTREAM_TLS).map(|s| UpstreamTls::read(&s)),
            helo: section.field("helo", |v| v.parse("a host name", text::check_host)),
            name: section.field("name", |v| v.parse("a name such as \"example.com\"", domain)),
            record: section.field("record", |v| v.choice(&Record::WORDS)),
            payload: section.field("payload", |v| v.parse("text, or hexadecimal digits after \"hex:\"", text::bytes)),
            reply: section.field("reply", pattern),
            command: section.field("command", track::command),
            user: section.field("user", |v| v.parse("a user", track::user)),
            dynamic_weight: section.field("dynamic_weight", Value::boolean),
        }
    }

    /// One, or an array of them.
    pub fn list(value: &Value<'_, '_>) -> Vec<Self> {
        if value.is_table() {
            return value.section(&CHECK).iter().map(Self::read).collect();
        }
        let items = value.items("a table, or an array of tables").unwrap_or_default();
        items.iter().filter_map(|item| item.section(&CHECK)).map(|section| Self::read(&section)).collect()
    }

    /// With the keys of `base` where it has none.
    pub fn over(self, base: &Self) -> Self {
        Self {
            place: self.place,
            kind: self.kind.over(&base.kind),
            interval: self.interval.over(&base.interval),
            timeout: self.timeout.over(&base.timeout),
            rise: self.rise.over(&base.rise),
            fall: self.fall.over(&base.fall),
            delay_before_retry: self.delay_before_retry.over(&base.delay_before_retry),
            start: self.start.over(&base.start),
            port: self.port.over(&base.port),
            method: self.method.over(&base.method),
            path: self.path.over(&base.path),
            host: self.host.over(&base.host),
            status: self.status.over(&base.status),
            body: self.body.over(&base.body),
            digest: self.digest.over(&base.digest),
            tls: self.tls.or_else(|| base.tls.clone()),
            helo: self.helo.over(&base.helo),
            name: self.name.over(&base.name),
            record: self.record.over(&base.record),
            payload: self.payload.over(&base.payload),
            reply: self.reply.over(&base.reply),
            command: self.command.over(&base.command),
            user: self.user.over(&base.user),
            dynamic_weight: self.dynamic_weight.over(&base.dynamic_weight),
        }
    }
}

impl ServerCheck {
    pub fn read(value: &Value<'_, '_>) -> Option<Self> {
        const EXPECTED: &str = "a table, an array of tables, or false for none";
        if value.is_table() || value.is_array() {
            return Some(Self::Own(Check::list(value)));
        }
        if value.boolean_or(EXPECTED)? {
            return value.refuse(Problem::Malformed { value: "true".to_owned(), expected: EXPECTED, reason: "" });
        }
        Some(Self::Off)
    }
}

fn digest(text: &str) -> Result<[u8; 16], &'static str> {
    let is_digest = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u128::from_str_radix(text, 16).ok().filter(|_| is_digest);
    number.map(u128::to_be_bytes).ok_or("it has other digits, or another number of them")
}

/// A name of the DNS, as it is asked for; `.` is the root.
fn domain(text: &str) -> Result<String, &'static str> {
    let labels = text.strip_suffix('.').unwrap_or(text);
    let fits = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_graphic());
    let is_name = text == "." || (labels.len() <= 253 && labels.split('.').all(fits));
    if is_name { Ok(text.to_owned()) } else { Err("labels have 1 to 63 bytes, all together at most 253") }
}

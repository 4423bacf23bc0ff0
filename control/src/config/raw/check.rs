//! `check` of an upstream, and of its servers.

use std::ops::RangeInclusive;
use std::time::Duration;

use headgate_l7::config::Pattern;

use crate::config::error::Problem;
use crate::config::reader::{Field, Keys, Section, Value};
use crate::config::text;

pub(in crate::config) static CHECK: Keys = Keys {
    supported: &[
        "type", "interval", "timeout", "rise", "fall", "start", "port", "method", "path", "host", "status", "body",
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
}

#[derive(Clone)]
pub(in crate::config) struct Check {
    pub kind: Field<CheckWord>,
    pub interval: Field<Duration>,
    pub timeout: Field<Duration>,
    pub rise: Field<u32>,
    pub fall: Field<u32>,
    /// Whether a server is taken for up at first.
    pub start: Field<bool>,
    pub port: Field<u16>,
    pub method: Field<String>,
    pub path: Field<String>,
    pub host: Field<String>,
    pub status: Field<Vec<RangeInclusive<u16>>>,
    pub body: Field<Pattern>,
}

/// What a server says about checks.
pub(in crate::config) enum ServerCheck {
    /// It is not checked although others are.
    Off,
    Own(Box<Check>),
}

impl Check {
    pub fn read(section: &Section<'_, '_>) -> Self {
        const WORDS: [(&str, Option<CheckWord>); 8] = [
            ("tcp", Some(CheckWord::Tcp)),
            ("http", Some(CheckWord::Http)),
            ("https", None),
            ("smtp", None),
            ("dns", None),
            ("udp", None),
            ("ping", None),
            ("exec", None),
        ];
        let pattern = |v: &Value<'_, '_>| {
            v.parse("a regular expression", |text| Pattern::new(text).map_err(|_| "it is no regular expression"))
        };
        Self {
            kind: section.field("type", |v| v.choice(&WORDS)),
            interval: section.field("interval", |v| v.duration(INTERVAL)),
            timeout: section.field("timeout", |v| v.duration(TIMEOUT)),
            rise: section.field("rise", |v| v.integer(IN_A_ROW, "checks")),
            fall: section.field("fall", |v| v.integer(IN_A_ROW, "checks")),
            start: section.field("start", |v| v.choice(&[("up", Some(true)), ("down", Some(false))])),
            port: section.field("port", |v| v.integer(1..=u16::MAX, "")),
            method: section.field("method", |v| v.parse("a method", text::method)),
            path: section.field("path", |v| v.parse("a path such as \"/healthz\"", text::check_path)),
            host: section.field("host", |v| v.parse("a host", text::check_host)),
            status: section.field("status", |v| v.parse("statuses such as \"200-299,301\"", text::statuses)),
            body: section.field("body", pattern),
        }
    }
}

impl Check {
    /// With the keys of `base` where it has none.
    pub fn over(self, base: &Self) -> Self {
        Self {
            kind: self.kind.over(&base.kind),
            interval: self.interval.over(&base.interval),
            timeout: self.timeout.over(&base.timeout),
            rise: self.rise.over(&base.rise),
            fall: self.fall.over(&base.fall),
            start: self.start.over(&base.start),
            port: self.port.over(&base.port),
            method: self.method.over(&base.method),
            path: self.path.over(&base.path),
            host: self.host.over(&base.host),
            status: self.status.over(&base.status),
            body: self.body.over(&base.body),
        }
    }
}

impl ServerCheck {
    pub fn read(value: &Value<'_, '_>) -> Option<Self> {
        if let Some(section) = value.section_or(&CHECK) {
            return Some(Self::Own(Box::new(Check::read(&section))));
        }
        const EXPECTED: &str = "a table, or false for none";
        if value.boolean_or(EXPECTED)? {
            return value.refuse(Problem::Malformed { value: "true".to_owned(), expected: EXPECTED, reason: "" });
        }
        Some(Self::Off)
    }
}

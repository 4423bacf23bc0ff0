//! `sticky` of an upstream.

use std::ops::RangeInclusive;
use std::time::Duration;

use headgate_l7::config::SameSite;
use headgate_l7::http1::field;

use crate::config::reader::{Field, Keys, Section, Value};

pub(in crate::config) static STICKY: Keys =
    Keys { supported: &["cookie", "path", "domain", "max_age", "secure", "http_only", "same_site"], later: &[] };

const MAX_AGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(400 * 24);
const SAME_SITE: [(&str, Option<SameSite>); 3] =
    [("strict", Some(SameSite::Strict)), ("lax", Some(SameSite::Lax)), ("none", Some(SameSite::None))];

pub(in crate::config) struct Sticky {
    pub cookie: Field<String>,
    pub path: Field<String>,
    pub domain: Field<String>,
    pub max_age: Field<Duration>,
    pub secure: Field<bool>,
    pub http_only: Field<bool>,
    pub same_site: Field<SameSite>,
}

impl Sticky {
    pub fn read(section: &Section<'_, '_>) -> Self {
        Self {
            cookie: section.field("cookie", |v| v.parse("the name of a cookie", name)),
            path: section.field("path", |v| v.parse("a path such as \"/\"", |text| attribute(text, "/"))),
            domain: section.field("domain", |v| v.parse("a domain", |text| attribute(text, ""))),
            max_age: section.field("max_age", |v| v.duration(MAX_AGE)),
            secure: section.field("secure", Value::boolean),
            http_only: section.field("http_only", Value::boolean),
            same_site: section.field("same_site", |v| v.choice(&SAME_SITE)),
        }
    }
}

fn name(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || !text.bytes().all(field::is_token) {
        return Err("it must be letters, digits, hyphens and underscores");
    }
    Ok(text.to_owned())
}

/// A value that stands between semicolons (RFC 6265 section 4.1.1).
fn attribute(text: &str, begin: &'static str) -> Result<String, &'static str> {
    match text {
        "" => Err("it is empty"),
        _ if !text.starts_with(begin) => Err("it has to begin with a slash"),
        _ if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';') => {
            Err("spaces, semicolons and characters beyond ASCII are not allowed")
        }
        _ => Ok(text.to_owned()),
    }
}

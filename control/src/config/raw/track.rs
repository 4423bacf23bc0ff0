//! `[[virtual_router.track]]` and `[virtual_router.notify]`.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::error::Place;
use crate::config::reader::{Field, Keys, Section, Value};
use crate::config::text;

pub(in crate::config) static TRACK: Keys = Keys {
    supported: &[
        "script",
        "interface",
        "file",
        "process",
        "upstream",
        "service",
        "weight",
        "reverse",
        "interval",
        "timeout",
        "rise",
        "fall",
        "user",
    ],
    later: &[],
};
pub(in crate::config) static NOTIFY: Keys =
    Keys { supported: &["master", "backup", "fault", "stop", "any", "user"], later: &[] };

const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_hours(1);
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_hours(1);

pub(in crate::config) struct Track {
    pub place: Place,
    pub script: Field<Vec<String>>,
    pub interface: Field<String>,
    pub file: Field<PathBuf>,
    pub process: Field<String>,
    pub upstream: Field<String>,
    pub service: Field<String>,
    pub weight: Field<i32>,
    pub reverse: Field<bool>,
    pub interval: Field<Duration>,
    pub timeout: Field<Duration>,
    pub rise: Field<u32>,
    pub fall: Field<u32>,
    pub user: Field<String>,
}

pub(in crate::config) struct Notify {
    pub master: Field<Vec<String>>,
    pub backup: Field<Vec<String>>,
    pub fault: Field<Vec<String>>,
    pub stop: Field<Vec<String>>,
    pub any: Field<Vec<String>>,
    pub user: Field<String>,
}

impl Track {
    pub fn read(section: &Section<'_, '_>) -> Self {
        let name = |key| section.field(key, |v| v.parse("a name", text::name));
        let count = |key| section.field(key, |v| v.integer(1..=1000_u32, ""));
        Self {
            place: section.place().clone(),
            script: section.field("script", command),
            interface: section.field("interface", |v| v.parse("an interface name", text::interface)),
            file: section.field("file", |v| v.parse("a file", text::absolute)),
            process: section.field("process", |v| v.parse("the name of a program", process)),
            upstream: name("upstream"),
            service: name("service"),
            weight: section.field("weight", |v| v.integer(-254..=254_i32, "")),
            reverse: section.field("reverse", Value::boolean),
            interval: section.field("interval", |v| v.duration(INTERVAL)),
            timeout: section.field("timeout", |v| v.duration(TIMEOUT)),
            rise: count("rise"),
            fall: count("fall"),
            user: section.field("user", |v| v.parse("a user", user)),
        }
    }
}

impl Notify {
    pub fn read(section: &Section<'_, '_>) -> Self {
        let script = |key| section.field(key, command);
        Self {
            master: script("master"),
            backup: script("backup"),
            fault: script("fault"),
            stop: script("stop"),
            any: script("any"),
            user: section.field("user", |v| v.parse("a user", user)),
        }
    }
}

/// A program and its arguments: one string, whose words may be quoted, or an array of strings.
pub(super) fn command(value: &Value<'_, '_>) -> Option<Vec<String>> {
    const EXPECTED: &str = "a program such as \"/etc/headgate/check.sh -v\", or an array of it and its arguments";
    if value.is_string() {
        return value.parse(EXPECTED, |text| words(text).and_then(program));
    }
    let items = value.items(EXPECTED)?;
    let words: Option<Vec<String>> = items.iter().map(|item| item.string("a string").map(str::to_owned)).collect();
    value.check(EXPECTED, words?, program)
}

fn program(words: Vec<String>) -> Result<Vec<String>, &'static str> {
    match words.first() {
        None => Err("it is empty"),
        Some(program) if !program.starts_with('/') => Err("the program must be absolute"),
        _ if words.iter().any(|word| word.contains('\0')) => Err("it contains a zero byte"),
        _ => Ok(words),
    }
}

/// Between blanks, which quotes take in; no shell has to do with it.
fn words(text: &str) -> Result<Vec<String>, &'static str> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if quote.is_some() { Err("a quote is not closed") } else { Ok(words) }
}

fn process(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || text.contains('/') { Err("it is no name") } else { Ok(text.to_owned()) }
}

pub(super) fn user(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || text.contains([':', '\0']) { Err("it is no name") } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests;

//! `access_log` of a listener and of a route.

use std::path::PathBuf;

use headgate_l7::log::{BadFormat, DEV_LOG, Destination, Format, Variable};

use crate::config::error::Problem;
use crate::config::reader::{At, Field, Keys, Section, Value};

pub(in crate::config) static ACCESS_LOG: Keys = Keys { supported: &["path", "format", "fields"], later: &[] };

pub(in crate::config) struct AccessLog {
    pub path: Field<Destination>,
    pub format: Field<LineFormat>,
    pub fields: Field<Vec<At<Variable>>>,
}

pub(in crate::config) enum LineFormat {
    Combined,
    Json,
    Template(Format),
}

/// `None`: `false`.
pub(in crate::config) fn access_log(section: &Section<'_, '_>) -> Field<Option<AccessLog>> {
    section.field("access_log", |value| {
        if value.is_false() {
            return Some(None);
        }
        if !value.is_table() {
            return value.wrong_type("false or a table such as { path = \"/var/log/headgate/access.log\" }");
        }
        value.section(&ACCESS_LOG).map(|section| Some(AccessLog::read(&section)))
    })
}

impl AccessLog {
    fn read(section: &Section<'_, '_>) -> Self {
        let variable = |v: &Value<'_, '_>| {
            let name = v.string("the name of a variable")?;
            Variable::parse(name).or_else(|| v.not_one_of(name, Variable::names()))
        };
        Self {
            path: section.field("path", |v| v.parse("an absolute path, \"stdout\" or \"syslog\"", destination)),
            format: section.field("format", format),
            fields: section.field("fields", |v| v.list("an array of names such as [\"status\"]", variable)),
        }
    }
}

fn destination(text: &str) -> Result<Destination, &'static str> {
    let absolute = |path: &str| match path {
        _ if !path.starts_with('/') => Err("it must be absolute"),
        _ if path.ends_with('/') => Err("it names a folder"),
        _ if path.contains('\0') => Err("it contains a zero byte"),
        _ => Ok(PathBuf::from(path)),
    };
    match (text, text.strip_prefix("syslog:")) {
        ("stdout", _) => Ok(Destination::Stdout),
        ("syslog", _) => Ok(Destination::Syslog(PathBuf::from(DEV_LOG))),
        (_, Some(path)) => absolute(path).map(Destination::Syslog),
        _ => absolute(text).map(Destination::File),
    }
}

fn format(value: &Value<'_, '_>) -> Option<LineFormat> {
    const EXPECTED: &str = "combined, json, or a text with $variables";
    let text = value.string(EXPECTED)?;
    let malformed = |reason| Problem::Malformed { value: format!("{text:?}"), expected: EXPECTED, reason };
    match text {
        "combined" => return Some(LineFormat::Combined),
        "json" => return Some(LineFormat::Json),
        _ if !text.contains('$') => return value.refuse(malformed("it names no variable")),
        _ => {}
    }
    match Format::template(text) {
        Ok(format) => Some(LineFormat::Template(format)),
        Err(BadFormat::Unknown(name)) => value.not_one_of(&name, Variable::names()),
        Err(BadFormat::Malformed(reason)) => value.refuse(malformed(reason)),
    }
}

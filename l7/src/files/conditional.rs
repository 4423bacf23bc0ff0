//! Preconditions of a request and the range it asks for, in the order of RFC 9110 section 13.2.2.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use httpdate::{HttpDate, parse_http_date};

use super::asked::{Asked, Tag};
use super::range::{Range, range};

/// What a file is compared by: its time of modification and size, written as nginx writes them, so that copies of a file on several
/// servers, and nginx, have the same tag.
#[derive(Debug, Clone, Copy)]
pub struct Validators {
    etag: [u8; 36],
    etag_length: usize,
    modified: SystemTime,
    size: u64,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Whole,
    Part { first: u64, length: u64 },
    NotModified,
    Failed,
    Unsatisfiable,
}

impl Validators {
    /// `modified`: seconds since 1970.
    pub fn new(modified: u64, size: u64) -> Self {
        // Beyond the year 9999 there are no dates.
        const LATEST: u64 = 253_402_300_799;
        let mut etag = [0; 36];
        let mut rest = etag.as_mut_slice();
        // Two numbers of 16 digits at most: they fit.
        let _ = write!(rest, "\"{modified:x}-{size:x}\"");
        let etag_length = 36 - rest.len();
        let modified = UNIX_EPOCH + Duration::from_secs(modified.min(LATEST));
        Self { etag, etag_length, modified, size }
    }

    pub fn etag(&self) -> &[u8] {
        &self.etag[..self.etag_length]
    }

    pub fn modified(&self) -> HttpDate {
        self.modified.into()
    }

    fn is_older_or_equal(&self, date: &[u8]) -> Option<bool> {
        parse(date).map(|date| self.modified <= date)
    }
}

pub fn verdict(asked: &Asked<'_>, validators: &Validators) -> Verdict {
    let has = |tag| asked.first(tag).is_some();
    if has(Tag::IfMatch) {
        if !asked.all(Tag::IfMatch).any(|list| matches(list, validators.etag(), Comparison::Strong)) {
            return Verdict::Failed;
        }
    } else if let Some(date) = asked.only(Tag::IfUnmodifiedSince)
        && validators.is_older_or_equal(date) == Some(false)
    {
        return Verdict::Failed;
    }
    if has(Tag::IfNoneMatch) {
        if asked.all(Tag::IfNoneMatch).any(|list| matches(list, validators.etag(), Comparison::Weak)) {
            return Verdict::NotModified;
        }
    } else if let Some(date) = asked.only(Tag::IfModifiedSince)
        && validators.is_older_or_equal(date) == Some(true)
    {
        return Verdict::NotModified;
    }
    let is_same = || asked.first(Tag::IfRange).is_none_or(|value| is_unchanged(value, validators));
    let Some(value) = asked.only(Tag::Range).filter(|_| is_same()) else { return Verdict::Whole };
    match range(value, validators.size) {
        Range::Whole => Verdict::Whole,
        Range::Part { first, length } => Verdict::Part { first, length },
        Range::Unsatisfiable => Verdict::Unsatisfiable,
    }
}

/// An If-Range: a strong tag or the exact date (RFC 9110 section 13.1.5).
fn is_unchanged(value: &[u8], validators: &Validators) -> bool {
    if value.first() == Some(&b'"') {
        return value == validators.etag();
    }
    parse(value).is_some_and(|date| date == validators.modified)
}

fn parse(date: &[u8]) -> Option<SystemTime> {
    std::str::from_utf8(date).ok().and_then(|date| parse_http_date(date).ok())
}

/// RFC 9110 section 8.8.3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// Whether a list of tags names ours, which is strong, or `*` all there are.
fn matches(list: &[u8], ours: &[u8], comparison: Comparison) -> bool {
    let mut rest = list.trim_ascii();
    if rest == b"*" {
        return true;
    }
    loop {
        rest = rest.trim_ascii_start();
        if let Some(next) = rest.strip_prefix(b",") {
            rest = next;
            continue;
        }
        let weak = rest.strip_prefix(b"W/");
        let opaque = weak.unwrap_or(rest);
        let Some(end) = opaque.strip_prefix(b"\"").and_then(|inside| memchr::memchr(b'"', inside)) else {
            return false;
        };
        let (tag, behind) = opaque.split_at(end + 2);
        if tag == ours && (weak.is_none() || comparison == Comparison::Weak) {
            return true;
        }
        rest = behind;
    }
}

#[cfg(test)]
mod tests;

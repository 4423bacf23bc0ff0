//! What matters of a request for a file. Its head is gone when the file is looked for, so this is kept in the scratch memory of the
//! request: entries of a tag, a value and a zero byte, which no value contains.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::http1::request::Request;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// The decoded path.
    Path = 1,
    /// The query with its question mark.
    Query,
    /// The method is neither GET nor HEAD.
    OtherMethod,
    IfMatch,
    IfNoneMatch,
    IfModifiedSince,
    IfUnmodifiedSince,
    IfRange,
    Range,
    AcceptEncoding,
}

/// Characters of a path that stay as they are in a Location (RFC 3986 section 3.3), without those that a browser might take for
/// something else.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'(')
    .remove(b')')
    .remove(b'+')
    .remove(b',')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

#[derive(Debug, Clone, Copy)]
pub struct Asked<'a>(&'a [u8]);

impl<'a> Asked<'a> {
    /// `path`: normal, from [`crate::http1::target::normal_path`].
    pub fn write(request: &Request<'_>, path: &[u8], out: &mut Vec<u8>) {
        let mut entry = |tag: Tag, value: &[u8]| {
            out.push(tag as u8);
            out.extend_from_slice(value);
            out.push(0);
        };
        entry(Tag::Path, path);
        if let Some(at) = memchr::memchr(b'?', request.target) {
            entry(Tag::Query, &request.target[at..]);
        }
        if !matches!(request.method, b"GET" | b"HEAD") {
            entry(Tag::OtherMethod, b"");
        }
        for field in request.fields {
            if let Some(tag) = tag_of(field.name.as_bytes()) {
                entry(tag, field.value);
            }
        }
    }

    pub fn read(entries: &'a [u8]) -> Self {
        Self(entries)
    }

    pub fn path(self) -> &'a [u8] {
        self.first(Tag::Path).unwrap_or_default()
    }

    pub fn first(self, tag: Tag) -> Option<&'a [u8]> {
        self.all(tag).next()
    }

    /// The value of a field that may come once; with more of them it says nothing.
    pub fn only(self, tag: Tag) -> Option<&'a [u8]> {
        let mut all = self.all(tag);
        all.next().filter(|_| all.next().is_none())
    }

    /// The values of all fields of this name.
    pub fn all(self, tag: Tag) -> impl Iterator<Item = &'a [u8]> {
        let entries = self.0.split(|byte| *byte == 0);
        entries.filter_map(move |entry| entry.split_first().filter(|(first, _)| **first == tag as u8)).map(|(_, v)| v)
    }

    /// Where the folder is that was asked for without a slash: on this host, whatever the path looks like.
    pub fn location_of_folder(self) -> Cow<'a, str> {
        let path = percent_encode(self.path(), PLAIN);
        // Checked as a part of the target: ASCII.
        let query = String::from_utf8_lossy(self.first(Tag::Query).unwrap_or_default());
        Cow::Owned(format!("{path}/{query}"))
    }
}

fn tag_of(name: &[u8]) -> Option<Tag> {
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    match name.len() {
        5 if is(b"range") => Some(Tag::Range),
        8 if is(b"if-match") => Some(Tag::IfMatch),
        8 if is(b"if-range") => Some(Tag::IfRange),
        13 if is(b"if-none-match") => Some(Tag::IfNoneMatch),
        15 if is(b"accept-encoding") => Some(Tag::AcceptEncoding),
        17 if is(b"if-modified-since") => Some(Tag::IfModifiedSince),
        19 if is(b"if-unmodified-since") => Some(Tag::IfUnmodifiedSince),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

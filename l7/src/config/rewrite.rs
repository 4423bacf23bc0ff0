//! Another path for the server than the client has asked for.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

use super::route::Path;

/// What a path may not hold as it is (RFC 3986 section 3.3). `%` stays: what is left of escapes are those that have to stay.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What takes the place of the part of the path that the route names: of a prefix or of all of an exact path; for a pattern it is the whole new
/// path, in which `$1` and so on stand for its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite(String);

impl Rewrite {
    pub fn new(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Writes the new target. `path`: the normal path by which the route was found, `target`: as it was sent.
    pub fn write(&self, route: &Path, path: &[u8], target: &[u8], out: &mut Vec<u8>) {
        let at = memchr::memchr(b'?', target).unwrap_or(target.len());
        let (sent, query) = target.split_at(at);
        let begin = out.len();
        match route {
            // What was sent stays as it is, with its escapes.
            Path::Prefix(prefix) if sent.starts_with(prefix.as_bytes()) => {
                out.extend_from_slice(self.0.as_bytes());
                out.extend_from_slice(&sent[prefix.len()..]);
            }
            Path::Prefix(prefix) => {
                out.extend_from_slice(self.0.as_bytes());
                escape(path.get(prefix.len()..).unwrap_or_default(), out);
            }
            Path::Exact(_) => out.extend_from_slice(self.0.as_bytes()),
            Path::Pattern(pattern) => escape(&pattern.expand(path, &self.0), out),
        }
        if out.get(begin) != Some(&b'/') {
            out.insert(begin, b'/');
        }
        out.extend_from_slice(query);
    }
}

fn escape(path: &[u8], out: &mut Vec<u8>) {
    // Everything beyond ASCII is escaped too.
    out.extend_from_slice(Cow::from(percent_encode(path, ESCAPED)).as_bytes());
}

#[cfg(test)]
mod tests;

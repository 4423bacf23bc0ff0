//! What is kept of a request while it runs: its head is gone when its line is written. Without a log nothing is.

use std::net::SocketAddr;

use httparse::Header;

use super::format::Format;
use super::variable::Asked;
use crate::counters::Ended;
use crate::http1::request::Request;
use crate::http1::target::host_of;
use crate::origin::Version;

/// Memory of a request, used again by others.
#[derive(Debug, Default)]
pub struct Seen {
    /// The values, one after the other.
    bytes: Vec<u8>,
    /// Where each begins and ends; `None`: the request has no such thing.
    values: Vec<Option<(usize, usize)>>,
    taken: bool,
    wants_tries: bool,
    pub tries: Vec<Try>,
}

/// A server that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Try {
    /// `None`: there was nobody to ask.
    pub server: Option<SocketAddr>,
    /// What it has answered, or what its failure means to the client; `None`: the client did not wait for it.
    pub status: Option<u16>,
    /// When it was asked, in microseconds of our clock.
    pub begun: u64,
    /// Microseconds until its response began, or it failed; of the one that was passed on: until its response ended.
    pub took: u64,
}

/// A head, as far as it has been understood. What is missing is empty.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The first line as it came, but for HTTP/2, which has none.
    line: Option<&'a [u8]>,
    method: &'a [u8],
    target: &'a [u8],
    authority: &'a [u8],
    protocol: &'a [u8],
    fields: Fields<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Fields<'a> {
    Parsed(&'a [Header<'a>]),
    /// Lines, maybe with nonsense among them, maybe cut off.
    Raw(&'a [u8]),
}

impl<'a> Head<'a> {
    /// `input`: the bytes that it was read from.
    pub fn understood(request: &'a Request<'a>, input: &'a [u8], version: Version) -> Self {
        let (line, _) = first_line(input);
        Self {
            line: (version == Version::Http1).then_some(line),
            method: request.method,
            target: request.target,
            authority: request.authority,
            protocol: protocol(line.rsplit(|byte| *byte == b' ').next().unwrap_or_default(), version),
            fields: Fields::Parsed(request.fields),
        }
    }

    /// Of what came instead of a request, or of one that is not whole.
    pub fn refused(input: &'a [u8], version: Version) -> Self {
        let (line, rest) = first_line(input);
        let mut words = line.split(|byte| *byte == b' ');
        let words = [words.next(), words.next(), words.next(), words.next()];
        let (method, target, protocol) = match words {
            [Some(method), Some(target), Some(named), None] if named.starts_with(b"HTTP/") => {
                (method, target, protocol(named, version))
            }
            _ => Default::default(),
        };
        let line = (version == Version::Http1).then_some(line);
        let mut head = Self { line, method, target, authority: b"", protocol, fields: Fields::Raw(rest) };
        head.fields.each(b"host", |value| head.authority = value);
        head
    }

    fn write(&self, wanted: &Asked, out: &mut Vec<u8>) -> bool {
        let value = match wanted {
            Asked::User => {
                let mut known = false;
                self.fields.each(b"authorization", |value| known = known || user(value, out));
                return known;
            }
            Asked::Field(name) => return self.fields.write(name.as_bytes(), out),
            Asked::Host => {
                let at = out.len();
                out.extend_from_slice(host_of(self.authority));
                out[at..].make_ascii_lowercase();
                return out.len() > at;
            }
            Asked::Line => {
                let Some(line) = self.line else {
                    for part in [self.method, b" ", self.target, b" ", self.protocol] {
                        out.extend_from_slice(part);
                    }
                    return true;
                };
                line
            }
            Asked::Method => self.method,
            Asked::Uri => self.target,
            Asked::Protocol => self.protocol,
        };
        out.extend_from_slice(value);
        !value.is_empty()
    }
}

impl<'a> Fields<'a> {
    /// Takes the values of the fields of this name.
    fn each(self, name: &[u8], mut take: impl FnMut(&'a [u8])) {
        match self {
            Self::Parsed(fields) => {
                for field in fields.iter().filter(|field| is_named(field.name.as_bytes(), name)) {
                    take(field.value);
                }
            }
            Self::Raw(lines) => {
                let lines = lines.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
                for line in lines.take_while(|line| !line.is_empty()) {
                    if let Some(colon) = memchr::memchr(b':', line)
                        && is_named(&line[..colon], name)
                    {
                        take(line[colon + 1..].trim_ascii());
                    }
                }
            }
        }
    }

    /// As nginx joins fields that come more than once.
    fn write(self, name: &[u8], out: &mut Vec<u8>) -> bool {
        let mut known = false;
        self.each(name, |value| {
            if known {
                out.extend_from_slice(if name == b"cookie" { b"; " } else { b", " });
            }
            known = true;
            out.extend_from_slice(value);
        });
        known
    }
}

impl Seen {
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.values.clear();
        self.tries.clear();
        (self.taken, self.wants_tries) = (false, false);
    }

    /// Keeps what the format names of a head.
    pub fn take(&mut self, format: &Format, head: &Head<'_>) {
        self.taken = true;
        self.wants_tries = format.tries;
        for wanted in &format.kept {
            let begin = self.bytes.len();
            let known = head.write(wanted, &mut self.bytes);
            self.values.push(known.then_some((begin, self.bytes.len())));
        }
    }

    pub fn is_taken(&self) -> bool {
        self.taken
    }

    pub fn value(&self, index: usize) -> Option<&[u8]> {
        let (begin, end) = self.values.get(index).copied().flatten()?;
        self.bytes.get(begin..end)
    }

    /// A server has been asked, or none could be.
    pub fn tried(&mut self, server: Option<SocketAddr>, status: Option<u16>, begun: u64, took: u64) {
        if self.wants_tries {
            self.tries.push(Try { server, status, begun, took });
        }
    }

    /// The request has ended. `relayed`: a server's answer was passed on, which took to the end.
    pub fn end(&mut self, ended: &Ended, relayed: bool) {
        if let Some(last) = self.tries.last_mut().filter(|last| relayed && last.status == Some(ended.status)) {
            last.took = ended.at.saturating_sub(last.begun);
        }
    }

    /// The same server is asked again: that was no try.
    pub fn forget_try(&mut self) {
        self.tries.pop();
    }
}

/// The name of the protocol; a request of HTTP/2 is read as one of HTTP/1, which is nobody's business.
fn protocol(named: &[u8], version: Version) -> &[u8] {
    match version {
        Version::Http1 => named,
        Version::Http2 => b"HTTP/2.0",
    }
}

/// Without its end, and what follows it. Empty lines before a request are none.
fn first_line(input: &[u8]) -> (&[u8], &[u8]) {
    let begin = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let input = &input[begin..];
    let end = memchr::memchr2(b'\r', b'\n', input).unwrap_or(input.len());
    let next = memchr::memchr(b'\n', input).map_or(input.len(), |end| end + 1);
    (&input[..end], &input[next..])
}

/// `wanted`: in lower case, with `_` for `-`.
fn is_named(name: &[u8], wanted: &[u8]) -> bool {
    let same = |(byte, wanted): (&u8, &u8)| byte.to_ascii_lowercase() == *wanted || (*byte == b'-' && *wanted == b'_');
    name.len() == wanted.len() && name.iter().zip(wanted).all(same)
}

/// The name in `Basic` credentials (RFC 7617): base64 up to a colon. Writes nothing unless there is one.
fn user(credentials: &[u8], out: &mut Vec<u8>) -> bool {
    let Some((scheme, encoded)) = credentials.split_at_checked(6) else { return false };
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return false;
    }
    let begin = out.len();
    let (mut bits, mut held) = (0_u32, 0);
    for byte in encoded.trim_ascii() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        bits = bits << 6 | u32::from(digit);
        held += 6;
        if held >= 8 {
            held -= 8;
            match (bits >> held) as u8 {
                b':' => return true,
                decoded => out.push(decoded),
            }
        }
    }
    out.truncate(begin);
    false
}

#[cfg(test)]
mod tests;

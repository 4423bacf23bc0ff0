//! Request heads.

use httparse::{Header, Status};

use super::field::{self, Class};
use super::framing::{Bad, Body, Framing};
use super::{Reject, lines_end_in_crlf, target};
use crate::config::Limits;

/// Fields that are looked for first; a head with more is parsed once again.
const FEW: usize = 32;
/// The most that [`Limits::fields`] can allow.
pub const FIELDS_MAX: usize = 512;
/// Empty lines before a request that are skipped (RFC 9112 section 2.2), in bytes.
const BLANK_MAX: usize = 8;

/// A head that may be passed on. It borrows from what was read.
#[derive(Debug)]
pub struct Request<'a> {
    pub method: &'a [u8],
    /// What is asked for, as it is passed on: `/path?query` or `*`.
    pub target: &'a [u8],
    /// `host[:port]`; empty only in HTTP/1.0.
    pub authority: &'a [u8],
    /// Of HTTP/1: 0 or 1. Later ones count as 1 (RFC 9110 section 2.5).
    pub minor: u8,
    pub fields: &'a [Header<'a>],
    /// `UntilClose` does not occur.
    pub body: Body,
    /// Whether the client allows another request on this connection.
    pub keep_alive: bool,
    /// The client waits for 100 before it sends the body.
    pub expects_continue: bool,
    /// The client asks to go over to the WebSocket protocol.
    pub websocket: bool,
    /// Some `Connection` field names fields of this hop.
    pub nominates: bool,
    /// Somebody has passed it on before.
    pub via: bool,
    /// Of OPTIONS (RFC 9110 section 7.6.2).
    pub max_forwards: Option<u64>,
}

/// Looks for a head at the beginning of `input`, and gives it to `take`: what that returns and how many bytes the head has. `None`: there is
/// more to come.
///
/// # Errors
/// With the status for the client; the connection can't go on after that.
pub fn parse<T>(
    input: &[u8],
    limits: &Limits,
    tls: bool,
    take: impl FnOnce(&Request<'_>) -> T,
) -> Result<Option<(T, usize)>, Reject> {
    let blank = skip_blank(input)?;
    let head = &input[blank..];
    let Some((line, length)) = request_line(head, limits)? else {
        return Ok(None);
    };
    let rest = &head[length..];
    let mut few = [httparse::EMPTY_HEADER; FEW];
    match fields(rest, &mut few[..FEW.min(limits.fields)]) {
        Ok(Some((used, fields))) => {
            let total = blank + length + used;
            return finish(&line, fields, &input[..total], limits, tls).map(|request| Some((take(&request), total)));
        }
        Ok(None) => return within(input, limits).map(|()| None),
        Err(httparse::Error::TooManyHeaders) if limits.fields > FEW => {}
        Err(error) => return Err(malformed(error)),
    }
    let mut many = [httparse::EMPTY_HEADER; FIELDS_MAX];
    match fields(rest, &mut many[..limits.fields.min(FIELDS_MAX)]) {
        Ok(Some((used, fields))) => {
            let total = blank + length + used;
            finish(&line, fields, &input[..total], limits, tls).map(|request| Some((take(&request), total)))
        }
        Ok(None) => within(input, limits).map(|()| None),
        Err(error) => Err(malformed(error)),
    }
}

struct Line<'a> {
    method: &'a [u8],
    target: &'a [u8],
    minor: u8,
}

/// Bytes of empty lines. A flood of them is no request.
fn skip_blank(input: &[u8]) -> Result<usize, Reject> {
    let blank = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    if blank > BLANK_MAX || !lines_end_in_crlf(&input[..blank]) {
        return Err(Reject::bad("empty lines before the request"));
    }
    Ok(blank)
}

/// The first line and its length with CRLF.
fn request_line<'a>(head: &'a [u8], limits: &Limits) -> Result<Option<(Line<'a>, usize)>, Reject> {
    const TOO_LONG: Reject = Reject::new(414, "request line too long");
    let end = match memchr::memchr(b'\n', head) {
        Some(end) => end,
        None if head.len() > limits.request_line => return Err(TOO_LONG),
        None => return check_beginning(head).map(|()| None),
    };
    if end > limits.request_line {
        return Err(TOO_LONG);
    }
    let line = head[..end].strip_suffix(b"\r").ok_or(Reject::bad("bare LF"))?;
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Reject::bad("request line"));
    };
    if method.is_empty() || !method.iter().all(|byte| field::is_token(*byte)) {
        return Err(Reject::bad("method"));
    }
    if target.is_empty() {
        return Err(Reject::bad("empty request target"));
    }
    Ok(Some((Line { method, target, minor: minor(version)? }, end + 1)))
}

/// Whether an unfinished line can become one: nobody has to send a whole line of nonsense first.
fn check_beginning(head: &[u8]) -> Result<(), Reject> {
    let method = &head[..memchr::memchr(b' ', head).unwrap_or(head.len())];
    let method = method.strip_suffix(b"\r").unwrap_or(method);
    if method.iter().all(|byte| field::is_token(*byte)) { Ok(()) } else { Err(Reject::bad("method")) }
}

fn minor(version: &[u8]) -> Result<u8, Reject> {
    match version {
        b"HTTP/1.1" => Ok(1),
        b"HTTP/1.0" => Ok(0),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'] => Ok(1),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(Reject::new(505, "major version")),
        _ => Err(Reject::bad("version")),
    }
}

type Parsed<'h, 'a> = Option<(usize, &'h [Header<'a>])>;

fn fields<'h, 'a>(rest: &'a [u8], space: &'h mut [Header<'a>]) -> Result<Parsed<'h, 'a>, httparse::Error> {
    match httparse::parse_headers(rest, space)? {
        Status::Complete((used, fields)) => Ok(Some((used, fields))),
        Status::Partial => Ok(None),
    }
}

fn malformed(error: httparse::Error) -> Reject {
    match error {
        httparse::Error::TooManyHeaders => Reject::new(431, "too many fields"),
        httparse::Error::HeaderName => Reject::bad("field name"),
        httparse::Error::HeaderValue => Reject::bad("field value"),
        _ => Reject::bad("field line"),
    }
}

fn within(input: &[u8], limits: &Limits) -> Result<(), Reject> {
    if input.len() > limits.head { Err(Reject::new(431, "head too large")) } else { Ok(()) }
}

fn finish<'a>(
    line: &Line<'a>,
    fields: &'a [Header<'a>],
    head: &[u8],
    limits: &Limits,
    tls: bool,
) -> Result<Request<'a>, Reject> {
    within(head, limits)?;
    if !lines_end_in_crlf(head) {
        return Err(Reject::bad("bare LF"));
    }
    let target = target::parse(line.method, line.target, tls)?;
    if line.method == b"TRACE" {
        return Err(Reject::new(405, "TRACE is not offered"));
    }
    let mut found = Found::default();
    for field in fields {
        found.take(field)?;
    }
    let body = found.framing.body(line.minor).map_err(bad_framing)?.unwrap_or(Body::None);
    if let Body::Length(length) = body
        && length > limits.body
    {
        return Err(Reject::new(413, "body too large"));
    }
    let authority = authority(line.minor, found.host, target.authority)?;
    if found.unknown_expectation && line.minor > 0 {
        return Err(Reject::new(417, "unknown expectation"));
    }
    Ok(Request {
        method: line.method,
        target: target.text,
        authority,
        minor: line.minor,
        fields,
        body,
        keep_alive: !found.close && (line.minor > 0 || found.keep_alive),
        expects_continue: found.expects_continue && line.minor > 0 && body != Body::None && body != Body::Length(0),
        websocket: found.upgrade && found.websocket && line.minor > 0 && body == Body::None,
        nominates: found.nominates,
        via: found.via,
        max_forwards: found.max_forwards.filter(|_| line.method == b"OPTIONS"),
    })
}

/// The one host a request is for.
fn authority<'a>(minor: u8, host: Option<&'a [u8]>, absolute: Option<&'a [u8]>) -> Result<&'a [u8], Reject> {
    let host = match host {
        Some(host) if !target::is_authority(host) => return Err(Reject::bad("Host")),
        Some(host) => host,
        None if minor > 0 => return Err(Reject::bad("no Host")),
        None => b"",
    };
    match absolute {
        Some(absolute) if !target::is_authority(absolute) => Err(Reject::bad("authority of the request target")),
        Some(absolute) => Ok(absolute),
        None => Ok(host),
    }
}

/// What the fields say.
#[derive(Default)]
struct Found<'a> {
    host: Option<&'a [u8]>,
    framing: Framing,
    close: bool,
    keep_alive: bool,
    upgrade: bool,
    websocket: bool,
    nominates: bool,
    via: bool,
    expects_continue: bool,
    unknown_expectation: bool,
    max_forwards: Option<u64>,
}

impl<'a> Found<'a> {
    fn take(&mut self, field: &Header<'a>) -> Result<(), Reject> {
        let class = field::class(field.name.as_bytes());
        match class {
            Class::Host if self.host.replace(field.value).is_some() => return Err(Reject::bad("more than one Host")),
            Class::ContentLength | Class::TransferEncoding => {
                self.framing.field(class, field.value).map_err(bad_framing)?;
            }
            Class::Connection => self.connection(field.value),
            Class::Via => self.via = true,
            Class::Upgrade => {
                self.websocket =
                    self.websocket || field::list(field.value).any(|word| word.eq_ignore_ascii_case(b"websocket"));
            }
            Class::Expect if field.value.eq_ignore_ascii_case(b"100-continue") => self.expects_continue = true,
            Class::Expect => self.unknown_expectation = true,
            Class::MaxForwards => {
                self.max_forwards = std::str::from_utf8(field.value).ok().and_then(|text| text.parse().ok());
            }
            _ => {}
        }
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) {
        for option in field::list(value) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else {
                self.nominates = true;
            }
        }
    }
}

fn bad_framing(bad: Bad) -> Reject {
    match bad {
        Bad::Length => Reject::bad("Content-Length"),
        Bad::Repeated => Reject::bad("Content-Length more than once"),
        Bad::Coding => Reject::bad("Transfer-Encoding"),
        Bad::UnknownCoding => Reject::new(501, "transfer coding"),
        Bad::LengthAndCoding => Reject::bad("Content-Length and Transfer-Encoding"),
        Bad::CodingInOld => Reject::bad("Transfer-Encoding in HTTP/1.0"),
    }
}

#[cfg(test)]
mod tests;

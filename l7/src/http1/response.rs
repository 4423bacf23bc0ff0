//! Response heads.

use httparse::{Header, ParserConfig, Status};

use super::field::{self, Class};
use super::framing::{Body, Framing};
use super::lines_end_in_crlf;

/// Fields of a response; more make it invalid.
const FIELDS_MAX: usize = 128;
const FEW: usize = 32;
/// Bytes of a head; more make it invalid.
pub const HEAD_MAX: usize = 64 << 10;

/// A head that may be passed on.
#[derive(Debug)]
pub struct Response<'a> {
    pub status: u16,
    pub reason: &'a [u8],
    pub fields: &'a [Header<'a>],
    /// The framing of what follows, which depends on the request as well (RFC 9112 section 6.3).
    pub body: Body,
    /// `Content-Length` as it is, also where no body follows.
    pub length: Option<u64>,
    /// Whether the server will take another request once the message has ended.
    pub keep_alive: bool,
    /// A 101 that goes over to the WebSocket protocol.
    pub websocket: bool,
    pub nominates: bool,
    pub has_date: bool,
}

impl Response<'_> {
    /// Another response follows.
    pub fn is_interim(&self) -> bool {
        self.status < 200
    }
}

/// What is said by somebody that does not speak HTTP/1 properly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid(pub &'static str);

/// Looks for a head at the beginning of `input`, like [`super::request::parse`]. `head`: whether it answers HEAD.
pub fn parse<T>(
    input: &[u8],
    head: bool,
    take: impl FnOnce(&Response<'_>) -> T,
) -> Result<Option<(T, usize)>, Invalid> {
    if !may_begin(input) {
        return Err(Invalid("status line"));
    }
    let mut few = [httparse::EMPTY_HEADER; FEW];
    match read(input, &mut few) {
        Err(httparse::Error::TooManyHeaders) => {}
        result => return finish(result, input, head, take),
    }
    let mut many = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let result = read(input, &mut many);
    finish(result, input, head, take)
}

struct Head<'h, 'a> {
    used: usize,
    minor: u8,
    status: u16,
    fields: &'h [Header<'a>],
}

fn read<'h, 'a>(input: &'a [u8], space: &'h mut [Header<'a>]) -> Result<Option<Head<'h, 'a>>, httparse::Error> {
    let mut config = ParserConfig::default();
    config.allow_spaces_after_header_name_in_responses(true);
    let mut response = httparse::Response::new(space);
    let Status::Complete(used) = config.parse_response(&mut response, input)? else {
        return Ok(None);
    };
    let (Some(minor), Some(status)) = (response.version, response.code) else {
        return Err(httparse::Error::Status);
    };
    Ok(Some(Head { used, minor, status, fields: response.headers }))
}

fn finish<T>(
    result: Result<Option<Head<'_, '_>>, httparse::Error>,
    input: &[u8],
    head: bool,
    take: impl FnOnce(&Response<'_>) -> T,
) -> Result<Option<(T, usize)>, Invalid> {
    let parsed = match result {
        Ok(Some(parsed)) => parsed,
        Ok(None) if input.len() > HEAD_MAX => return Err(Invalid("head too large")),
        Ok(None) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Invalid("too many fields")),
        Err(httparse::Error::Status | httparse::Error::Version) => return Err(Invalid("status line")),
        Err(_) => return Err(Invalid("field line")),
    };
    if parsed.used > HEAD_MAX {
        return Err(Invalid("head too large"));
    }
    let text = &input[..parsed.used];
    if !lines_end_in_crlf(text) {
        return Err(Invalid("bare LF"));
    }
    if !(100..=599).contains(&parsed.status) {
        return Err(Invalid("status"));
    }
    let response = interpret(&parsed, reason(text), head)?;
    Ok(Some((take(&response), parsed.used)))
}

/// `httparse` gives only reasons that are ASCII; what the server wrote is passed on.
fn reason(head: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'\r', head).unwrap_or(head.len());
    head.get(13..end).unwrap_or_default()
}

fn interpret<'a>(parsed: &Head<'a, 'a>, reason: &'a [u8], head: bool) -> Result<Response<'a>, Invalid> {
    let mut framing = Framing::default();
    let (mut close, mut keep_alive, mut upgrade, mut websocket) = (false, false, false, false);
    let (mut nominates, mut has_date) = (false, false);
    let bodyless = head || matches!(parsed.status, 100..=199 | 204 | 304);
    for field in parsed.fields {
        let class = field::class(field.name.as_bytes());
        match class {
            Class::ContentLength | Class::TransferEncoding => {
                framing.field(class, field.value).map_err(|_| Invalid("Content-Length or Transfer-Encoding"))?;
            }
            Class::Connection => {
                for option in field::list(field.value) {
                    if option.eq_ignore_ascii_case(b"close") {
                        close = true;
                    } else if option.eq_ignore_ascii_case(b"keep-alive") {
                        keep_alive = true;
                    } else if option.eq_ignore_ascii_case(b"upgrade") {
                        upgrade = true;
                    } else {
                        nominates = true;
                    }
                }
            }
            Class::Upgrade => websocket = field.value.eq_ignore_ascii_case(b"websocket"),
            Class::Date => has_date = true,
            _ => {}
        }
    }
    let body = match framing.body(parsed.minor) {
        Ok(body) => body.unwrap_or(Body::UntilClose),
        // Without a body the framing has no effect here, but others might see one.
        Err(_) => return Err(Invalid("framing")),
    };
    // A message without a body that announces one: what comes next may be that body.
    let odd = matches!(parsed.status, 204) && matches!(body, Body::Chunked | Body::Length(1..)) && !head;
    Ok(Response {
        status: parsed.status,
        reason,
        fields: parsed.fields,
        body: if bodyless { Body::None } else { body },
        length: framing.length(),
        keep_alive: !close && (parsed.minor > 0 || keep_alive) && !odd && (bodyless || body != Body::UntilClose),
        websocket: parsed.status == 101 && upgrade && websocket,
        nominates,
        has_date,
    })
}

/// Whether this can become a status line; nobody has to send a whole line of nonsense first.
fn may_begin(input: &[u8]) -> bool {
    let length = input.len().min(7);
    input[..length] == b"HTTP/1."[..length]
}

#[cfg(test)]
mod tests;

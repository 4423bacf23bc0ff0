//! Heads as we send them: what is passed on, without the fields of the other hop, and with our own last, so that nobody names them away.

use httparse::Header;

use super::Body;
use super::field::{self, Class};
use super::request::Request;
use super::response::Response;
use crate::config::{self, Edits, Underscores};
use crate::forwarded::{self, Said};

/// What we say about the client and about ourselves.
#[derive(Debug, Clone, Copy)]
pub struct Forwarding<'a> {
    /// Where the request comes from, and how that is passed on.
    pub said: Said<'a>,
    pub style: &'a config::Forwarding,
    pub underscores: Underscores,
    /// The client speaks HTTP/2.
    pub http2: bool,
    /// Our name in Via.
    pub pseudonym: &'a str,
    /// What is sent in place of the target and the host of the request.
    pub target: &'a [u8],
    pub host: &'a [u8],
    /// Fields that are taken away, and lines of those that are added.
    pub edits: &'a Edits,
    pub added: &'a [u8],
}

/// Writes the head for the server, but for its end: see [`end_of_request`].
pub fn request(request: &Request<'_>, forwarding: Forwarding<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(request.method);
    out.push(b' ');
    out.extend_from_slice(forwarding.target);
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    out.extend_from_slice(forwarding.host);
    out.extend_from_slice(b"\r\n");
    let mut vias = false;
    for line in request.fields {
        let name = line.name.as_bytes();
        let pass = match field::class(name) {
            Class::Other | Class::Date => forwarding.underscores == Underscores::Pass || !name.contains(&b'_'),
            Class::MaxForwards => request.max_forwards.is_none(),
            Class::Via => {
                vias = true;
                false
            }
            _ => false,
        };
        let pass = pass && !(request.nominates && is_nominated(request.fields, name));
        if pass && !forwarding.edits.removes(name) {
            write_field(name, line.value, out);
        }
    }
    if let Some(hops) = request.max_forwards {
        number_field("Max-Forwards", hops.saturating_sub(1), out);
    }
    out.extend_from_slice(b"Via: ");
    if vias {
        for line in request.fields.iter().filter(|line| field::class(line.name.as_bytes()) == Class::Via) {
            out.extend_from_slice(line.value);
            out.extend_from_slice(b", ");
        }
    }
    out.extend_from_slice(match request.minor {
        _ if forwarding.http2 => b"2.0 ",
        0 => b"1.0 ",
        _ => b"1.1 ",
    });
    out.extend_from_slice(forwarding.pseudonym.as_bytes());
    out.extend_from_slice(b"\r\n");
    forwarded::write(request, forwarding.said, forwarding.style, forwarding.edits, out);
    out.extend_from_slice(forwarding.added);
}

/// Ends a head that [`request`] began. `body` is the framing that follows, `expect` whether the server is asked for a 100 first, `upgrade`
/// whether it may switch protocols.
pub fn end_of_request(body: Body, expect: bool, upgrade: bool, out: &mut Vec<u8>) {
    match body {
        Body::Length(length) => number_field("Content-Length", length, out),
        Body::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Body::None | Body::UntilClose => {}
    }
    if expect {
        out.extend_from_slice(b"Expect: 100-continue\r\n");
    }
    if upgrade {
        out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// How a response goes to the client.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// `Length` and `None`: what the server said stays. `Chunked`: framed anew.
    pub body: Body,
    /// Of the client: 0 or 1.
    pub minor: u8,
    /// Whether the client's connection goes on.
    pub keep_alive: bool,
    /// For responses without one.
    pub date: &'a [u8],
    /// Fields that are taken away, and lines of those that are added.
    pub edits: &'a Edits,
    pub added: &'a [u8],
    /// The line of the cookie by which the client keeps its server.
    pub set_cookie: &'a [u8],
}

/// Writes the head for the client.
pub fn response(response: &Response<'_>, reply: Reply<'_>, out: &mut Vec<u8>) {
    status_line(response.status, response.reason, out);
    let interim = response.is_interim();
    for line in response.fields {
        let name = line.name.as_bytes();
        let pass = matches!(
            field::class(name),
            Class::Other
                | Class::Date
                | Class::Via
                | Class::Forwarding
                | Class::Host
                | Class::Expect
                | Class::MaxForwards
        );
        let pass = pass && !(response.nominates && is_nominated(response.fields, name));
        if pass && (interim || !reply.edits.removes(name)) {
            write_field(name, line.value, out);
        }
    }
    if interim {
        if response.websocket {
            out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
        }
        out.extend_from_slice(b"\r\n");
        return;
    }
    if !response.has_date {
        write_field(b"Date", reply.date, out);
    }
    match (reply.body, response.length) {
        (Body::Chunked, _) => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        (Body::Length(length), _) => number_field("Content-Length", length, out),
        // To a HEAD, or a 304: the length of what would have come.
        (Body::None, Some(length)) if response.status != 204 => number_field("Content-Length", length, out),
        (Body::None | Body::UntilClose, _) => {}
    }
    out.extend_from_slice(reply.added);
    out.extend_from_slice(reply.set_cookie);
    connection(reply.minor, reply.keep_alive, out);
    out.extend_from_slice(b"\r\n");
}

/// Writes the head of a response of our own, which `length` bytes follow unless the status has no body.
pub fn own(status: u16, extra: &[(&str, &str)], length: u64, reply: Reply<'_>, out: &mut Vec<u8>) {
    begin_own(status, reply.date, out);
    for (name, value) in extra {
        write_field(name.as_bytes(), value.as_bytes(), out);
    }
    if status != 204 && status != 304 {
        number_field("Content-Length", length, out);
    }
    out.extend_from_slice(reply.added);
    end_own(reply.minor, reply.keep_alive, out);
}

/// Begins the head of a response of our own.
pub fn begin_own(status: u16, date: &[u8], out: &mut Vec<u8>) {
    status_line(status, reason(status).as_bytes(), out);
    write_field(b"Server", b"headgate", out);
    write_field(b"Date", date, out);
}

/// Ends a head that [`begin_own`] began. `minor`: of the client's version; `keep_alive`: whether its connection goes on.
pub fn end_own(minor: u8, keep_alive: bool, out: &mut Vec<u8>) {
    connection(minor, keep_alive, out);
    out.extend_from_slice(b"\r\n");
}

fn connection(minor: u8, keep_alive: bool, out: &mut Vec<u8>) {
    match (minor, keep_alive) {
        (_, false) => out.extend_from_slice(b"Connection: close\r\n"),
        (0, true) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        (_, true) => {}
    }
}

/// Writes the first line of a response.
pub fn status_line(status: u16, reason: &[u8], out: &mut Vec<u8>) {
    let digit = |divisor: u16| b'0' + (status / divisor % 10) as u8;
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(&[digit(100), digit(10), digit(1), b' ']);
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}

/// Writes a field as it is.
pub fn write_field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    write_name(name, out);
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Begins a field; its value and the end of the line are to follow.
pub fn write_name(name: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
}

/// Writes a field whose value is a number.
pub fn number_field(name: &str, value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    write_number(value, out);
    out.extend_from_slice(b"\r\n");
}

/// Writes a number in digits.
pub fn write_number(value: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = value;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Whether a Connection field names this one.
fn is_nominated(fields: &[Header<'_>], name: &[u8]) -> bool {
    fields
        .iter()
        .filter(|line| field::class(line.name.as_bytes()) == Class::Connection)
        .flat_map(|line| field::list(line.value))
        .any(|option| option.eq_ignore_ascii_case(name))
}

/// The usual words for a status of ours.
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        200 => "OK",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        508 => "Loop Detected",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests;

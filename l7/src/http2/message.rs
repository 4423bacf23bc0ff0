//! Heads of messages from HTTP/2 to HTTP/1 and back (RFC 9113 section 8). The `h2` crate has checked pseudo fields, fields of the connection
//! and lengths; what HTTP/1 checks is left to it.

use std::hash::{BuildHasher, Hasher, RandomState};

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Uri};

use crate::http1::Body;
use crate::http1::field::{self, Class};
use crate::http1::request::Request;
use crate::http1::response::Response;
use crate::http1::write::{number_field, reason, status_line, write_field};

/// A message that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Writes the head of a client's request, whose body goes on as chunks unless its length is known. `ended`: there is none.
///
/// # Errors
/// When fields contradict each other or have blanks around their values (RFC 9113 section 8.2.1).
pub fn write_request(request: &http::request::Parts, ended: bool, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let websocket = is_websocket(request);
    let (method, target) = match &request.method {
        _ if websocket => ("GET", path(&request.uri)),
        &Method::CONNECT => ("CONNECT", request.uri.authority().map_or("", http::uri::Authority::as_str)),
        method => (method.as_str(), path(&request.uri)),
    };
    for part in [method, " ", target, " HTTP/1.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    if let Some(host) = host(request)? {
        write_field(b"Host", host, out);
    }
    let mut chunked = !ended && !websocket;
    for (name, value) in &request.headers {
        let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
        if matches!(value, [b' ' | b'\t', ..] | [.., b' ' | b'\t']) {
            return Err(Malformed);
        }
        match field::class(name) {
            Class::Host => continue,
            Class::ContentLength if websocket => continue,
            Class::ContentLength => chunked = false,
            _ if name == b"cookie" => continue,
            _ => {}
        }
        write_field(name, value, out);
    }
    write_cookies(&request.headers, out);
    if websocket {
        out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
        write_field(b"Sec-WebSocket-Key", &key(), out);
    } else if chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Whether a request asks for WebSocket (RFC 8441).
pub fn is_websocket(request: &http::request::Parts) -> bool {
    request.extensions.get::<h2::ext::Protocol>().is_some_and(|protocol| protocol.as_str() == "websocket")
}

fn path(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str)
}

/// The one host that a request is for.
fn host(request: &http::request::Parts) -> Result<Option<&[u8]>, Malformed> {
    let mut hosts = request.headers.get_all(http::header::HOST).iter().map(HeaderValue::as_bytes);
    let authority = request.uri.authority().map(|authority| authority.as_str().as_bytes());
    match (authority, hosts.next(), hosts.next()) {
        (_, _, Some(_)) => Err(Malformed),
        (Some(authority), Some(host), None) if !authority.eq_ignore_ascii_case(host) => Err(Malformed),
        (authority, host, None) => Ok(authority.or(host)),
    }
}

/// Crumbs become one field again (RFC 9113 section 8.2.3).
fn write_cookies(headers: &HeaderMap, out: &mut Vec<u8>) {
    let mut crumbs = headers.get_all(http::header::COOKIE).iter();
    let Some(first) = crumbs.next() else { return };
    out.extend_from_slice(b"cookie: ");
    out.extend_from_slice(first.as_bytes());
    for crumb in crumbs {
        out.extend_from_slice(b"; ");
        out.extend_from_slice(crumb.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// A nonce of 16 bytes in base64 (RFC 6455 section 4.1), for a client that needs none itself.
fn key() -> [u8; 24] {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut key = [b'='; 24];
    for (at, digit) in key[..22].iter_mut().enumerate() {
        let random = RandomState::new().build_hasher().finish();
        // Of the last digit only two bits count.
        let mask = if at == 21 { 0x30 } else { 0x3f };
        *digit = DIGITS[(random & mask) as usize];
    }
    key
}

/// The head of a response for a client of HTTP/2.
pub fn response(response: &Response<'_>) -> Option<http::Response<()>> {
    let mut head = http::Response::new(());
    // What HTTP/1 calls a change of protocols (RFC 8441 section 5).
    let status = if response.websocket { 200 } else { response.status };
    *head.status_mut() = StatusCode::from_u16(status).ok()?;
    for line in response.fields {
        let name = line.name.as_bytes();
        if response.websocket && name.eq_ignore_ascii_case(b"sec-websocket-accept") {
            continue;
        }
        append(name, line.value, head.headers_mut());
    }
    Some(head)
}

/// The head of a request for a server that speaks HTTP/2. `None`: it can't be said in HTTP/2.
pub fn request(request: &Request<'_>, scheme: &str) -> Option<http::Request<()>> {
    let mut head = http::Request::new(());
    *head.version_mut() = http::Version::HTTP_2;
    *head.method_mut() = Method::from_bytes(request.method).ok()?;
    let uri = Uri::builder().scheme(scheme).authority(request.authority).path_and_query(request.target);
    *head.uri_mut() = uri.build().ok()?;
    let mut grpc = false;
    for line in request.fields {
        let name = line.name.as_bytes();
        grpc |= name.eq_ignore_ascii_case(b"content-type") && line.value.starts_with(b"application/grpc");
        if field::class(name) != Class::Host {
            append(name, line.value, head.headers_mut());
        }
    }
    if grpc {
        // Servers insist on it, and we pass trailers on.
        head.headers_mut().insert(http::header::TE, HeaderValue::from_static("trailers"));
    }
    Some(head)
}

/// Adds a field, unless it belongs to the connection (RFC 9113 section 8.2.2).
fn append(name: &[u8], value: &[u8], headers: &mut HeaderMap) {
    let of_connection = matches!(
        field::class(name),
        Class::Connection | Class::TransferEncoding | Class::Upgrade | Class::Te | Class::HopByHop
    );
    if of_connection {
        return;
    }
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
        headers.append(name, value);
    }
}

/// Writes the head of a server's response; how its body goes on. `head`: whether it answers HEAD; `ended`: no body follows.
pub fn write_response(response: &http::response::Parts, head: bool, ended: bool, out: &mut Vec<u8>) -> Body {
    let status = response.status.as_u16();
    status_line(status, reason(status).as_bytes(), out);
    let mut length = None;
    for (name, value) in &response.headers {
        let value = value.as_bytes().trim_ascii();
        if name == http::header::CONTENT_LENGTH {
            length = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
        }
        write_field(name.as_str().as_bytes(), value, out);
    }
    let body = match length {
        _ if head || matches!(status, 100..=199 | 204 | 304) => Body::None,
        Some(length) => Body::Length(length),
        None if ended => Body::Length(0),
        None => Body::Chunked,
    };
    match body {
        Body::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Body::Length(0) if length.is_none() => number_field("Content-Length", 0, out),
        _ => {}
    }
    if status >= 200 {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
    body
}

/// Field lines of a trailer section that may be passed on.
pub fn trailers(lines: &[u8]) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    for line in crate::http1::chunked::passed_on(lines) {
        if let Some(colon) = memchr::memchr(b':', line) {
            append(&line[..colon], line[colon + 1..].trim_ascii(), &mut trailers);
        }
    }
    trailers
}

/// The same the other way.
pub fn write_trailers(trailers: &HeaderMap, out: &mut Vec<u8>) {
    for (name, value) in trailers {
        write_field(name.as_str().as_bytes(), value.as_bytes().trim_ascii(), out);
    }
}

#[cfg(test)]
mod tests;

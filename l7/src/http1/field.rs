//! Field names that mean something to a proxy; all others are passed on as they are.

/// What a field is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Host,
    ContentLength,
    TransferEncoding,
    Connection,
    Upgrade,
    Expect,
    Te,
    /// Other fields that end at each hop: Keep-Alive, Proxy-Connection, HTTP2-Settings (RFC 9110 section 7.6.1).
    HopByHop,
    Via,
    MaxForwards,
    /// What says where a request came from; believed from trusted peers only.
    Forwarding,
    Date,
    Other,
}

/// By length first: most names differ there already.
pub fn class(name: &[u8]) -> Class {
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    match name.len() {
        2 if is(b"te") => Class::Te,
        3 if is(b"via") => Class::Via,
        4 if is(b"host") => Class::Host,
        4 if is(b"date") => Class::Date,
        6 if is(b"expect") => Class::Expect,
        7 if is(b"upgrade") => Class::Upgrade,
        9 if is(b"forwarded") || is(b"x-real-ip") => Class::Forwarding,
        10 if is(b"connection") => Class::Connection,
        10 if is(b"keep-alive") => Class::HopByHop,
        12 if is(b"max-forwards") => Class::MaxForwards,
        14 if is(b"content-length") => Class::ContentLength,
        14 if is(b"http2-settings") => Class::HopByHop,
        15 if is(b"x-forwarded-for") => Class::Forwarding,
        16 if is(b"x-forwarded-host") || is(b"x-forwarded-port") => Class::Forwarding,
        16 if is(b"proxy-connection") => Class::HopByHop,
        17 if is(b"x-forwarded-proto") => Class::Forwarding,
        17 if is(b"transfer-encoding") => Class::TransferEncoding,
        18 if is(b"x-forwarded-server") => Class::Forwarding,
        _ => Class::Other,
    }
}

/// Whether a field may stand in a trailer section: nothing that frames, routes, authenticates or keeps state (RFC 9110 section 6.5.1).
pub fn may_trail(name: &[u8]) -> bool {
    const NEVER: [&[u8]; 20] = [
        b"accept",
        b"age",
        b"authorization",
        b"cache-control",
        b"content-encoding",
        b"content-range",
        b"content-type",
        b"cookie",
        b"expires",
        b"location",
        b"pragma",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"range",
        b"retry-after",
        b"set-cookie",
        b"trailer",
        b"vary",
        b"warning",
        b"www-authenticate",
    ];
    class(name) == Class::Other && !name.contains(&b'_') && !NEVER.iter().any(|never| name.eq_ignore_ascii_case(never))
}

/// The elements of a comma-separated list, without the empty ones (RFC 9110 section 5.6.1).
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// A character of a token (RFC 9110 section 5.6.2).
pub const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

//! Request targets and hosts (RFC 9112 section 3.2, RFC 3986), and the path that routes look at.

use std::borrow::Cow;

use super::Reject;

/// A target, split. All parts are as the client sent them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// What is sent on: `/path?query`, or `*`. Empty path of an absolute-form: `/`.
    pub text: &'a [u8],
    /// Of an absolute-form; replaces the Host field (RFC 9112 section 3.2.2).
    pub authority: Option<&'a [u8]>,
}

/// # Errors
/// 400; 405 for CONNECT; 421 for an https target on a connection without TLS.
pub fn parse<'a>(method: &[u8], text: &'a [u8], tls: bool) -> Result<Target<'a>, Reject> {
    if method == b"CONNECT" {
        return Err(Reject::new(405, "CONNECT is not offered"));
    }
    if !text.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#') {
        return Err(Reject::bad("character in the request target"));
    }
    if text.first() == Some(&b'/') {
        return Ok(Target { text, authority: None });
    }
    if text == b"*" {
        let fits = method == b"OPTIONS";
        return if fits { Ok(Target { text, authority: None }) } else { Err(Reject::bad("* without OPTIONS")) };
    }
    let (scheme, rest) = split_scheme(text).ok_or(Reject::bad("form of the request target"))?;
    let https = scheme.eq_ignore_ascii_case(b"https");
    if !https && !scheme.eq_ignore_ascii_case(b"http") {
        return Err(Reject::bad("scheme of the request target"));
    }
    if https != tls {
        return Err(Reject::new(421, "scheme of the request target"));
    }
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let text = match path.first() {
        Some(b'/') => path,
        Some(_) => return Err(Reject::bad("query without a path")),
        None if method == b"OPTIONS" => b"*",
        None => b"/",
    };
    Ok(Target { text, authority: Some(authority) })
}

fn split_scheme(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', text)?;
    let (scheme, rest) = (&text[..colon], text[colon..].strip_prefix(b"://")?);
    scheme.iter().all(u8::is_ascii_alphanumeric).then_some((scheme, rest))
}

/// `host[:port]` without user information (RFC 9110 section 7.2), the host not empty.
pub fn is_authority(text: &[u8]) -> bool {
    let (host, port) = if let Some(rest) = text.strip_prefix(b"[") {
        let Some(end) = memchr::memchr(b']', rest) else { return false };
        let inside = std::str::from_utf8(&rest[..end]).unwrap_or("");
        if inside.parse::<std::net::Ipv6Addr>().is_err() {
            return false;
        }
        (&rest[..end], &rest[end + 1..])
    } else {
        let end = memchr::memchr(b':', text).unwrap_or(text.len());
        let regular = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(byte);
        if !text[..end].iter().all(regular) {
            return false;
        }
        text.split_at(end)
    };
    !host.is_empty() && (port.is_empty() || is_port(port))
}

/// `:` and at most five digits that are a port; none at all is allowed (RFC 3986 section 3.2.3).
fn is_port(text: &[u8]) -> bool {
    let digits = &text[1..];
    text[0] == b':'
        && digits.len() <= 5
        && digits.iter().all(u8::is_ascii_digit)
        && digits.iter().fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0')) <= 65535
}

/// The host of an authority without its port; brackets stay.
pub fn host_of(authority: &[u8]) -> &[u8] {
    if authority.first() == Some(&b'[') {
        let end = memchr::memchr(b']', authority).map_or(authority.len(), |end| end + 1);
        return &authority[..end];
    }
    &authority[..memchr::memchr(b':', authority).unwrap_or(authority.len())]
}

/// The path for routing and rules: percent-decoded (but for `%2F`, which is data and not a separator), runs of slashes merged, dot segments
/// resolved (RFC 3986 section 5.2.4). What is sent on stays as it was.
///
/// # Errors
/// 400 for a bad or a zero escape, and for a path that climbs above its root.
pub fn normal_path(target: &[u8]) -> Result<Cow<'_, [u8]>, Reject> {
    if target == b"*" {
        // The server as a whole.
        return Ok(Cow::Borrowed(b"/"));
    }
    let path = &target[..memchr::memchr(b'?', target).unwrap_or(target.len())];
    let plain = memchr::memchr(b'%', path).is_none() && !path.windows(2).any(|two| matches!(two, b"//" | b"/."));
    if plain {
        return Ok(Cow::Borrowed(path));
    }
    let decoded = decode(path)?;
    let mut normal: Vec<u8> = Vec::with_capacity(decoded.len());
    let mut segments = decoded.split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"" | b"." if !last => {}
            b"" | b"." => normal.push(b'/'),
            b".." => {
                let parent = memchr::memrchr(b'/', &normal).ok_or(Reject::bad("path above the root"))?;
                normal.truncate(parent);
                if last {
                    normal.push(b'/');
                }
            }
            _ => {
                normal.push(b'/');
                normal.extend_from_slice(segment);
            }
        }
    }
    if normal.is_empty() {
        normal.push(b'/');
    }
    Ok(Cow::Owned(normal))
}

fn decode(path: &[u8]) -> Result<Vec<u8>, Reject> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let [high, low, tail @ ..] = rest else { return Err(Reject::bad("percent-encoding")) };
        let (Some(high), Some(low)) = (hex(*high), hex(*low)) else { return Err(Reject::bad("percent-encoding")) };
        rest = tail;
        match high << 4 | low {
            0 => return Err(Reject::bad("NUL in the path")),
            b'/' => decoded.extend_from_slice(b"%2F"),
            byte => decoded.push(byte),
        }
    }
    Ok(decoded)
}

/// The value of a hex digit.
pub const fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

//! Clients that keep their server by a cookie of ours (RFC 6265). Its value is that of nginx, so that clients keep their servers when a site
//! moves over.

use std::fmt::Write as _;
use std::net::SocketAddr;

use httparse::Header;
use md5::{Digest as _, Md5};

use crate::config::Sticky;

/// What stands for a server in cookies: MD5 of its address and port, in hexadecimal.
pub fn value(server: SocketAddr) -> String {
    Md5::digest(server.to_string()).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The line of the response that binds a client to the server of this value.
pub fn set_cookie(sticky: &Sticky, value: &str) -> String {
    let Sticky { cookie, path, domain, max_age, secure, http_only, same_site } = sticky;
    let mut line = format!("Set-Cookie: {cookie}={value}; Path={path}");
    if let Some(domain) = domain {
        let _ = write!(line, "; Domain={domain}");
    }
    if let Some(max_age) = max_age {
        let _ = write!(line, "; Max-Age={}", max_age.as_secs());
    }
    if *secure {
        line.push_str("; Secure");
    }
    if *http_only {
        line.push_str("; HttpOnly");
    }
    if let Some(same_site) = same_site {
        let _ = write!(line, "; SameSite={}", same_site.as_str());
    }
    line.push_str("\r\n");
    line
}

/// The values that a request has for a cookie. HTTP/2 may send each pair in a field of its own (RFC 9113 section 8.2.3).
pub fn values<'a>(fields: &'a [Header<'a>], cookie: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let lines = fields.iter().filter(|line| line.name.eq_ignore_ascii_case("cookie"));
    let pairs = lines.flat_map(|line| line.value.split(|byte| *byte == b';'));
    pairs.filter_map(|pair| pair.trim_ascii().strip_prefix(cookie.as_bytes())?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests;

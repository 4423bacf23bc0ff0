//! Values that are written as strings: durations, addresses, names. Each parser says in a few words why it refuses.

mod bytes;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use headgate_l7::config::{Host, Path, Pattern, Rewrite, Template};
use headgate_l7::http1::field::{self, Class};
use headgate_l7::http1::target;

use super::model::{Ports, Prefix, ServiceAddress};
pub(super) use bytes::bytes;

/// Longest interface name of the kernel: IFNAMSIZ less the final zero byte.
const INTERFACE_NAME_MAX: usize = 15;

/// Long enough for any sensible name, short enough for a column of a table.
const NAME_MAX: usize = 63;

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// `100ms`, `15m`, `1h30m`.
pub(super) fn duration(text: &str) -> Result<Duration, &'static str> {
    let mut rest = text;
    let mut total: u64 = 0;
    if rest.is_empty() {
        return Err("it is empty");
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, tail) = tail.split_at(letters);
        if number.is_empty() {
            return Err("it needs a whole number before each unit");
        }
        if unit.is_empty() {
            return Err("it needs a unit (ms, s, m, h, d)");
        }
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err("units are ms, s, m, h, d");
        };
        let part = number.parse::<u64>().ok().and_then(|n| n.checked_mul(*factor)).ok_or("it is too long")?;
        total = total.checked_add(part).ok_or("it is too long")?;
        rest = tail;
    }
    Ok(Duration::from_millis(total))
}

/// The shortest exact form [`duration`] reads.
pub fn show_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    if ms == 0 {
        return "0s".to_owned();
    }
    let (unit, factor) =
        UNITS.iter().rev().find(|(_, factor)| ms.is_multiple_of(u128::from(*factor))).unwrap_or(&UNITS[0]);
    format!("{}{unit}", ms / u128::from(*factor))
}

/// `192.0.2.1:80`, `[2001:db8::1]:80`, `192.0.2.1:8000-8099`, port 0 = all ports.
pub(super) fn service_address(text: &str) -> Result<ServiceAddress, &'static str> {
    let (host, ports) = split_port(text)?;
    let ports = ports.ok_or("the port is missing; 0 means all ports")?;
    Ok(ServiceAddress::new(ip(host)?, self::ports(ports)?))
}

/// A server: the port may be absent or 0, both keep the destination port.
pub(super) fn server_address(text: &str) -> Result<(IpAddr, Option<NonZeroU16>), &'static str> {
    let (host, port) = split_port(text)?;
    Ok((ip(host)?, port.map(self::port).transpose()?.and_then(NonZeroU16::new)))
}

/// A host of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Server {
    Ip(IpAddr),
    /// To be resolved.
    Name(String),
}

/// A server of an upstream, with a host name or an address; the port may be absent or 0.
pub(super) fn upstream_address(text: &str) -> Result<(Server, Option<NonZeroU16>), &'static str> {
    let (host, port) = split_port(text)?;
    let port = port.map(self::port).transpose()?.and_then(NonZeroU16::new);
    // What looks like an address is none that may be looked up.
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    if host.contains(':') || last.bytes().all(|b| b.is_ascii_digit()) {
        let ip = if host.parse::<IpAddr>().is_ok() { ip(host)? } else { return Err("the IP address is not valid") };
        return Ok((Server::Ip(ip), port));
    }
    Ok((Server::Name(host_name(host)?), port))
}

/// RFC 1123 section 2.1, and the underscore that some networks use.
fn host_name(text: &str) -> Result<String, &'static str> {
    const LABEL_MAX: usize = 63;
    const NAME_MAX: usize = 253;
    let name = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        (1..=LABEL_MAX).contains(&label.len()) && plain && !label.starts_with('-') && !label.ends_with('-')
    };
    if name.len() > NAME_MAX || !name.split('.').all(label) {
        return Err("a host name has labels of letters, digits, '-' and '_' with dots between them");
    }
    Ok(text.to_owned())
}

/// Where a listener listens: one address, or all of a family; never all ports.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, &'static str> {
    let (host, port) = split_port(text)?;
    let port = self::port(port.ok_or("the port is missing")?)?;
    let port = NonZeroU16::new(port).ok_or("a listener needs one port")?;
    Ok(endpoint(ip(host)?, Some(port)))
}

const SIZES: [(&str, u64); 8] = [
    ("", 1),
    ("B", 1),
    ("kB", 1000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];

/// `16KiB`, `1GiB`; a bare number is bytes.
pub(super) fn size(text: &str) -> Result<u64, &'static str> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err("it needs a whole number");
    }
    let (_, factor) =
        SIZES.iter().find(|(name, _)| *name == unit.trim_start()).ok_or("units are B, kB, KiB, MB, MiB, GB, GiB")?;
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor)).ok_or("it is too large")
}

/// The shortest exact form [`size`] reads.
pub(super) fn show_size(size: u64) -> String {
    let exact = |(_, factor): &&(&str, u64)| factor.is_power_of_two() && size != 0 && size.is_multiple_of(*factor);
    let (unit, factor) = SIZES.iter().rev().find(exact).unwrap_or(&SIZES[1]);
    format!("{}{unit}", size / factor)
}

/// The host of a route, without a port, in lower case: a name, `*.example.org`, or `~ pattern`.
pub(super) fn host(text: &str) -> Result<Host, &'static str> {
    if let Some(pattern) = text.strip_prefix('~') {
        return self::pattern(pattern).map(Host::Pattern);
    }
    let lower = text.to_ascii_lowercase();
    let (name, wildcard) = lower.strip_prefix("*.").map_or((lower.as_str(), false), |rest| (rest, true));
    let bracketed = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    match bracketed {
        Some(ip) if !wildcard && ip.parse::<Ipv6Addr>().is_ok() => Ok(Host::Exact(lower)),
        None if name.is_empty() => Err("it is empty; leave it out for any host"),
        None if !plain => Err("letters, digits, '-', '.' and a leading \"*.\" are allowed, and no port"),
        None if wildcard => Ok(Host::Wildcard(format!(".{name}"))),
        None => Ok(Host::Exact(lower)),
        Some(_) => Err("brackets need an IPv6 address between them"),
    }
}

/// The path of a route: a prefix, `= /exact`, or `~ pattern`.
pub(super) fn route_path(text: &str) -> Result<Path, &'static str> {
    if let Some(pattern) = text.strip_prefix('~') {
        return self::pattern(pattern).map(Path::Pattern);
    }
    let (path, exact) = text.strip_prefix('=').map_or((text, false), |rest| (rest.trim_start(), true));
    match path {
        _ if !path.starts_with('/') => Err("it must begin with '/'"),
        _ if path.contains(['?', '#']) => Err("the query does not belong to the path"),
        _ if path.chars().any(|c| c.is_control() || c == ' ') => Err("spaces and control characters are not allowed"),
        _ if exact => Ok(Path::Exact(path.to_owned())),
        _ => Ok(Path::Prefix(path.to_owned())),
    }
}

fn pattern(text: &str) -> Result<Pattern, &'static str> {
    Pattern::new(text.trim_start()).map_err(|_| "it is not a regular expression that is supported")
}

/// Where a redirect leads.
pub(super) fn location(text: &str) -> Result<Template, &'static str> {
    match text {
        "" => Err("it is empty"),
        _ if !text.bytes().all(|b| b.is_ascii_graphic()) => {
            Err("spaces and non-ASCII characters must be percent-encoded")
        }
        _ => template(text),
    }
}

fn template(text: &str) -> Result<Template, &'static str> {
    Template::new(text).map_err(|_| "variables are $host, $request_uri, $remote_addr and $scheme; $$ is a dollar")
}

/// The name of a field that may be changed: none of those that say how a message is framed or passed on.
pub(super) fn field_name(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || !text.bytes().all(field::is_token) {
        return Err("it must be letters, digits and hyphens");
    }
    match field::class(text.as_bytes()) {
        Class::ContentLength
        | Class::TransferEncoding
        | Class::Connection
        | Class::Upgrade
        | Class::Te
        | Class::HopByHop => Err("this field belongs to the connection"),
        _ => Ok(text.to_owned()),
    }
}

/// The value of a field, with variables.
pub(super) fn field_value(text: &str) -> Result<Template, &'static str> {
    if !text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) || text.trim() != text {
        return Err("it must be printable ASCII without blanks around it");
    }
    template(text)
}

pub(super) fn method(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
        return Err("methods are in capital letters");
    }
    Ok(text.to_owned())
}

/// Path and query of a check.
pub(super) fn check_path(text: &str) -> Result<String, &'static str> {
    if !text.starts_with('/') || !text.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
        return Err("it must begin with / and have no # or blanks");
    }
    Ok(text.to_owned())
}

/// What a check sends as `Host`.
pub(super) fn check_host(text: &str) -> Result<String, &'static str> {
    if target::is_authority(text.as_bytes()) { Ok(text.to_owned()) } else { Err("it is no host") }
}

/// `200`, `200-299`, `200-299,301`.
pub(super) fn statuses(text: &str) -> Result<Vec<RangeInclusive<u16>>, &'static str> {
    let status = |text: &str| number(text.trim()).filter(|status| (100..=599).contains(status));
    let range = |text: &str| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let range = status(first)?..=status(last)?;
        (!range.is_empty()).then_some(range)
    };
    text.split(',').map(range).collect::<Option<_>>().ok_or("statuses go from 100 to 599")
}

/// What takes the place of a path.
pub(super) fn rewrite(text: &str) -> Result<Rewrite, &'static str> {
    if !text.starts_with('/') || !text.bytes().all(|b| b.is_ascii_graphic() && b != b'?' && b != b'#') {
        return Err("it must begin with / and have no ?, # or blanks");
    }
    Ok(Rewrite::new(text.to_owned()))
}

/// `10.0.0.1/24`, `2001:db8::1/64`.
pub(super) fn prefix(text: &str) -> Result<Prefix, &'static str> {
    let (address, length) = text.split_once('/').ok_or("the prefix length is missing, e.g. 10.0.0.1/24")?;
    let address: IpAddr = ip(address)?;
    let length: u8 = number(length).ok_or("the prefix length is not a number")?;
    let max = if address.is_ipv4() { 32 } else { 128 };
    if length == 0 || length > max {
        return Err(if max == 32 { "prefix lengths go from 1 to 32" } else { "prefix lengths go from 1 to 128" });
    }
    Ok(Prefix::new(address, length))
}

/// `10.0.0.0/8`, `2001:db8::/32`, or a single address.
pub(super) fn network(text: &str) -> Result<(IpAddr, u8), &'static str> {
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let address: IpAddr = ip(address)?;
    let max = if address.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Some(max), |length| number(length).filter(|length| *length <= max));
    Ok((address, length.ok_or("prefix lengths go to 32, for IPv6 to 128")?))
}

/// The name of a network device as the kernel allows it.
pub(super) fn interface(text: &str) -> Result<String, &'static str> {
    match text {
        "" => Err("it is empty"),
        "." | ".." => Err("the kernel refuses this name"),
        _ if text.len() > INTERFACE_NAME_MAX => Err("the kernel's limit is 15 bytes"),
        _ if text.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control()) => {
            Err("'/', ':' and spaces are not allowed")
        }
        _ => Ok(text.to_owned()),
    }
}

pub(super) fn absolute(text: &str) -> Result<PathBuf, &'static str> {
    match text {
        _ if !text.starts_with('/') => Err("it must be absolute"),
        _ if text.contains('\0') => Err("it contains a zero byte"),
        _ => Ok(PathBuf::from(text)),
    }
}

/// A name an operator types and metrics carry.
pub(super) fn name(text: &str) -> Result<String, &'static str> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '/' | '@');
    match text {
        "" => Err("it is empty"),
        _ if text.len() > NAME_MAX => Err("the limit is 63 bytes"),
        _ if text.starts_with('-') => Err("it would look like an option"),
        _ if !text.chars().all(allowed) => Err("letters, digits and . _ - : / @ are allowed"),
        _ => Ok(text.to_owned()),
    }
}

/// Quotable in one line of a message.
pub(super) fn shorten(text: &str) -> String {
    const LIMIT: usize = 60;
    let clean = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut short: String = clean.clone().take(LIMIT).collect();
    if clean.count() > LIMIT {
        short.push('…');
    }
    short
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), &'static str> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, tail) = rest.split_once(']').ok_or("the closing bracket is missing")?;
        if host.parse::<Ipv6Addr>().is_err() {
            return Err("brackets need an IPv6 address between them");
        }
        return match tail.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if tail.is_empty() => Ok((host, None)),
            None => Err("after the bracket comes a colon and the port"),
        };
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok((text, None));
    }
    match text.split_once(':') {
        Some((_, port)) if port.contains(':') => Err("IPv6 addresses need brackets: [2001:db8::1]:80"),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

pub(super) fn ip(text: &str) -> Result<IpAddr, &'static str> {
    let ip: IpAddr = text.parse().map_err(|_| "the IP address is not valid (host names are not resolved)")?;
    if ip.to_canonical() == ip { Ok(ip) } else { Err("write an IPv4-mapped address as IPv4") }
}

fn ports(text: &str) -> Result<Ports, &'static str> {
    let Some((first, last)) = text.split_once('-') else {
        return Ok(NonZeroU16::new(port(text)?).map_or(Ports::All, Ports::One));
    };
    let first = NonZeroU16::new(port(first)?).ok_or("a range starts at port 1 or higher")?;
    let last = NonZeroU16::new(port(last)?).ok_or("the range ends before it starts")?;
    match first.cmp(&last) {
        std::cmp::Ordering::Less => Ok(Ports::Range { first, last }),
        std::cmp::Ordering::Equal => Ok(Ports::One(first)),
        std::cmp::Ordering::Greater => Err("the range ends before it starts"),
    }
}

fn port(text: &str) -> Result<u16, &'static str> {
    number(text).ok_or("ports go from 0 to 65535")
}

/// Digits only: `str::parse` would take a sign too.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// `IP:port` with IPv6 in brackets.
pub(super) fn endpoint(ip: IpAddr, port: Option<NonZeroU16>) -> SocketAddr {
    SocketAddr::new(ip, port.map_or(0, NonZeroU16::get))
}

#[cfg(test)]
mod tests;

//! Where a request comes from: what balancers in front have said, as far as they are believed, and what we say to servers.
//! `X-Forwarded-*` by custom, `Forwarded` by RFC 7239.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use httparse::Header;

use crate::config::{Edits, Forwarding, Style};
use crate::http1::field;
use crate::http1::request::Request;
use crate::http1::write::{write_field, write_name};

const FOR: &str = "X-Forwarded-For";
const PROTO: &str = "X-Forwarded-Proto";
const HOST: &str = "X-Forwarded-Host";
const FORWARDED: &str = "Forwarded";

/// What is said of a request.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// Address of the peer, and in words.
    pub peer: IpAddr,
    pub address: &'a str,
    /// Of the connection: "http" or "https".
    pub scheme: &'a str,
}

/// The client as a balancer in front has named it: the last address of the chain that is not one of ours. `None`: the peer itself.
pub fn client(request: &Request<'_>, peer: IpAddr, forwarding: &Forwarding) -> Option<IpAddr> {
    if !forwarding.trusted.contains(peer) {
        return None;
    }
    let mut client = None;
    for element in chain(request.fields, forwarding.style) {
        let Some(address) = element else { break };
        client = Some(address);
        if !forwarding.trusted.contains(address) {
            break;
        }
    }
    client
}

/// "http" or "https", as a balancer in front has said. `None`: as the connection is.
pub fn scheme(request: &Request<'_>, peer: IpAddr, forwarding: &Forwarding) -> Option<&'static str> {
    if !forwarding.trusted.contains(peer) {
        return None;
    }
    let said = match forwarding.style {
        Style::Forwarded => parameter(values(request.fields, FORWARDED).last()?, b"proto")?,
        Style::XForwarded | Style::Both => values(request.fields, PROTO).next()?,
    };
    match said {
        said if said.eq_ignore_ascii_case(b"https") => Some("https"),
        said if said.eq_ignore_ascii_case(b"http") => Some("http"),
        _ => None,
    }
}

/// The chain from its end. `None`: somebody who does not say who it is.
fn chain<'a>(fields: &'a [Header<'a>], style: Style) -> impl Iterator<Item = Option<IpAddr>> {
    let (name, wanted): (&str, Option<&[u8]>) = match style {
        Style::Forwarded => (FORWARDED, Some(b"for")),
        Style::XForwarded | Style::Both => (FOR, None),
    };
    let elements: Vec<&[u8]> = values(fields, name).flat_map(field::list).collect();
    elements.into_iter().rev().map(move |element| match wanted {
        Some(wanted) => node(parameter(element, wanted)?),
        None => node(element),
    })
}

fn values<'a>(fields: &'a [Header<'a>], name: &str) -> impl Iterator<Item = &'a [u8]> {
    fields.iter().filter(move |line| line.name.eq_ignore_ascii_case(name)).map(|line| line.value)
}

/// A parameter of an element of `Forwarded`, without its quotes.
fn parameter<'a>(element: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    element.split(|byte| *byte == b';').find_map(|pair| {
        let at = memchr::memchr(b'=', pair)?;
        let value = pair[at + 1..].trim_ascii();
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        pair[..at].trim_ascii().eq_ignore_ascii_case(name).then_some(value)
    })
}

/// An address, with or without a port, in brackets or not.
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let address = text
        .parse()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6))?;
    Some(address.to_canonical())
}

/// Writes the fields for the server.
pub fn write(request: &Request<'_>, said: Said<'_>, forwarding: &Forwarding, edits: &Edits, out: &mut Vec<u8>) {
    let fields = if forwarding.trusted.contains(said.peer) { request.fields } else { &[] };
    if forwarding.style != Style::Forwarded {
        let scheme = said.scheme.as_bytes();
        let append = |name: &str, before: &str, own: &[u8], out: &mut Vec<u8>| {
            if own.is_empty() || edits.removes(name.as_bytes()) {
                return;
            }
            write_name(name.as_bytes(), out);
            for value in values(fields, before) {
                out.extend_from_slice(value);
                out.extend_from_slice(b", ");
            }
            out.extend_from_slice(own);
            out.extend_from_slice(b"\r\n");
        };
        append(FOR, FOR, said.address.as_bytes(), out);
        for (name, own) in [(PROTO, scheme), (HOST, request.authority)] {
            match values(fields, name).next() {
                Some(value) if !edits.removes(name.as_bytes()) => write_field(name.as_bytes(), value, out),
                _ => append(name, "", own, out),
            }
        }
    }
    if forwarding.style != Style::XForwarded && !edits.removes(FORWARDED.as_bytes()) {
        write_name(FORWARDED.as_bytes(), out);
        for value in values(fields, FORWARDED) {
            out.extend_from_slice(value);
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(b"for=");
        // An IPv6 address is in brackets, and colons are not for tokens (section 6).
        let quotes: [&[u8]; 2] = if said.address.contains(':') { [b"\"[", b"]\""] } else { [b"", b""] };
        for part in [quotes[0], said.address.as_bytes(), quotes[1]] {
            out.extend_from_slice(part);
        }
        if !request.authority.is_empty() {
            out.extend_from_slice(b";host=\"");
            out.extend_from_slice(request.authority);
            out.push(b'"');
        }
        out.extend_from_slice(b";proto=");
        out.extend_from_slice(said.scheme.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests;

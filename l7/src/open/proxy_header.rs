//! The PROXY protocol, versions 1 and 2 (HAProxy `doc/proxy-protocol.txt`), without I/O: what a balancer in front says about a connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const V1: &[u8] = b"PROXY ";
/// Bytes of a header of version 1, CRLF included (section 2.1).
const V1_MAX: usize = 107;
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const V2_HEAD: usize = 16;
/// Bytes behind the fixed part of version 2: addresses and what is said beside them.
const V2_MAX: usize = 4096;
const TYPE_CRC32C: u8 = 0x03;

/// The most bytes that a header has.
pub const MAX: usize = V2_HEAD + V2_MAX;

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Where the connection comes from; `None` where the sender speaks for itself or does not know.
    pub source: Option<SocketAddr>,
    /// Bytes of the header.
    pub length: usize,
}

/// No header, or one that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no PROXY header: {0}")]
pub struct Malformed(pub &'static str);

/// Looks for a header at the beginning of `input`; `None`: more has to come.
pub fn parse(input: &[u8]) -> Result<Option<Header>, Malformed> {
    let begins =
        |signature: &[u8]| input[..input.len().min(signature.len())] == signature[..input.len().min(signature.len())];
    if begins(V1) {
        v1(input)
    } else if begins(V2) {
        v2(input)
    } else {
        Err(Malformed("unknown signature"))
    }
}

fn v1(input: &[u8]) -> Result<Option<Header>, Malformed> {
    let Some(end) = memchr::memchr(b'\n', &input[..input.len().min(V1_MAX)]) else {
        return if input.len() < V1_MAX { Ok(None) } else { Err(Malformed("line too long")) };
    };
    let line = input[..end].strip_suffix(b"\r").ok_or(Malformed("bare LF"))?;
    let line = std::str::from_utf8(line).map_err(|_| Malformed("not ASCII"))?;
    let length = end + 1;
    let mut words = line.split(' ').skip(1);
    let family = words.next().unwrap_or_default();
    if family == "UNKNOWN" {
        return Ok(Some(Header { source: None, length }));
    }
    let [Some(source), Some(destination), Some(port), Some(to_port), None] =
        [words.next(), words.next(), words.next(), words.next(), words.next()]
    else {
        return Err(Malformed("number of words"));
    };
    let address = |text: &str| -> Result<IpAddr, Malformed> {
        let wrong = Malformed("address");
        match family {
            "TCP4" => text.parse::<Ipv4Addr>().map(Into::into).map_err(|_| wrong),
            "TCP6" => text.parse::<Ipv6Addr>().map(Into::into).map_err(|_| wrong),
            _ => Err(Malformed("family")),
        }
    };
    let source = address(source)?;
    address(destination)?;
    let source = SocketAddr::new(source.to_canonical(), number(port)?);
    number(to_port)?;
    Ok(Some(Header { source: Some(source), length }))
}

/// A port in digits, without anything odd.
fn number(text: &str) -> Result<u16, Malformed> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain).ok_or(Malformed("port"))
}

fn v2(input: &[u8]) -> Result<Option<Header>, Malformed> {
    let Some(&[version, family, high, low]) = input.get(V2.len()..V2_HEAD).and_then(|head| head.first_chunk()) else {
        return Ok(None);
    };
    let rest = usize::from(u16::from_be_bytes([high, low]));
    if rest > V2_MAX {
        return Err(Malformed("header too long"));
    }
    let command = match version {
        0x20 => Command::Local,
        0x21 => Command::Proxy,
        _ => return Err(Malformed("version or command")),
    };
    let length = V2_HEAD + rest;
    let Some(header) = input.get(..length) else { return Ok(None) };
    let body = &header[V2_HEAD..];
    let short = Malformed("addresses cut off");
    let (source, addresses) = match family {
        0x11 => {
            let [a, b, c, d, _, _, _, _, high, low] = *body.first_chunk().ok_or(short)?;
            (Some((IpAddr::from([a, b, c, d]), u16::from_be_bytes([high, low]))), 12)
        }
        0x21 => {
            let address: [u8; 16] = *body.first_chunk().ok_or(short)?;
            let port: [u8; 2] = *body.get(32..).and_then(|ports| ports.first_chunk()).ok_or(short)?;
            (Some((IpAddr::from(address), u16::from_be_bytes(port))), 36)
        }
        0x00 => (None, body.len()),
        // Known, but no address of the internet: the connection's own stands.
        0x12 => (None, 12),
        0x22 => (None, 36),
        0x31 | 0x32 => (None, 216),
        _ => return Err(Malformed("family")),
    };
    // A sender that speaks for itself may say what it likes about addresses (section 2.2).
    if command == Command::Local {
        return Ok(Some(Header { source: None, length }));
    }
    check(header, body.get(addresses..).ok_or(short)?)?;
    let source = source.map(|(address, port)| SocketAddr::new(address.to_canonical(), port));
    Ok(Some(Header { source, length }))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    /// The connection is the sender's own, e.g. a health check.
    Local,
    Proxy,
}

/// Goes through what is said beside the addresses: it must be whole, and a checksum right. `header`: all of it.
fn check(header: &[u8], mut extensions: &[u8]) -> Result<(), Malformed> {
    while !extensions.is_empty() {
        let cut_off = Malformed("extension cut off");
        let [kind, high, low] = *extensions.first_chunk().ok_or(cut_off)?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let value = extensions.get(3..3 + length).ok_or(cut_off)?;
        if kind == TYPE_CRC32C {
            let sum: [u8; 4] = value.try_into().map_err(|_| Malformed("size of the checksum"))?;
            // It is made with zeros in its place.
            let at = header.len() - extensions.len() + 3;
            let bytes =
                header.iter().enumerate().map(|(index, byte)| if (at..at + 4).contains(&index) { 0 } else { *byte });
            if crc32c(bytes) != u32::from_be_bytes(sum) {
                return Err(Malformed("checksum"));
            }
        }
        extensions = &extensions[3 + length..];
    }
    Ok(())
}

/// CRC-32C (RFC 3720 appendix B.4), bit by bit: headers with one are rare and short.
fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    !bytes.fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| (sum >> 1) ^ if sum & 1 == 1 { POLYNOMIAL } else { 0 })
    })
}

#[cfg(test)]
mod tests;

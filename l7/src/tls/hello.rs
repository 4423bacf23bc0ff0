//! The name that a TLS client asks for, read from its first bytes without taking part in the handshake (RFC 8446 section 4.1.2, RFC 6066
//! section 3).

/// Bytes that a `ClientHello` may have with its records.
pub const MAX: usize = 16 << 10;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;

/// What the first bytes of a connection are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hello {
    /// More has to come.
    Partial,
    /// No TLS, or TLS that asks for no name.
    Unnamed,
    /// In lower case.
    Named(String),
}

/// Looks at the beginning of a connection.
pub fn hello(input: &[u8]) -> Hello {
    let mut message = Vec::new();
    let mut rest = input;
    // A hello may be cut into several records.
    loop {
        match rest {
            [] => break,
            [HANDSHAKE, 3, _, high, low, tail @ ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                let whole = tail.len() >= length;
                message.extend_from_slice(&tail[..length.min(tail.len())]);
                rest = tail.get(length..).unwrap_or_default();
                if !whole || is_whole(&message) {
                    break;
                }
            }
            [HANDSHAKE, 3, ..] | [HANDSHAKE] if rest.len() < 5 => break,
            _ => return Hello::Unnamed,
        }
    }
    if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
        return Hello::Unnamed;
    }
    if !is_whole(&message) {
        return if input.len() < MAX { Hello::Partial } else { Hello::Unnamed };
    }
    match server_name(&message[4..]) {
        Some(name) => Hello::Named(name.to_ascii_lowercase()),
        None => Hello::Unnamed,
    }
}

fn is_whole(message: &[u8]) -> bool {
    let Some([_, a, b, c]) = message.first_chunk() else { return false };
    message.len() >= 4 + u32::from_be_bytes([0, *a, *b, *c]) as usize
}

/// The name in the body of a hello. `None`: there is none, or it is no hello.
fn server_name(body: &[u8]) -> Option<&str> {
    // Version and random bytes.
    let mut reader = Reader(body.get(34..)?);
    let session = reader.byte()?;
    reader.take(session.into())?;
    let suites = reader.short()?;
    reader.take(suites.into())?;
    let compressions = reader.byte()?;
    reader.take(compressions.into())?;
    let length = reader.short()?;
    let mut extensions = Reader(reader.take(length.into())?);
    loop {
        let (kind, length) = (extensions.short()?, extensions.short()?);
        let content = extensions.take(length.into())?;
        if kind != SERVER_NAME {
            continue;
        }
        let mut content = Reader(content);
        let length = content.short()?;
        let mut names = Reader(content.take(length.into())?);
        loop {
            let (kind, length) = (names.byte()?, names.short()?);
            let name = names.take(length.into())?;
            if kind == HOST_NAME {
                let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
                return std::str::from_utf8(name)
                    .ok()
                    .filter(|name| !name.is_empty() && name.bytes().all(|b| is_plain(&b)));
            }
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn short(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(*self.take(2)?.first_chunk()?))
    }
}

#[cfg(test)]
mod tests;

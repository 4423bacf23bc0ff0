//! What kind of content a name stands for, and in which coding a client takes it.

use crate::http1::field;

/// The media type by the name's ending.
pub fn type_of(path: &[u8]) -> &'static str {
    const UNKNOWN: &str = "application/octet-stream";
    let name = &path[memchr::memrchr(b'/', path).map_or(0, |at| at + 1)..];
    let Some(dot) = memchr::memrchr(b'.', name) else { return UNKNOWN };
    let ending = std::str::from_utf8(&name[dot + 1..]).unwrap_or("");
    mime_guess::from_ext(ending).first_raw().unwrap_or(UNKNOWN)
}

/// Writes a media type; texts are UTF-8.
pub fn write(media_type: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(media_type.as_bytes());
    if media_type.starts_with("text/") {
        out.extend_from_slice(b"; charset=utf-8");
    }
}

/// Whether an Accept-Encoding names a coding with a weight above 0 (RFC 9110 section 12.5.3).
pub fn accepts(value: &[u8], coding: &str) -> bool {
    field::list(value).any(|element| {
        let mut parts = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding.as_bytes()));
        named && parts.all(|part| !is_zero_weight(part))
    })
}

fn is_zero_weight(parameter: &[u8]) -> bool {
    match parameter {
        [b'q' | b'Q', b'=', digits @ ..] => digits.iter().all(|byte| matches!(byte, b'0' | b'.')),
        _ => false,
    }
}

#[cfg(test)]
mod tests;

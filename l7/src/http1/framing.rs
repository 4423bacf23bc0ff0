//! How long a body is (RFC 9112 section 6), in the strict reading: what another recipient could read otherwise is refused.

use super::field::{self, Class};

/// The framing of a body as it is received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    None,
    Length(u64),
    Chunked,
    /// A response that ends with its connection.
    UntilClose,
}

/// What `Content-Length` and `Transfer-Encoding` say together.
#[derive(Debug, Default, Clone, Copy)]
pub struct Framing {
    length: Option<u64>,
    codings: Codings,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Codings {
    #[default]
    None,
    Chunked,
    /// A coding we do not know.
    Unknown,
    /// `chunked` is not the only and last word.
    Malformed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    Length,
    Repeated,
    Coding,
    UnknownCoding,
    LengthAndCoding,
    /// In a message of HTTP/1.0.
    CodingInOld,
}

impl Framing {
    /// Takes a field into account.
    pub fn field(&mut self, class: Class, value: &[u8]) -> Result<(), Bad> {
        match class {
            Class::ContentLength => {
                let length = length(value).ok_or(Bad::Length)?;
                if self.length.replace(length).is_some() {
                    return Err(Bad::Repeated);
                }
            }
            Class::TransferEncoding => {
                self.codings = match self.codings {
                    Codings::None => coding(value),
                    _ => Codings::Malformed,
                };
            }
            _ => {}
        }
        Ok(())
    }

    /// The verdict once all fields are known; `None` when no field says anything.
    pub fn body(self, minor: u8) -> Result<Option<Body>, Bad> {
        match (self.codings, self.length) {
            (Codings::None, None) => Ok(None),
            (Codings::None, Some(length)) => Ok(Some(Body::Length(length))),
            (_, Some(_)) => Err(Bad::LengthAndCoding),
            (_, None) if minor == 0 => Err(Bad::CodingInOld),
            (Codings::Chunked, None) => Ok(Some(Body::Chunked)),
            (Codings::Unknown, None) => Err(Bad::UnknownCoding),
            (Codings::Malformed, None) => Err(Bad::Coding),
        }
    }

    pub fn length(self) -> Option<u64> {
        self.length
    }
}

/// Digits only, no overflow (RFC 9110 section 8.6).
fn length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 32 {
        return None;
    }
    value.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

fn coding(value: &[u8]) -> Codings {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Codings::Chunked;
    }
    let mut unknown = false;
    let mut chunked = 0;
    for element in field::list(value) {
        if element.eq_ignore_ascii_case(b"chunked") {
            chunked += 1;
        } else {
            unknown = unknown || element.iter().all(|byte| field::is_token(*byte));
        }
    }
    // "chunked" with anything around it is ambiguous; a coding of its own is merely unknown.
    let last = field::list(value).last().is_some_and(|last| last.eq_ignore_ascii_case(b"chunked"));
    if unknown && (chunked == 0 || (chunked == 1 && last)) { Codings::Unknown } else { Codings::Malformed }
}

#[cfg(test)]
mod tests;

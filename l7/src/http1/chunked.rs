//! The chunked transfer coding (RFC 9112 section 7.1), exact to the byte: CRLF only, extensions bounded and dropped, trailers collected.

use super::field;
use super::target::hex;

/// Bytes of all size lines that may come per chunk on average, and a little to begin with: a body is not mostly framing.
const LINE_MAX: usize = 4096;
/// Digits of a size, leading zeros included.
const DIGITS_MAX: u8 = 16;
/// Bytes of a trailer section.
const TRAILERS_MAX: usize = 16 << 10;

/// A decoder. Feed it what comes, piece by piece.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
    left: u64,
    digits: u8,
    /// Bytes of the line or section being read.
    line: usize,
    trailers: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    /// Blanks after the size, which only an extension may follow.
    Blank,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailers,
    End,
}

/// What the beginning of the input is. The `usize` counts from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// Framing of this many bytes; more input is needed.
    Framing(usize),
    /// After so many bytes of framing so many of the body.
    Data { framing: usize, length: usize },
    /// The message ends after so many bytes.
    End(usize),
}

/// Not the chunked coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl Decoder {
    /// Looks at the beginning of `input`. What a piece covers must not be fed again.
    pub fn next(&mut self, input: &[u8]) -> Result<Piece, Malformed> {
        let mut at = 0;
        while at < input.len() {
            if self.state == State::Data {
                let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len() - at);
                self.left -= length as u64;
                if self.left == 0 {
                    self.state = State::DataCr;
                }
                return Ok(Piece::Data { framing: at, length });
            }
            if self.state == State::Trailers {
                at += self.trailer(&input[at..])?;
            } else {
                self.framing(input[at])?;
                at += 1;
            }
            if self.state == State::End {
                return Ok(Piece::End(at));
            }
        }
        Ok(Piece::Framing(at))
    }

    /// Whether the last chunk and the trailers have been seen.
    pub fn has_ended(&self) -> bool {
        self.state == State::End
    }

    /// The trailer section: field lines, each with its CRLF, checked.
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    fn framing(&mut self, byte: u8) -> Result<(), Malformed> {
        self.line += 1;
        if self.line > LINE_MAX {
            return Err(Malformed);
        }
        self.state = match (self.state, byte) {
            (State::Size, b'\r') if self.digits > 0 => State::SizeLf,
            (State::Size, b';') if self.digits > 0 => State::Extension,
            (State::Size, b' ' | b'\t') if self.digits > 0 => State::Blank,
            (State::Size, byte) => {
                let digit = hex(byte).ok_or(Malformed)?;
                self.digits += 1;
                if self.digits > DIGITS_MAX {
                    return Err(Malformed);
                }
                self.left = self.left << 4 | u64::from(digit);
                State::Size
            }
            (State::Blank, b' ' | b'\t') => State::Blank,
            (State::Blank, b';') => State::Extension,
            (State::Extension, b'\r') => State::SizeLf,
            // A quoted string could hide a line end from a recipient that knows quotes and show it to one that does not.
            (State::Extension, b'\t' | b' '..=b'~' | 0x80..) => State::Extension,
            (State::SizeLf, b'\n') => {
                self.digits = 0;
                self.line = 0;
                if self.left == 0 { State::Trailers } else { State::Data }
            }
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => {
                self.line = 0;
                State::Size
            }
            _ => return Err(Malformed),
        };
        Ok(())
    }

    /// Collects whole lines until the empty one; the bytes used.
    fn trailer(&mut self, input: &[u8]) -> Result<usize, Malformed> {
        let used = memchr::memchr(b'\n', input).map_or(input.len(), |end| end + 1);
        self.trailers.extend_from_slice(&input[..used]);
        if self.trailers.len() > TRAILERS_MAX {
            return Err(Malformed);
        }
        if self.trailers.last() == Some(&b'\n') {
            let begin = self.line;
            let line = self.trailers[begin..].strip_suffix(b"\r\n").ok_or(Malformed)?;
            if line.is_empty() {
                self.trailers.truncate(begin);
                self.state = State::End;
            } else if !is_field(line) {
                return Err(Malformed);
            }
            self.line = self.trailers.len();
        }
        Ok(used)
    }
}

/// `name: value` with nothing odd in it.
fn is_field(line: &[u8]) -> bool {
    let Some(colon) = memchr::memchr(b':', line) else { return false };
    let (name, value) = line.split_at(colon);
    !name.is_empty()
        && name.iter().all(|byte| field::is_token(*byte))
        && value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..))
}

/// Name and value of each field of a checked trailer section that may be passed on.
pub fn passed_on(trailers: &[u8]) -> impl Iterator<Item = &[u8]> {
    trailers.split_inclusive(|byte| *byte == b'\n').filter(|line| {
        let end = memchr::memchr(b':', line).unwrap_or(0);
        field::may_trail(&line[..end])
    })
}

/// Writes the line that begins a chunk.
pub fn write_size(length: usize, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let significant = (usize::BITS - length.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..significant).rev() {
        out.push(DIGITS[length >> (digit * 4) & 15]);
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes the last chunk, the trailers that may be passed on, and the end.
pub fn write_end(trailers: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    for line in passed_on(trailers) {
        out.extend_from_slice(line);
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;

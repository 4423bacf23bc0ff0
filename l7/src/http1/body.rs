//! A body as it comes, piece by piece, whatever its framing.

use super::Body;
use super::chunked::{Decoder, Malformed, Piece};

/// Finds the body in what is read. Feed it from the first byte behind the head.
#[derive(Debug)]
pub enum Reader {
    /// So many bytes are left.
    Length(u64),
    Chunked(Decoder),
    UntilClose,
}

impl Reader {
    pub fn new(body: Body) -> Self {
        match body {
            Body::None => Self::Length(0),
            Body::Length(length) => Self::Length(length),
            Body::Chunked => Self::Chunked(Decoder::default()),
            Body::UntilClose => Self::UntilClose,
        }
    }

    /// What the beginning of the input is. What a piece covers must not be fed again.
    ///
    /// # Errors
    /// When the chunked coding is malformed.
    pub fn next(&mut self, input: &[u8]) -> Result<Piece, Malformed> {
        match self {
            Self::Length(0) => Ok(Piece::End(0)),
            Self::Length(left) => {
                let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= length as u64;
                Ok(if length == 0 { Piece::Framing(0) } else { Piece::Data { framing: 0, length } })
            }
            Self::Chunked(decoder) => decoder.next(input),
            Self::UntilClose if input.is_empty() => Ok(Piece::Framing(0)),
            Self::UntilClose => Ok(Piece::Data { framing: 0, length: input.len() }),
        }
    }

    /// Whether the message is complete.
    pub fn has_ended(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(decoder) => decoder.has_ended(),
            Self::UntilClose => false,
        }
    }

    /// Whether the end of the stream is the end of the message.
    pub fn ends_with_stream(&self) -> bool {
        matches!(self, Self::UntilClose)
    }

    /// Checked field lines behind a chunked body.
    pub fn trailers(&self) -> &[u8] {
        match self {
            Self::Chunked(decoder) => decoder.trailers(),
            _ => b"",
        }
    }
}

#[cfg(test)]
mod tests;

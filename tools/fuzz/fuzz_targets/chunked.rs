//! Chunked bodies: in pieces of any size they decode as at once and as a second decoder says; framed anew they are the same bytes.
//!
//! The first byte is the size of the pieces.
#![no_main]

use headgate_fuzz::http::{chunks, read, show};
use headgate_l7::http1::Body;
use headgate_l7::http1::body::Reader;
use headgate_l7::http1::chunked::{Malformed, Piece, passed_on, write_end, write_size};
use libfuzzer_sys::fuzz_target;

/// What has been decoded.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Message {
    body: Vec<u8>,
    trailers: Vec<u8>,
    /// Bytes of the input that belong to it; `None` when it is not whole.
    used: Option<usize>,
    /// As it goes on.
    anew: Vec<u8>,
}

fuzz_target!(|bytes: &[u8]| {
    let Some((size, bytes)) = bytes.split_first() else { return };
    let whole = decode(bytes, bytes.len().max(1));
    let pieces = decode(bytes, usize::from(*size).max(1));
    let (Ok(whole), Ok(pieces)) = (&whole, &pieces) else {
        assert_eq!(whole.is_err(), pieces.is_err(), "malformed only in pieces or only at once");
        return;
    };
    assert_eq!(
        (&whole.body, &whole.trailers, whole.used),
        (&pieces.body, &pieces.trailers, pieces.used),
        "in pieces of {size}"
    );
    let Some(used) = whole.used else { return };
    let naive = chunks(bytes).unwrap_or_else(|| panic!("only we take {}", show(bytes)));
    assert_eq!((naive.0.as_slice(), naive.1, naive.2), (whole.body.as_slice(), whole.trailers.as_slice(), used));
    let kept: Vec<u8> = passed_on(&whole.trailers).flatten().copied().collect();
    check_trailers(&kept);
    for message in [whole, pieces] {
        let again = decode(&message.anew, message.anew.len()).expect("our own coding");
        assert_eq!(again.used, Some(message.anew.len()), "{}", show(&message.anew));
        assert_eq!((&again.body, &again.trailers), (&message.body, &kept));
    }
});

/// Feeds the decoder as connections do, with what came so far and has not been used.
fn decode(bytes: &[u8], size: usize) -> Result<Message, Malformed> {
    let mut reader = Reader::new(Body::Chunked);
    let mut message = Message::default();
    let (mut at, mut known) = (0, 0);
    loop {
        match reader.next(&bytes[at..known])? {
            Piece::Data { framing, length } => {
                assert!(length > 0 && at + framing + length <= known);
                let data = &bytes[at + framing..at + framing + length];
                message.body.extend_from_slice(data);
                write_size(length, &mut message.anew);
                message.anew.extend_from_slice(data);
                message.anew.extend_from_slice(b"\r\n");
                at += framing + length;
            }
            Piece::End(used) => {
                assert!(reader.has_ended());
                message.trailers = reader.trailers().to_vec();
                message.used = Some(at + used);
                write_end(&message.trailers, &mut message.anew);
                return Ok(message);
            }
            Piece::Framing(used) => {
                at += used;
                assert!(at <= known && !reader.has_ended());
                if known == bytes.len() {
                    return Ok(message);
                }
                known = (known + size).min(bytes.len());
            }
        }
    }
}

/// What goes on as a trailer is a field, and none that frames or routes.
fn check_trailers(lines: &[u8]) {
    let text = [b"HTTP/1.1 200 OK\r\n", lines, b"\r\n"].concat();
    let head = read(&text);
    for never in ["host", "content-length", "transfer-encoding", "connection", "authorization", "x-forwarded-for"] {
        assert!(head.all(never).is_empty(), "{never} in a trailer");
    }
}

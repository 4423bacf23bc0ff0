use super::*;

/// Body, trailers and bytes used, fed `step` bytes at a time.
fn read(body: Body, input: &[u8], step: usize) -> Result<(Vec<u8>, Vec<u8>, usize), Malformed> {
    let mut reader = Reader::new(body);
    let (mut at, mut end, mut data) = (0, 0, Vec::new());
    while !reader.has_ended() && end < input.len() {
        end = (end + step).min(input.len());
        loop {
            match reader.next(&input[at..end])? {
                Piece::Data { framing, length } => {
                    data.extend_from_slice(&input[at + framing..at + framing + length]);
                    at += framing + length;
                }
                Piece::Framing(used) => {
                    at += used;
                    break;
                }
                Piece::End(used) => {
                    at += used;
                    return Ok((data, reader.trailers().to_vec(), at));
                }
            }
        }
    }
    Ok((data, reader.trailers().to_vec(), at))
}

#[test]
fn every_framing_ends_where_it_should_however_it_comes() {
    let cases: [(Body, &[u8], &[u8], usize); 4] = [
        (Body::None, b"next", b"", 0),
        (Body::Length(3), b"abcnext", b"abc", 3),
        (Body::Chunked, b"2\r\nab\r\n1;x=y\r\nc\r\n0\r\nA: b\r\n\r\nnext", b"abc", 28),
        (Body::UntilClose, b"abc", b"abc", 3),
    ];
    for (body, input, data, used) in cases {
        for step in [1, 2, 3, 7, 100] {
            let (got, trailers, at) = read(body, input, step).unwrap();
            assert_eq!((got.as_slice(), at), (data, used), "{body:?} in steps of {step}");
            assert_eq!(trailers, if body == Body::Chunked { b"A: b\r\n".as_slice() } else { b"" });
        }
    }
}

#[test]
fn what_is_cut_off_has_not_ended() {
    let mut reader = Reader::new(Body::Length(3));
    assert_eq!(reader.next(b"ab"), Ok(Piece::Data { framing: 0, length: 2 }));
    assert_eq!(reader.next(b""), Ok(Piece::Framing(0)));
    assert!(!reader.has_ended() && !reader.ends_with_stream());
    assert!(Reader::new(Body::UntilClose).ends_with_stream());
}

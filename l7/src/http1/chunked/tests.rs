use proptest::prelude::*;

use super::*;

fn decode(input: &[u8]) -> Result<(Vec<u8>, bool), Malformed> {
    let mut decoder = Decoder::default();
    let (mut at, mut data) = (0, Vec::new());
    loop {
        match decoder.next(&input[at..])? {
            Piece::Data { framing, length } => {
                data.extend_from_slice(&input[at + framing..at + framing + length]);
                at += framing + length;
            }
            Piece::Framing(used) => {
                at += used;
                if at == input.len() {
                    return Ok((data, false));
                }
            }
            Piece::End(used) => {
                assert!(at + used <= input.len());
                return Ok((data, true));
            }
        }
    }
}

#[test]
fn what_is_malformed_is_refused() {
    for bad in [
        "x\r\n",
        "\r\n",
        "-1\r\n",
        "+1\r\n",
        "0x1\r\n",
        "1_0\r\n",
        " 1\r\n",
        "1 \r\na\r\n",
        "1\na\r\n",
        "1\r\nab\r\n",
        "1\r\na\n",
        "1\r\r\n",
        "1;a\nb\r\n",
        "1;\x01\r\n",
        "00000000000000001\r\n",
        "fffffffffffffffff\r\n",
        "0\r\nbad name: x\r\n\r\n",
        "0\r\nno colon\r\n\r\n",
        "0\r\na: b\n\r\n",
        "0\r\n: b\r\n\r\n",
        "0\r\na: \x00\r\n\r\n",
    ] {
        assert_eq!(decode(bad.as_bytes()), Err(Malformed), "{bad:?}");
    }
    assert_eq!(decode(format!("1;{}\r\n", "a".repeat(5000)).as_bytes()), Err(Malformed), "a long extension");
    let many = "0\r\n".to_owned() + &"a: b\r\n".repeat(4000);
    assert_eq!(decode(many.as_bytes()), Err(Malformed), "many trailers");
}

#[test]
fn sizes_and_ends_are_written_as_they_are_read() {
    for (length, line) in [(0, "0\r\n"), (1, "1\r\n"), (16, "10\r\n"), (0xabcdef, "abcdef\r\n")] {
        let mut out = Vec::new();
        write_size(length, &mut out);
        assert_eq!(out, line.as_bytes());
    }
    let mut out = Vec::new();
    write_end(b"X-Sum: 1\r\nContent-Length: 3\r\nHost: x\r\nX_A: 1\r\n", &mut out);
    assert_eq!(out, b"0\r\nX-Sum: 1\r\n\r\n");
}

proptest! {
    #[test]
    fn whatever_is_written_is_read(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..200), 0..20)) {
        let mut out = Vec::new();
        for part in &parts {
            write_size(part.len(), &mut out);
            out.extend_from_slice(part);
            out.extend_from_slice(b"\r\n");
        }
        write_end(b"", &mut out);
        prop_assert_eq!(decode(&out), Ok((parts.concat(), true)));
        prop_assert_eq!(decode(&out[..out.len() - 1]).map(|(_, ended)| ended), Ok(false));
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(input in prop::collection::vec(prop::sample::select(b"0123afF;=\r\n \tx\x00".to_vec()), 0..60)) {
        let _ = decode(&input);
    }
}

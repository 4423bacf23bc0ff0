use proptest::prelude::*;

use super::*;

fn header(source: &str, length: usize) -> Header {
    Header { source: Some(source.parse().unwrap()), length }
}

fn binary(version: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [V2, &[version, family], &length, body].concat()
}

#[test]
fn version_1_names_the_client() {
    let line = b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\nGET /";
    assert_eq!(parse(line), Ok(Some(header("192.0.2.7:56324", 41))));
    assert_eq!(parse(b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n"), Ok(Some(header("[2001:db8::1]:1", 32))));
    assert_eq!(parse(b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n"), Ok(Some(header("192.0.2.7:1", 37))), "mapped");
    assert_eq!(parse(b"PROXY UNKNOWN whatever\r\n"), Ok(Some(Header { source: None, length: 24 })));
    for end in 0..40 {
        assert_eq!(parse(&line[..end]), Ok(None), "{end} bytes");
    }
}

#[test]
fn version_1_is_read_strictly() {
    for line in [
        "PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\n",
        "PROXY TCP4 192.0.2.7  10.0.0.1 56324 443\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 56324 443 \r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 056 443\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 +56 443\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 65536 443\r\n",
        "PROXY TCP4 2001:db8::1 ::1 1 2\r\n",
        "PROXY TCP6 192.0.2.7 10.0.0.1 1 2\r\n",
        "PROXY TCP5 192.0.2.7 10.0.0.1 1 2\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 1\r\n",
        "PROXY\r\n",
        "proxy TCP4 192.0.2.7 10.0.0.1 1 2\r\n",
        "GET / HTTP/1.1\r\n",
    ] {
        assert!(parse(line.as_bytes()).is_err(), "{line:?}");
    }
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
    assert_eq!(parse(long.as_bytes()), Err(Malformed("line too long")));
}

#[test]
fn version_2_names_the_client() {
    let v4 = [192, 0, 2, 7, 10, 0, 0, 1, 0xdc, 4, 1, 0xbb];
    assert_eq!(parse(&binary(0x21, 0x11, &v4)), Ok(Some(header("192.0.2.7:56324", 28))));
    let mut v6 = [0; 36];
    v6[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
    v6[33] = 80;
    assert_eq!(parse(&binary(0x21, 0x21, &v6)), Ok(Some(header("[2001:db8::]:80", 52))));
    for (version, family, body) in
        [(0x20, 0, &[][..]), (0x20, 0x11, &v4), (0x21, 0, b"\x04\x00\x00"), (0x21, 0x31, &[0; 216])]
    {
        let bytes = binary(version, family, body);
        assert_eq!(parse(&bytes), Ok(Some(Header { source: None, length: bytes.len() })), "{version:x} {family:x}");
    }
    let whole = binary(0x21, 0x11, &v4);
    for end in 0..whole.len() {
        assert_eq!(parse(&whole[..end]), Ok(None), "{end} bytes");
    }
}

#[test]
fn version_2_is_read_strictly() {
    let v4 = [0; 12];
    for (version, family, body) in [
        (0x11, 0x11, &v4[..]),
        (0x22, 0x11, &v4),
        (0x21, 0x41, &v4),
        (0x21, 0x11, &v4[..11]),
        (0x21, 0x11, &[v4.as_slice(), &[4, 0, 9, 1]].concat()),
        (0x21, 0x11, &vec![0; 4097]),
    ] {
        assert!(parse(&binary(version, family, body)).is_err(), "{version:x} {family:x} {}", body.len());
    }
}

#[test]
fn a_checksum_has_to_be_right() {
    assert_eq!(crc32c(b"123456789".iter().copied()), 0xe306_9283, "the check value of CRC-32C");
    let body = [[0; 12].as_slice(), &[4, 0, 1, 7], &[TYPE_CRC32C, 0, 4, 0, 0, 0, 0]].concat();
    let mut bytes = binary(0x21, 0x11, &body);
    let sum = crc32c(bytes.iter().copied());
    let at = bytes.len() - 4;
    bytes[at..].copy_from_slice(&sum.to_be_bytes());
    assert!(parse(&bytes).is_ok());
    bytes[at] ^= 1;
    assert_eq!(parse(&bytes), Err(Malformed("checksum")));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic_or_read_beyond(prefix in 0..3_usize, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let input = [[b"".as_slice(), V1, V2][prefix], &bytes].concat();
        if let Ok(Some(header)) = parse(&input) {
            prop_assert!(header.length <= input.len() && header.length <= MAX);
        }
    }
}

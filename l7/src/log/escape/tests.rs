use super::*;

fn in_text(value: &[u8]) -> String {
    let mut out = Vec::new();
    text(value, &mut out);
    String::from_utf8(out).unwrap()
}

fn in_json(value: &[u8]) -> String {
    let mut out = Vec::new();
    json(value, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn text_is_escaped_as_nginx_does() {
    assert_eq!(in_text(b"/plain?a=b c~"), "/plain?a=b c~");
    assert_eq!(in_text(b"a\"b\\c\r\n\x00\x7f\x80\xff"), r"a\x22b\x5Cc\x0D\x0A\x00\x7F\x80\xFF");
    assert_eq!(in_text("é".as_bytes()), r"\xC3\xA9");
    assert_eq!(in_text(b""), "");
}

#[test]
fn json_is_valid_and_means_the_same() {
    for text in ["", "plain", "a\"b\\c\n\t\u{1}\u{7f}", "é漢🦀", "\\\\\"\""] {
        let written = in_json(text.as_bytes());
        assert!(!written.bytes().any(|byte| byte < 0x20), "{written}");
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text, "{written}");
    }
}

#[test]
fn bytes_that_are_no_utf8_are_replaced() {
    assert_eq!(serde_json::from_str::<String>(&in_json(b"a\xffb\xc3")).unwrap(), "a\u{fffd}b\u{fffd}");
}

#[test]
fn odd_bytes_are_found_wherever_they_stand() {
    for length in 1..50 {
        for at in 0..length {
            let mut value = vec![b'x'; length];
            value[at] = b'"';
            let expected = |escaped: &str| format!("{}{escaped}{}", "x".repeat(at), "x".repeat(length - at - 1));
            assert_eq!(in_text(&value), expected(r"\x22"));
            assert_eq!(in_json(&value), format!("\"{}\"", expected(r#"\""#)));
        }
    }
}

#[test]
fn nothing_ends_a_line() {
    let all: Vec<u8> = (0..=255).collect();
    for written in [in_text(&all), in_json(&all)] {
        assert!(!written.bytes().any(|byte| matches!(byte, b'\n' | b'\r' | 0)), "{written}");
    }
    assert!(in_text(&all).is_ascii());
}

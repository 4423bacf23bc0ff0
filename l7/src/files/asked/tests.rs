use super::*;
use crate::config::Limits;
use crate::http1::request::parse;
use crate::http1::target::normal_path;

fn asked(request: &str) -> Vec<u8> {
    let mut entries = Vec::new();
    let text = format!("{request}\r\n\r\n");
    parse(text.as_bytes(), &Limits::default(), false, |request| {
        Asked::write(request, &normal_path(request.target).unwrap(), &mut entries);
    })
    .unwrap()
    .unwrap();
    entries
}

#[test]
fn what_was_asked_is_read_back() {
    let entries = asked(
        "GET /a%20b?x=/../y HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"a\"\r\nif-none-match: \"b\"\r\nRange: bytes=0-1\r\nX: y",
    );
    let asked = Asked::read(&entries);
    assert_eq!(asked.path(), b"/a b");
    assert_eq!(asked.first(Tag::Query), Some(b"?x=/../y".as_slice()));
    assert_eq!(asked.all(Tag::IfNoneMatch).collect::<Vec<_>>(), [b"\"a\"", b"\"b\""]);
    assert_eq!(asked.only(Tag::IfNoneMatch), None);
    assert_eq!(asked.only(Tag::Range), Some(b"bytes=0-1".as_slice()));
    assert_eq!(asked.first(Tag::OtherMethod), None);
    assert!(Asked::read(&self::asked("PUT / HTTP/1.1\r\nHost: h")).first(Tag::OtherMethod).is_some());
}

#[test]
fn a_folder_is_on_this_host_whatever_it_is_called() {
    for (target, location) in [
        ("/dir", "/dir/"),
        ("/dir?a=b&c", "/dir/?a=b&c"),
        ("//evil.example", "/evil.example/"),
        ("/%5cevil.example", "/%5Cevil.example/"),
        ("/a%20b%0d%0aSet-Cookie:x", "/a%20b%0D%0ASet-Cookie:x/"),
        ("/a%3Fb%23c", "/a%3Fb%23c/"),
    ] {
        let entries = asked(&format!("GET {target} HTTP/1.1\r\nHost: h"));
        assert_eq!(Asked::read(&entries).location_of_folder(), location, "{target}");
    }
}

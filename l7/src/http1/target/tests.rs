use proptest::prelude::*;

use super::*;

fn normal(target: &str) -> Result<String, u16> {
    normal_path(target.as_bytes())
        .map(|path| String::from_utf8_lossy(&path).into_owned())
        .map_err(|reject| reject.status)
}

#[test]
fn paths_are_decoded_and_resolved() {
    for (target, path) in [
        ("/", "/"),
        ("/a/b?c=/../d", "/a/b"),
        ("/a//b", "/a/b"),
        ("/./a/./b/.", "/a/b/"),
        ("/a/../b/..", "/"),
        ("/%61%2e%2E/x", "/a../x"),
        ("/a/%2e%2e/b", "/b"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a;x=1/b", "/a;x=1/b"),
        ("*", "/"),
    ] {
        assert_eq!(normal(target), Ok(path.to_owned()), "{target}");
    }
    for bad in ["/..", "/a/../../b", "/%2e%2e/", "/%", "/%4", "/%zz", "/%00"] {
        assert_eq!(normal(bad), Err(400), "{bad}");
    }
}

#[test]
fn targets_have_one_of_three_forms() {
    let split = |method: &str, text: &'static str| {
        parse(method.as_bytes(), text.as_bytes(), false)
            .map(|target| (String::from_utf8_lossy(target.text).into_owned(), target.authority.map(<[u8]>::to_vec)))
            .map_err(|reject| reject.status)
    };
    assert_eq!(split("GET", "/a?b"), Ok(("/a?b".to_owned(), None)));
    assert_eq!(split("GET", "http://h:1/a"), Ok(("/a".to_owned(), Some(b"h:1".to_vec()))));
    assert_eq!(split("GET", "http://h"), Ok(("/".to_owned(), Some(b"h".to_vec()))));
    assert_eq!(split("OPTIONS", "http://h"), Ok(("*".to_owned(), Some(b"h".to_vec()))));
    assert_eq!(split("OPTIONS", "*"), Ok(("*".to_owned(), None)));
    for (method, text, status) in [
        ("GET", "*", 400),
        ("GET", "a/b", 400),
        ("GET", "/a#b", 400),
        ("GET", "https://h/", 421),
        ("GET", "ftp://h/", 400),
        ("GET", "http://h?x", 400),
        ("CONNECT", "h:443", 405),
    ] {
        assert_eq!(split(method, text), Err(status), "{method} {text}");
    }
}

#[test]
fn authorities_are_host_and_port() {
    for good in ["a", "a.b-c_d", "a:1", "a:", "192.0.2.1:65535", "[::1]", "[2001:db8::1]:80", "a%20b"] {
        assert!(is_authority(good.as_bytes()), "{good}");
    }
    for bad in
        ["", ":80", "a:65536", "a:x", "a:1:2", "u@a", "a/b", "a b", "[::1", "[::g]", "[::1]x", "[]", "a\\b", "a?b"]
    {
        assert!(!is_authority(bad.as_bytes()), "{bad}");
    }
    assert_eq!(host_of(b"[::1]:80"), b"[::1]");
    assert_eq!(host_of(b"a:80"), b"a");
}

proptest! {
    #[test]
    fn normal_paths_are_normal(target in "/[a-c./%25ef]{0,30}") {
        if let Ok(path) = normal_path(target.as_bytes()) {
            prop_assert!(path.starts_with(b"/"));
            prop_assert!(!path.split(|byte| *byte == b'/').any(|segment| segment == b"..") || target.contains("%25"), "{target}");
        }
    }
}

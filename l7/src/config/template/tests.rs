use super::*;

const VALUES: Values<'_> = Values { host: b"a.test", request_uri: b"/x?y", remote_addr: "192.0.2.1", scheme: "https" };

#[test]
fn variables_are_filled_in() {
    let filled = |text: &str| {
        let mut out = Vec::new();
        Template::new(text).unwrap().write(&VALUES, &mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(filled("$scheme://$host$request_uri"), "https://a.test/x?y");
    assert_eq!(filled("from $remote_addr, $$5"), "from 192.0.2.1, $5");
    assert_eq!(filled(""), "");
}

#[test]
fn unknown_variables_are_refused_and_others_shown_as_written() {
    for text in ["$nonsense", "a$", "$ host"] {
        assert_eq!(Template::new(text), Err(UnknownVariable), "{text}");
    }
    for text in ["https://$host$request_uri", "a$$b", ""] {
        assert_eq!(Template::new(text).unwrap().to_string(), text);
    }
}

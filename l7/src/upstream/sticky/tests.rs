use std::time::Duration;

use httparse::Header;

use super::{set_cookie, value, values};
use crate::config::{SameSite, Sticky};

#[test]
fn servers_have_the_values_of_nginx() {
    // printf 127.0.0.1:9001 | md5sum
    assert_eq!(value("127.0.0.1:9001".parse().unwrap()), "422db4e6da7b4bba46bd476612df0469");
    assert_eq!(value("[::1]:80".parse().unwrap()), "c1308178d10b33ec4a853215e9af4ea2");
}

#[test]
fn the_line_has_what_is_wanted() {
    let plain = Sticky::new("srv".to_owned());
    assert_eq!(set_cookie(&plain, "abc"), "Set-Cookie: srv=abc; Path=/; HttpOnly\r\n");
    let full = Sticky {
        path: "/app".to_owned(),
        domain: Some("example.org".to_owned()),
        max_age: Some(Duration::from_mins(2)),
        secure: true,
        http_only: false,
        same_site: Some(SameSite::None),
        ..plain
    };
    let expected = "Set-Cookie: srv=abc; Path=/app; Domain=example.org; Max-Age=120; Secure; SameSite=None\r\n";
    assert_eq!(set_cookie(&full, "abc"), expected);
}

#[test]
fn cookies_are_found_among_others() {
    let field = |name, value: &'static str| Header { name, value: value.as_bytes() };
    let fields =
        [field("Cookie", "a=1; srv=x;srv=y ; xsrv=no; srvx=no; srv"), field("X", "srv=no"), field("cookie", "srv=")];
    assert_eq!(values(&fields, "srv").collect::<Vec<_>>(), [&b"x"[..], b"y", b""]);
}

use super::*;
use crate::config::{Action, ErrorPages};

fn route(host: Host, path: Path) -> Route {
    Route {
        host,
        path,
        action: Action::Respond { status: 200, body: String::new() },
        error_pages: ErrorPages::default(),
    }
}

fn prefix(path: &str) -> Path {
    Path::Prefix(path.to_owned())
}

#[test]
fn the_most_specific_route_is_taken() {
    let exact = Host::Exact("www.example.org".to_owned());
    let router = Router::new(&[
        route(Host::Any, prefix("/")),
        route(Host::Any, prefix("/admin/")),
        route(Host::Wildcard(".example.org".to_owned()), prefix("/")),
        route(exact.clone(), prefix("/")),
        route(exact.clone(), prefix("/static/")),
        route(exact, Path::Exact("/static/logo".to_owned())),
        route(Host::Wildcard(".b.example.org".to_owned()), prefix("/only")),
    ]);
    let find = |host: &str, path: &str| router.find(host.as_bytes(), path.as_bytes());
    assert_eq!(find("other.test", "/"), Some(0));
    assert_eq!(find("other.test", "/admin/x"), Some(1));
    assert_eq!(find("other.test", "/admin"), Some(0));
    assert_eq!(find("a.example.org:8080", "/admin/x"), Some(2));
    assert_eq!(find("example.org", "/x"), Some(0), "a wildcard does not cover its own suffix");
    assert_eq!(find("WWW.Example.ORG.", "/x"), Some(3), "case and the final dot do not count");
    assert_eq!(find("www.example.org", "/static/x"), Some(4));
    assert_eq!(find("www.example.org", "/static/logo"), Some(5));
    assert_eq!(find("www.example.org", "/static/logo2"), Some(4));
    assert_eq!(find("a.b.example.org", "/only"), Some(6));
    assert_eq!(
        find("a.b.example.org", "/x"),
        Some(2),
        "a less specific host where the path of the better one does not fit"
    );
    assert_eq!(find("[::1]:80", "/x"), Some(0));
    assert_eq!(find("", "/x"), Some(0));
}

#[test]
fn there_may_be_none_and_the_first_of_equals_counts() {
    let router = Router::new(&[route(Host::Any, prefix("/a")), route(Host::Any, prefix("/a"))]);
    assert_eq!(router.find(b"x", b"/b"), None);
    assert_eq!(router.find(b"x", b"/a"), Some(0));
    assert_eq!(Router::new(&[]).find(b"x", b"/"), None);
}

#[test]
fn patterns_stand_between_exact_and_prefix_and_between_wildcard_and_any() {
    let pattern = |text| crate::config::Pattern::new(text).unwrap();
    let router = Router::new(&[
        route(Host::Any, prefix("/images/")),
        route(Host::Any, Path::Pattern(pattern(r"\.(gif|png)$"))),
        route(Host::Any, Path::Exact("/images/a.png".to_owned())),
        route(Host::Any, Path::Pattern(pattern(r"\.png$"))),
        route(Host::Pattern(pattern(r"^www\d+\.")), prefix("/")),
        route(Host::Wildcard(".example.org".to_owned()), prefix("/")),
    ]);
    for (host, path, route) in [
        ("a", "/images/a.jpg", Some(0)),
        ("a", "/images/b.png", Some(1)),
        ("a", "/images/a.png", Some(2)),
        ("WWW7.test:80", "/x", Some(4)),
        ("www7.example.org", "/x", Some(5)),
        ("other", "/x", None),
    ] {
        assert_eq!(router.find(host.as_bytes(), path.as_bytes()), route, "{host}{path}");
    }
}

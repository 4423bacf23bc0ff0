use super::*;
use crate::config::{Action, Conditions, Edits, ErrorPages};

fn route(host: Host, path: Path) -> Route {
    Route {
        host,
        path,
        conditions: Conditions::default(),
        action: Action::Respond { status: 200, body: String::new() },
        error_pages: ErrorPages::default(),
        response_headers: Edits::default(),
        access_log: None,
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
    let find = |host: &str, path: &str| router.find(host.as_bytes(), path.as_bytes(), &|_| true);
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
    assert_eq!(router.find(b"x", b"/b", &|_| true), None);
    assert_eq!(router.find(b"x", b"/a", &|_| true), Some(0));
    assert_eq!(Router::new(&[]).find(b"x", b"/", &|_| true), None);
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
        assert_eq!(router.find(host.as_bytes(), path.as_bytes(), &|_| true), route, "{host}{path}");
    }
}

#[test]
fn a_route_whose_conditions_do_not_hold_is_passed_over() {
    let all = [
        route(Host::Any, Path::Exact("/a".to_owned())),
        route(Host::Any, Path::Exact("/a".to_owned())),
        route(Host::Any, prefix("/a")),
        route(Host::Any, prefix("/")),
    ];
    let router = Router::new(&all);
    for (holding, expected) in
        [(vec![0, 1, 2], Some(0)), (vec![1, 3], Some(1)), (vec![2, 3], Some(2)), (vec![3], Some(3))]
    {
        assert_eq!(router.find(b"h", b"/a", &|index| holding.contains(&index)), expected);
    }
    assert_eq!(router.find(b"h", b"/a", &|_| false), None);
}

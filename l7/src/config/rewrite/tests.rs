use super::*;
use crate::config::Pattern;
use crate::http1::target::normal_path;

fn rewritten(route: &Path, rewrite: &str, target: &str) -> String {
    let mut out = Vec::new();
    let path = normal_path(target.as_bytes()).unwrap();
    Rewrite::new(rewrite.to_owned()).write(route, &path, target.as_bytes(), &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_prefix_is_replaced_and_the_rest_stays_as_sent() {
    let api = Path::Prefix("/api/".into());
    assert_eq!(rewritten(&api, "/", "/api/a%2Fb?q=%20"), "/a%2Fb?q=%20");
    assert_eq!(rewritten(&api, "/v2/", "/api/x"), "/v2/x");
    // Not literally the prefix: the normal path, with what needs it escaped.
    assert_eq!(rewritten(&api, "/", "/%61pi/a%20b%C3%A4"), "/a%20b%C3%A4");
    assert_eq!(rewritten(&api, "/", "/x/../api/c"), "/c");
    assert_eq!(rewritten(&Path::Prefix("/api".into()), "", "/api"), "/");
}

#[test]
fn exact_paths_and_patterns_are_replaced_as_a_whole() {
    assert_eq!(rewritten(&Path::Exact("/old".into()), "/new", "/old?a"), "/new?a");
    let users = Path::Pattern(Pattern::new("^/u/([^/]+)/(.*)$").unwrap());
    assert_eq!(rewritten(&users, "/users/$1?of=$2", "/u/me/x%20y"), "/users/me%3Fof=x%20y");
    assert_eq!(rewritten(&users, "/${2}_$1", "/u/me/x"), "/x_me");
}

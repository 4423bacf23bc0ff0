use super::*;

fn asked(path: &str, query: &str) -> Result<Request, String> {
    request(path, query).unwrap()
}

#[test]
fn paths_of_the_api() {
    assert_eq!(asked("/api/status", ""), Ok(Request::Status));
    assert_eq!(asked("/api/services", ""), Ok(Request::Services { name: None, rates: false, zero: false }));
    let web = Some("a b/c".to_owned());
    let services = Request::Services { name: web.clone(), rates: true, zero: false };
    assert_eq!(asked("/api/services", "name=a+b%2Fc&rates=true"), Ok(services));
    assert_eq!(asked("/api/upstreams", "name=a%20b/c"), Ok(Request::Upstreams { name: web }));
    assert!(request("/api", "").is_none() && request("/api/reload", "").is_none());
}

#[test]
fn connections_are_limited() {
    let filter = ConnectionFilter { limit: CONNECTIONS, ..ConnectionFilter::default() };
    assert_eq!(asked("/api/connections", ""), Ok(Request::Connections { filter }));
    let filter = ConnectionFilter {
        service: Some("web".into()),
        client: Some("::1".parse().unwrap()),
        server: Some("10.0.0.1".parse().unwrap()),
        state: Some("established".into()),
        limit: 7,
    };
    let query = "limit=7&service=web&client=::1&server=10.0.0.1&state=established";
    assert_eq!(asked("/api/connections", query), Ok(Request::Connections { filter }));
}

#[test]
fn wrong_parameters_are_told() {
    for (path, query, message) in [
        ("/api/status", "x=1", "unknown parameter \"x\"; known here: there are none"),
        ("/api/services", "zero=true", "unknown parameter \"zero\"; known here: name, rates"),
        ("/api/services", "rates=maybe", "rates = \"maybe\" is not understood"),
        ("/api/connections", "limit=0", "limit = 0 is out of range (1 to 10000)"),
        ("/api/connections", "limit=10001", "limit = 10001 is out of range (1 to 10000)"),
        ("/api/connections", "limit=-1", "limit = \"-1\" is not understood"),
        ("/api/connections", "client=me", "client = \"me\" is not understood"),
        ("/api/connections", "state=a&state=b", "state is given twice"),
        ("/api/upstreams", "name=%ff", "\"%ff\" is not UTF-8"),
    ] {
        assert_eq!(asked(path, query), Err(message.to_owned()), "{path}?{query}");
    }
}

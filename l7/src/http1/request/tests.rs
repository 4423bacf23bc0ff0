use proptest::prelude::*;

use super::*;

fn look<T>(input: &str, take: impl FnOnce(&Request<'_>) -> T) -> Result<Option<(T, usize)>, u16> {
    parse(input.as_bytes(), &Limits::default(), false, take).map_err(|reject| reject.status)
}

#[test]
fn a_head_is_understood_wherever_it_is_cut() {
    let head = "POST /a?b HTTP/1.1\r\nHost: h:1\r\nContent-Length: 5\r\nConnection: X-A, keep-alive\r\nX-A: 1\r\nExpect: 100-continue\r\n\r\n";
    for cut in 0..head.len() {
        assert!(matches!(look(&head[..cut], |_| ()), Ok(None)), "{:?}", &head[..cut]);
    }
    let input = format!("{head}hello");
    let seen = look(&input, |request| {
        assert_eq!((request.method, request.target, request.authority), (&b"POST"[..], &b"/a?b"[..], &b"h:1"[..]));
        assert_eq!((request.body, request.minor, request.fields.len()), (Body::Length(5), 1, 5));
        assert!(request.keep_alive && request.expects_continue && request.nominates && !request.websocket);
    });
    assert_eq!(seen, Ok(Some(((), head.len()))));
}

#[test]
fn connections_go_on_as_the_version_and_the_client_say() {
    for (version, connection, keep_alive) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let input = format!("GET / HTTP/{version}\r\nHost: h\r\n{connection}\r\n");
        let seen = look(&input, |request| request.keep_alive);
        assert_eq!(seen.map(|seen| seen.map(|(keep_alive, _)| keep_alive)), Ok(Some(keep_alive)), "{input}");
    }
}

#[test]
fn upgrades_are_for_websocket_without_a_body() {
    let ask = |fields: &str| {
        look(&format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n"), |request| request.websocket).unwrap().unwrap().0
    };
    assert!(ask("Connection: Upgrade\r\nUpgrade: WebSocket\r\n"));
    assert!(!ask("Upgrade: websocket\r\n"));
    assert!(!ask("Connection: upgrade\r\nUpgrade: h2c\r\n"));
    assert!(!ask("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n"));
}

#[test]
fn limits_have_their_status() {
    let line = format!("GET /{} HTTP/1.1\r\n", "a".repeat(20_000));
    assert_eq!(look(&line, |_| ()), Err(414));
    assert_eq!(look(&line[..line.len() - 2], |_| ()), Err(414), "before its end");
    let field = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "a".repeat(70_000));
    assert_eq!(look(&field, |_| ()), Err(431));
    let many = |count: usize| format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "A: b\r\n".repeat(count));
    assert!(matches!(look(&many(127), |request| request.fields.len()), Ok(Some((128, _)))));
    assert_eq!(look(&many(128), |_| ()), Err(431));
    let large = parse(
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n",
        &Limits { body: 10, ..Limits::default() },
        false,
        |_| (),
    );
    assert_eq!(large.unwrap_err().status, 413);
}

#[test]
fn nonsense_is_refused_at_once() {
    for (input, status) in [
        ("\x16\x03\x01", 400),
        ("GET\r\n", 400),
        ("GET / HTTP/2.0\r\n", 505),
        ("GET / HTTP/1.10\r\n", 400),
        ("GET  / HTTP/1.1\r\n", 400),
        ("\r\n\r\n\r\n\r\n\r\n\r\n", 400),
    ] {
        assert_eq!(look(input, |_| ()), Err(status), "{input:?}");
    }
}

proptest! {
    #[test]
    fn arbitrary_heads_do_no_harm(
        input in prop::collection::vec(prop::sample::select(b"GET / HTTP/1.1\r\nHost: x\tContent-Length0,\x00\xff".to_vec()), 0..200)
    ) {
        let _ = parse(&input, &Limits::default(), false, |_| ());
    }
}

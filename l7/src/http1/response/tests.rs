use proptest::prelude::*;

use super::*;

fn look<T>(input: &str, head: bool, take: impl FnOnce(&Response<'_>) -> T) -> Result<Option<(T, usize)>, Invalid> {
    parse(input.as_bytes(), head, take)
}

#[test]
fn a_head_is_understood_wherever_it_is_cut() {
    let head = "HTTP/1.1 200 Fine\r\nContent-Length: 5\r\nDate: x\r\n\r\n";
    for cut in 0..head.len() {
        assert!(matches!(look(&head[..cut], false, |_| ()), Ok(None)), "{:?}", &head[..cut]);
    }
    let seen = look(head, false, |response| {
        assert_eq!((response.status, response.reason, response.body), (200, &b"Fine"[..], Body::Length(5)));
        assert!(response.keep_alive && response.has_date);
    });
    assert_eq!(seen, Ok(Some(((), head.len()))));
}

#[test]
fn bodies_depend_on_status_and_request() {
    for (head_request, start, fields, body, keep_alive) in [
        (false, "1.1 200 OK", "", Body::UntilClose, false),
        (false, "1.1 200 OK", "Transfer-Encoding: chunked\r\n", Body::Chunked, true),
        (true, "1.1 200 OK", "Content-Length: 5\r\n", Body::None, true),
        (true, "1.1 200 OK", "", Body::None, true),
        (false, "1.1 304 Not Modified", "Content-Length: 5\r\n", Body::None, true),
        (false, "1.1 204 No Content", "", Body::None, true),
        (false, "1.1 204 No Content", "Content-Length: 5\r\n", Body::None, false),
        (false, "1.0 200 OK", "Content-Length: 5\r\n", Body::Length(5), false),
        (false, "1.0 200 OK", "Connection: keep-alive\r\nContent-Length: 5\r\n", Body::Length(5), true),
        (false, "1.1 200 OK", "Connection: close\r\nContent-Length: 5\r\n", Body::Length(5), false),
        (false, "1.1 103 Early Hints", "Content-Length: 5\r\n", Body::None, true),
    ] {
        let input = format!("HTTP/{start}\r\n{fields}\r\n");
        let seen = look(&input, head_request, |response| (response.body, response.keep_alive)).unwrap().unwrap().0;
        assert_eq!(seen, (body, keep_alive), "{input}");
    }
}

#[test]
fn what_is_no_http_is_invalid() {
    for bad in [
        "garbage",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 99 X\r\n\r\n",
        "HTTP/1.1 600 X\r\n\r\n",
        "HTTP/1.1 20 X\r\n\r\n",
        "HTTP/1.1 200 OK\nA: b\n\n",
        "HTTP/1.1 200 OK\r\nA\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        assert!(look(bad, false, |_| ()).is_err(), "{bad:?}");
    }
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(129));
    assert_eq!(look(&many, false, |_| ()), Err(Invalid("too many fields")));
    let large = format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(HEAD_MAX));
    assert_eq!(look(&large, false, |_| ()), Err(Invalid("head too large")));
}

proptest! {
    #[test]
    fn arbitrary_heads_do_no_harm(
        input in prop::collection::vec(prop::sample::select(b"HTTP/1.1 200 OK\r\nContent-Length: chunked\t\x00\xff".to_vec()), 0..200)
    ) {
        let _ = parse(&input, false, |_| ());
    }
}

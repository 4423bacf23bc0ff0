//! Response heads: what is accepted, written for the client and read again means the same, and in pieces the verdict is that of the whole.
//!
//! The first byte says what the request was: bit 0 HEAD, bit 1 of HTTP/1.0, bit 2 whether the connection goes on.
#![no_main]

use headgate_fuzz::http::{cuts, read, show};
use headgate_l7::config::Edits;
use headgate_l7::http1::Body;
use headgate_l7::http1::response::{Invalid, Response, parse};
use headgate_l7::http1::write::{Reply, response};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Meaning {
    status: u16,
    reason: Vec<u8>,
    body: Body,
    length: Option<u64>,
    websocket: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Accepted {
    meaning: Meaning,
    written: Vec<u8>,
    /// As the client gets it.
    framed: Body,
}

type Verdict = Result<Option<(Accepted, usize)>, Invalid>;

#[derive(Debug, Clone, Copy)]
struct Asked {
    head: bool,
    minor: u8,
    keep_alive: bool,
}

fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let asked = Asked { head: first & 1 != 0, minor: u8::from(first & 2 == 0), keep_alive: first & 4 == 0 };
    let verdict = understand(bytes, asked);
    in_pieces(bytes, asked, &verdict);
    let Ok(Some((accepted, length))) = verdict else { return };
    assert!(length <= bytes.len());
    let Accepted { meaning, written, framed } = accepted;
    let head = read(&written);
    for never in ["keep-alive", "proxy-connection", "te", "http2-settings"] {
        assert!(head.all(never).is_empty(), "{never} is passed on");
    }
    let bare = meaning.status < 200 || meaning.status == 204;
    assert!(!bare || (head.all("content-length").is_empty() && head.all("transfer-encoding").is_empty()));
    assert!(meaning.status < 200 || !head.all("date").is_empty());
    let (again, length) = understand(&written, asked)
        .unwrap_or_else(|invalid| panic!("{invalid:?}: {}", show(&written)))
        .expect("it is whole");
    assert_eq!(length, written.len());
    assert_eq!(again.meaning.body, framed, "{}", show(&written));
    // A chunked body to an old client ends with the connection, and what says nothing to the client is left out.
    let kept = if bare || matches!(framed, Body::Chunked | Body::UntilClose) { None } else { meaning.length };
    assert_eq!(again.meaning, Meaning { body: framed, length: kept, ..meaning });
    assert_eq!(again.written, written, "not the same when written again");
});

fn understand(bytes: &[u8], asked: Asked) -> Verdict {
    parse(bytes, asked.head, |parsed| {
        let framed = match parsed.body {
            Body::Chunked | Body::UntilClose if asked.minor == 0 => Body::UntilClose,
            Body::UntilClose => Body::Chunked,
            body => body,
        };
        let keep_alive = asked.keep_alive && framed != Body::UntilClose;
        let mut written = Vec::new();
        response(parsed, Reply { body: framed, minor: asked.minor, keep_alive, date: b"now", edits: &Edits::default(), added: b"", set_cookie: b"" }, &mut written);
        Accepted { meaning: meaning(parsed), written, framed }
    })
}

fn meaning(parsed: &Response<'_>) -> Meaning {
    Meaning {
        status: parsed.status,
        reason: parsed.reason.to_vec(),
        body: parsed.body,
        length: parsed.length,
        websocket: parsed.websocket,
    }
}

/// A verdict once given does not change with what comes later, and what has been refused is never accepted.
fn in_pieces(bytes: &[u8], asked: Asked, whole: &Verdict) {
    for cut in cuts(bytes.len()) {
        match (understand(&bytes[..cut], asked), whole) {
            (Ok(None), Ok(Some((_, length)))) => assert!(cut < *length),
            (Ok(None), _) | (Err(_), Err(_)) => {}
            (Ok(part), Ok(whole)) => assert_eq!(&part, whole),
            (part, whole) => panic!("{part:?} of {cut} bytes, {whole:?} of all"),
        }
    }
}

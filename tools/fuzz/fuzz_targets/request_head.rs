//! Request heads: what is accepted, written for the server and read again means the same, and in pieces the verdict is that of the whole.
#![no_main]

use headgate_fuzz::http::{cuts, read, show};
use headgate_l7::config::{Edits, Limits};
use headgate_l7::http1::request::{Request, parse};
use headgate_l7::http1::target::normal_path;
use headgate_l7::http1::write::{Forwarding, end_of_request, request};
use headgate_l7::http1::{Body, Reject};
use libfuzzer_sys::fuzz_target;

/// What we add, or add to.
const OURS: [&str; 4] = ["Via", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"];

/// What a request means, apart from its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Meaning {
    method: Vec<u8>,
    target: Vec<u8>,
    authority: Vec<u8>,
    body: Body,
    websocket: bool,
    expects_continue: bool,
}

#[derive(Debug)]
struct Accepted {
    meaning: Meaning,
    written: Vec<u8>,
    /// As the server sees it.
    hops: Option<u64>,
}

type Verdict = Result<Option<(Accepted, usize)>, Reject>;

fuzz_target!(|bytes: &[u8]| {
    let verdict = understand(bytes);
    in_pieces(bytes, &verdict);
    let Ok(Some((accepted, length))) = verdict else { return };
    assert!(length <= bytes.len());
    let head = read(&accepted.written);
    assert_eq!(head.all("host"), [&*accepted.meaning.authority], "{}", show(&accepted.written));
    for never in ["keep-alive", "proxy-connection", "te", "http2-settings", "x-real-ip", "forwarded"] {
        assert!(head.all(never).is_empty(), "{never} is passed on");
    }
    let upgraded: &[&[u8]] = if accepted.meaning.websocket { &[b"Upgrade"] } else { &[] };
    assert_eq!(head.all("connection"), upgraded);
    path(&accepted.meaning.target);
    if accepted.meaning.authority.is_empty() {
        // Of HTTP/1.0. A server of HTTP/1.1 must take an empty Host; we as a server need a name.
        return;
    }
    let (again, length) = understand(&accepted.written)
        .unwrap_or_else(|reject| panic!("{reject:?}: {}", show(&accepted.written)))
        .expect("it is whole");
    assert_eq!(length, accepted.written.len());
    assert_eq!(again.meaning, accepted.meaning);
    assert_eq!(again.hops, accepted.hops.map(|hops| hops.saturating_sub(1)));
    let second = read(&again.written);
    let changing = [&OURS[..], &["Max-Forwards"]].concat();
    assert_eq!(second.without(&changing), head.without(&changing));
});

fn understand(bytes: &[u8]) -> Verdict {
    parse(bytes, &Limits::default(), false, |parsed| Accepted {
        meaning: meaning(parsed),
        written: passed_on(parsed),
        hops: parsed.max_forwards,
    })
}

fn meaning(parsed: &Request<'_>) -> Meaning {
    Meaning {
        method: parsed.method.to_vec(),
        target: parsed.target.to_vec(),
        authority: parsed.authority.to_vec(),
        body: parsed.body,
        websocket: parsed.websocket,
        expects_continue: parsed.expects_continue,
    }
}

fn passed_on(parsed: &Request<'_>) -> Vec<u8> {
    let mut written = Vec::new();
    let forwarding = Forwarding {
        client: "192.0.2.7",
        scheme: "http",
        http2: false,
        pseudonym: "lb1",
        target: parsed.target,
        host: parsed.authority,
        edits: &Edits::default(),
        added: b"",
    };
    request(parsed, forwarding, &mut written);
    end_of_request(parsed.body, parsed.expects_continue, parsed.websocket, &mut written);
    written
}

/// A verdict once given does not change with what comes later, and what has been refused is never accepted.
fn in_pieces(bytes: &[u8], whole: &Verdict) {
    for cut in cuts(bytes.len()) {
        match (understand(&bytes[..cut]), whole) {
            (Ok(None), Ok(Some((_, length)))) => assert!(cut < *length),
            (Ok(None), _) | (Err(_), Err(_)) => {}
            (Ok(Some((part, used))), Ok(Some((whole, length)))) => {
                assert_eq!((part.meaning, part.written, used), (whole.meaning.clone(), whole.written.clone(), *length));
            }
            (part, whole) => panic!("{part:?} of {cut} bytes, {whole:?} of all"),
        }
    }
}

/// The path that routes and rules look at is below the root.
fn path(target: &[u8]) {
    let Ok(path) = normal_path(target) else { return };
    assert!(path.starts_with(b"/") && !path.contains(&0), "{}", show(&path));
    let mut segments: Vec<&[u8]> = path[1..].split(|byte| *byte == b'/').collect();
    assert!(!segments.iter().any(|segment| matches!(*segment, b"." | b"..")), "{}", show(&path));
    segments.pop();
    assert!(segments.iter().all(|segment| !segment.is_empty()), "{}", show(&path));
}

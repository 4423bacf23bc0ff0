//! Cases of `responses.json`: what a server answers, and what the client must see of it.

use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::Sender;

use anyhow::Result;

use super::client::{Client, Received, Responses};
use super::corpus::{ResponseCase, ResponseExpected, interim_fits};
use super::requests::{compare_fields, compare_trailers};
use super::scripted::{Played, Scripted};
use super::wire::{Message, show};
use super::{Lane, PATIENCE, Verdict, judge, take};

const REQUEST: &[u8] = b"GET /r HTTP/1.1\r\nHost: example.test\r\n\r\n";
const FOLLOW_UP: &[u8] = b"GET /next HTTP/1.1\r\nHost: example.test\r\n\r\n";
const PING: &[u8] = b"ping";

#[derive(Debug)]
struct Observed {
    responses: Responses,
    received: Received,
    first_body_ms: Option<u64>,
    /// The client's connection took another request.
    kept: bool,
    played: Played,
    failed: bool,
    always: Vec<String>,
}

/// Plays cases until there are no more.
pub fn run<L: Lane>(cases: &[ResponseCase], next: &AtomicUsize, lane: &L, verdicts: &Sender<Verdict>) -> Result<()> {
    let server = Scripted::start(lane.server())?;
    while let Some(index) = take(next, cases.len()) {
        let case = &cases[index];
        let observed = observe(case, lane, &server)?;
        let (expected, always) = (&case.expected, observed.always.clone());
        let verdict = judge(&case.id, expected, &expected.also_ok, always, |expected| compare(expected, &observed));
        let _ = verdicts.send(verdict);
    }
    Ok(())
}

fn observe<L: Lane>(case: &ResponseCase, lane: &L, server: &Scripted) -> Result<Observed> {
    let proxy = lane.proxy(&case.needs);
    let before = lane.failures()?;
    server.prepare(&case.upstream);
    let mut client = Client::connect(proxy)?;
    if case.client_steps.is_empty() {
        client.send(case.request.as_ref().map_or(REQUEST, |request| &request.0));
    }
    for step in &case.client_steps {
        client.step(step)?;
    }
    let tunnel = case.expected.tunnel.is_some();
    client.wait(PATIENCE, |responses, _| match (&responses.tunnel, responses.responses.first()) {
        (Some(_), _) => true,
        (None, Some(first)) => first.complete,
        (None, None) => responses.malformed.is_some(),
    });
    server.wait_played();
    if tunnel {
        client.send(PING);
        client.wait(PATIENCE, |responses, _| responses.tunnel.as_ref().is_some_and(|bytes| bytes.ends_with(PING)));
    }
    let first_body_ms = client.first_body_byte().map(|time| time.as_millis() as u64);
    let responses = client.responses();
    let mut always = Vec::new();
    let complete = responses.responses.first().is_some_and(|first| first.complete);
    let may_go_on = complete && !tunnel && !responses.responses.iter().any(Message::says_close);
    let mut kept = false;
    if may_go_on {
        client.send(FOLLOW_UP);
        client.wait(PATIENCE, |responses, _| responses.responses.get(1).is_some_and(|next| next.complete));
        kept = client.responses().responses.get(1).is_some_and(is_next);
    } else if !tunnel {
        client.wait(PATIENCE, |_, received| received.closed);
    }
    let (received, mut all) = (client.received(), client.responses());
    if kept && all.responses.len() > 2 {
        always.push("more responses than requests".to_owned());
    }
    if received.bytes.windows(4).any(|window| window == b"evil") {
        always.push("bytes of nobody's response were delivered".to_owned());
    }
    if !kept {
        let mut other = Client::connect(proxy)?;
        other.send(FOLLOW_UP);
        if !other.wait(PATIENCE, |responses, _| responses.responses.first().is_some_and(is_next)) {
            always.push(format!("the follow-up got {}", show(&other.received().bytes)));
        }
    }
    all.responses.truncate(1);
    let played = server.played();
    always.extend(played.malformed.iter().map(|error| format!("the server got no HTTP/1: {error}")));
    let failed = lane.failures()? > before;
    Ok(Observed { responses: all, received, first_body_ms, kept, played, failed, always })
}

fn is_next(response: &Message) -> bool {
    response.complete && response.status() == 200 && response.body == b"next"
}

fn compare(expected: &ResponseExpected, observed: &Observed) -> Vec<String> {
    let mut differences = Vec::new();
    let mut differ = |what: String| differences.push(what);
    if let Some(error) = &observed.responses.malformed {
        differ(format!("the client got no HTTP/1: {error}"));
    }
    let Some(response) = observed.responses.responses.first() else {
        differ(format!("no response, but {}", show(&observed.received.bytes)));
        return differences;
    };
    if !expected.status.contains(&response.status()) {
        differ(format!("expected status {:?}, got {}", expected.status, response.status()));
    }
    if expected.complete.is_some_and(|complete| complete != response.complete) {
        differ(format!("the response is {}", if response.complete { "complete" } else { "cut off" }));
    }
    if let Some(body) = expected.body.as_ref().filter(|body| body.0 != response.body) {
        differ(format!("expected the body {}, got {}", show(&body.0), show(&response.body)));
    }
    if expected.body_length.is_some_and(|length| length != response.body.len()) {
        differ(format!("expected {:?} bytes of body, got {}", expected.body_length, response.body.len()));
    }
    if let Some(framing) = expected.framing.as_ref().filter(|framing| *framing != response.framing.name()) {
        differ(format!("expected framing by {framing}, got {}", response.framing.name()));
    }
    if let Some(version) = expected.version.as_ref().filter(|version| !response.line.starts_with(*version)) {
        differ(format!("expected {version}, got {:?}", response.line));
    }
    for (name, lines) in &expected.has_lines {
        if response.lines(name) != *lines {
            differ(format!("expected {name} lines {lines:?}, got {:?}", response.lines(name)));
        }
    }
    for bytes in &expected.raw_lacks {
        if observed.received.bytes.windows(bytes.0.len()).any(|window| window == bytes.0) {
            differ(format!("there is {}", show(&bytes.0)));
        }
    }
    if let Some(tunnel) = &expected.tunnel {
        let wanted: Vec<u8> = tunnel.0.iter().chain(PING).copied().collect();
        if observed.responses.tunnel.as_ref() != Some(&wanted) {
            differ(format!("expected {} in the tunnel, got {:?}", show(&wanted), observed.responses.tunnel));
        }
    }
    let interim = &observed.responses.interim;
    if !interim_fits(interim, expected.interim.as_ref(), expected.interim_optional.as_ref()) {
        differ(format!("expected interim responses {:?}, got {interim:?}", expected.interim));
    }
    match expected.client_connection.as_str() {
        "keep" if !observed.kept => differ("the client's connection did not go on".to_owned()),
        "close" if observed.kept || !observed.received.closed => {
            differ("the client's connection is open".to_owned());
        }
        _ => {}
    }
    let (first, second) = (observed.played.connection, observed.played.next_connection);
    if expected.upstream_reusable.is_some_and(|reusable| reusable != (first == second)) {
        differ(format!("the script was on connection {first:?}, the follow-up on {second:?}"));
    }
    if expected.counts_as_failure != observed.failed {
        differ(format!("it counts as a {}", if observed.failed { "failure" } else { "success" }));
    }
    if let Some(most) = expected.first_body_within_ms
        && observed.first_body_ms.is_none_or(|time| time > most)
    {
        differ(format!("the first byte of the body came after {:?} ms", observed.first_body_ms));
    }
    differences.extend(compare_fields(response, &expected.has, &expected.lacks, &expected.matches, &expected.count));
    differences.extend(compare_trailers(response, &expected.trailers_lack));
    differences
}

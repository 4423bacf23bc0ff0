//! Cases of `requests.json`: bytes of a client, and what the server and the client must see of them.

use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::Sender;

use anyhow::{Result, ensure};
use regex::Regex;

use super::client::{Client, Responses};
use super::corpus::{RequestCase, RequestExpected, Seen as Wanted, interim_fits};
use super::recorder::{Recorder, Seen};
use super::wire::Message;
use super::{Lane, PATIENCE, Verdict, judge, take};

/// Sent after a case, to learn whether the connection lives and the proxy is well.
const ALIVE: &str = "/alive";

/// What was observed in a case.
#[derive(Debug)]
struct Observed {
    responses: Responses,
    /// The connection has been closed by the proxy.
    closed: bool,
    seen: Seen,
    /// What is wrong whatever was expected.
    always: Vec<String>,
}

/// Plays cases until there are no more.
pub fn run<L: Lane>(cases: &[RequestCase], next: &AtomicUsize, lane: &L, verdicts: &Sender<Verdict>) -> Result<()> {
    let recorder = Recorder::start(lane.server())?;
    while let Some(index) = take(next, cases.len()) {
        let case = &cases[index];
        let observed = observe(case, lane, &recorder)?;
        let (expected, always) = (&case.expected, observed.always.clone());
        let verdict = judge(&case.id, expected, &expected.also_ok, always, |expected| compare(expected, &observed));
        let _ = verdicts.send(verdict);
    }
    Ok(())
}

fn observe<L: Lane>(case: &RequestCase, lane: &L, recorder: &Recorder) -> Result<Observed> {
    let proxy = lane.proxy(&case.needs);
    recorder.take();
    let mut client = Client::connect(proxy)?;
    if let Some(bytes) = &case.bytes {
        client.send(&bytes.0);
    }
    for step in &case.steps {
        client.step(step)?;
    }
    let wanted = case.expected.status.iter().filter(|codes| codes.as_slice() != [0]).count();
    let done = |responses: &Responses, count: usize| {
        responses.responses.len() >= count && responses.responses.iter().all(|response| response.complete)
    };
    client.wait(PATIENCE, |responses, _| wanted > 0 && done(responses, wanted));
    let responses = client.responses();
    let count = responses.responses.len();
    let must_close = count == 0
        || responses.malformed.is_some()
        || responses.responses.last().is_some_and(Message::says_close)
        || client.half_closed;
    let mut always = Vec::new();
    let (closed, responses) = if must_close {
        if case.expected.verdict == "reject" {
            // Whatever follows what was refused has no effect.
            client.send(b"GET /smuggled HTTP/1.1\r\nHost: example.test\r\n\r\n");
        }
        client.wait(PATIENCE, |_, received| received.closed);
        (client.received().closed, client.responses())
    } else {
        client.send(format!("GET {ALIVE} HTTP/1.1\r\nHost: example.test\r\n\r\n").as_bytes());
        client.wait(PATIENCE, |responses, _| done(responses, count + 1));
        let mut responses = client.responses();
        let alive = responses.responses.len() > count;
        if responses.responses.len() > count + 1 {
            always.push("more responses than requests".to_owned());
        }
        responses.responses.truncate(count);
        (!alive && client.received().closed, responses)
    };
    drop(client);
    // The canary: a new connection works.
    let mut canary = Client::connect(proxy)?;
    canary.send(format!("GET {ALIVE} HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n").as_bytes());
    ensure!(
        canary.wait(PATIENCE, |responses, _| responses.responses.first().is_some_and(|first| first.status() == 200)),
        "{}: the proxy does not serve a new connection any more: {:?}",
        case.id,
        canary.responses()
    );
    let mut seen = recorder.take();
    seen.requests.retain(|request| request.path() != ALIVE);
    if seen.requests.iter().any(|request| request.path().starts_with("/smuggled")) {
        always.push("a smuggled request reached the server".to_owned());
    }
    always.extend(seen.malformed.iter().map(|error| format!("the server got no HTTP/1: {error}")));
    Ok(Observed { responses, closed, seen, always })
}

fn compare(expected: &RequestExpected, observed: &Observed) -> Vec<String> {
    let mut differences = Vec::new();
    let mut differ = |what: String| differences.push(what);
    if let Some(error) = &observed.responses.malformed {
        differ(format!("the client got no HTTP/1: {error}"));
    }
    let statuses: Vec<u16> = observed.responses.responses.iter().map(Message::status).collect();
    let fits = |codes: &Vec<u16>, index: usize| match statuses.get(index) {
        Some(status) => codes.contains(status),
        None => codes.contains(&0),
    };
    let all = expected.status.iter().enumerate().all(|(index, codes)| fits(codes, index));
    if !all || statuses.len() > expected.status.len() {
        differ(format!("expected statuses {:?}, got {statuses:?}", expected.status));
    }
    if observed.responses.responses.iter().any(|response| !response.complete) {
        differ("a response is cut off".to_owned());
    }
    let interim = &observed.responses.interim;
    if !interim_fits(interim, expected.interim.as_ref(), expected.interim_optional.as_ref()) {
        differ(format!("expected interim responses {:?}, got {interim:?}", expected.interim));
    }
    if expected.connection_closed_after.is_some_and(|closed| closed != observed.closed) {
        differ(format!("the connection is {}", if observed.closed { "closed" } else { "open" }));
    }
    let requests = &observed.seen.requests;
    if requests.len() != expected.requests_seen_by_backend {
        let lines: Vec<_> = requests.iter().map(|request| &request.line).collect();
        differ(format!("expected {} requests at the server, got {lines:?}", expected.requests_seen_by_backend));
    }
    if observed.seen.partial > 0 && !expected.partial_request_allowed {
        differ("the server got a part of a request".to_owned());
    }
    for (index, (wanted, request)) in expected.backend.iter().zip(requests).enumerate() {
        differences.extend(compare_seen(wanted, request).map(|what| format!("request {index}: {what}")));
    }
    if let Some(last) = observed.responses.responses.last() {
        for (name, values) in &expected.client_must_have {
            let (wanted, got) = (values.0.join(", "), last.value(name));
            if wanted != got {
                differences.push(format!("expected {name}: {wanted:?} in the response, got {got:?}"));
            }
        }
    }
    differences
}

fn compare_seen(wanted: &Wanted, request: &Message) -> impl Iterator<Item = String> {
    let mut differences = Vec::new();
    if let Some(line) = wanted.line.as_ref().filter(|line| **line != request.line) {
        differences.push(format!("expected {line:?}, got {:?}", request.line));
    }
    if let Some(body) = wanted.body.as_ref().filter(|body| body.0 != request.body) {
        let (wanted, got) = (super::wire::show(&body.0), super::wire::show(&request.body));
        differences.push(format!("expected the body {wanted}, got {got}"));
    }
    if let Some(framing) = wanted.framing.as_ref().filter(|framing| *framing != request.framing.name()) {
        differences.push(format!("expected framing by {framing}, got {}", request.framing.name()));
    }
    differences.extend(compare_fields(request, &wanted.has, &wanted.lacks, &wanted.matches, &wanted.count));
    differences.extend(compare_trailers(request, &wanted.trailers_lack));
    differences.into_iter()
}

/// What both kinds of cases say about fields.
pub fn compare_fields(
    message: &Message,
    has: &std::collections::BTreeMap<String, super::corpus::Values>,
    lacks: &[String],
    matches: &std::collections::BTreeMap<String, String>,
    count: &std::collections::BTreeMap<String, usize>,
) -> Vec<String> {
    let mut differences = Vec::new();
    for (name, values) in has {
        let (wanted, got) = (values.0.join(", "), message.value(name));
        if wanted != got {
            differences.push(format!("expected {name}: {wanted:?}, got {got:?}"));
        }
    }
    for name in lacks.iter().filter(|name| !message.lines(name).is_empty()) {
        differences.push(format!("there is {name}: {:?}", message.value(name)));
    }
    for (name, pattern) in matches {
        if !fits(pattern, &message.value(name)) {
            differences.push(format!("expected {name} like {pattern}, got {:?}", message.value(name)));
        }
    }
    for (name, count) in count {
        let got = message.lines(name).len();
        if got != *count {
            differences.push(format!("expected {count} {name}, got {got}"));
        }
    }
    differences
}

/// Also patterns that begin with `^(?!.*X)`, which the regex library leaves out: no X anywhere.
fn fits(pattern: &str, value: &str) -> bool {
    let matches = |pattern: &str| Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(value));
    match pattern.strip_prefix("^(?!.*").and_then(|rest| rest.split_once(')')) {
        Some((absent, rest)) => !matches(absent) && matches(&format!("^{rest}")),
        None => matches(pattern),
    }
}

pub fn compare_trailers(message: &Message, lacks: &[String]) -> Vec<String> {
    let has = |name: &&String| message.trailers.iter().any(|(known, _)| known == *name);
    lacks.iter().filter(has).map(|name| format!("there is a trailer {name}")).collect()
}

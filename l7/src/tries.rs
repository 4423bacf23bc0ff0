//! Servers are asked for a request, one after another, until one answers or nobody else may be asked.

pub mod wait;

use std::net::IpAddr;

use crate::answer::End;
use crate::clock::micros;
use crate::exchange::{Answer, Exchange, Failed, To};
use crate::failover::{self, Decision, Failure, Next, Progress, decide};
use crate::http1::Reject;
use crate::upstream::{Attempts, Key, NoServer, Pick, Upstream};
use wait::wait;

/// Whom to ask.
#[derive(Debug)]
pub struct Target<'a> {
    pub upstream: &'a Upstream,
    pub client: IpAddr,
    pub hashed: &'a [u8],
}

/// What came of it.
#[derive(Debug)]
pub enum Outcome<'a> {
    Answer(Answer, Pick<'a>),
    None(End),
}

/// Asks. `out` is scratch space for the head of the answer.
pub async fn tries<'a>(exchange: &mut Exchange<'_, '_>, target: &Target<'a>, out: Vec<u8>) -> Outcome<'a> {
    let upstream = target.upstream;
    let policy = &upstream.config().retry;
    let key = Key { client: target.client, hashed: target.hashed, bound: exchange.plan.bound };
    let mut running = upstream.enter();
    let mut attempts = Attempts::default();
    let mut begun = micros();
    let mut pick = match upstream.pick(&mut attempts, &key, begun / 1000) {
        Ok(pick) => pick,
        // In a place of its own: requests that need not wait need no room for it.
        Err(none) => match Box::pin(wait(exchange.client, upstream, &mut attempts, &key, none)).await {
            Ok(pick) => {
                begun = micros();
                pick
            }
            Err(end) => {
                exchange.seen.tried(None, status_of(&end), begun, 0);
                return Outcome::None(end);
            }
        },
    };
    let mut asked = begun;
    let mut fresh = false;
    let mut out = out;
    // The last response of a server that was no good: better than an error page of ours.
    let mut kept: Option<(Answer, Pick<'_>)> = None;
    loop {
        let result = exchange.ask(&to(upstream, &pick), fresh, std::mem::take(&mut out)).await;
        let now = micros();
        exchange.seen.tried(Some(pick.server().address()), shown(&result), asked, now - asked);
        let (latency, now) = (now - std::mem::replace(&mut asked, now), now / 1000);
        let (failure, answer) = match result {
            Ok(answer) if !failover::is_failure(policy, answer.head.status) => {
                pick.succeeded(latency, now);
                return Outcome::Answer(answer, pick);
            }
            Ok(answer) => (Failure::Status(answer.head.status), Some(answer)),
            Err(Failed::Server(failure)) => (failure, None),
            Err(Failed::Rejected(reject)) => return Outcome::None(End::Rejected(reject)),
            Err(Failed::Client) => return Outcome::None(End::ClientGone),
            Err(Failed::Own(error)) => {
                tracing::error!(upstream = %upstream.config().name, "cannot forward a request: {error}");
                return Outcome::None(End::Rejected(Reject::new(500, "trouble of our own")));
            }
        };
        let sent = exchange.outgoing.has_begun();
        let progress = Progress {
            sent,
            replayable: exchange.outgoing.rewind(),
            idempotent: exchange.plan.idempotent,
            pooled: exchange.pooled,
            answered: exchange.answered,
            tries: attempts.count,
            elapsed: now - begun / 1000,
        };
        let Decision { next, counts } = decide(policy, failure, progress);
        if counts {
            pick.failed(now);
            tracing::debug!(upstream = %upstream.config().name, server = %pick.server().name(), ?failure, "a try failed");
        }
        if next == Next::SameServer {
            exchange.seen.forget_try();
            fresh = true;
            continue;
        }
        if next == Next::NextServer && (!failover::is_costly(failure) || running.may_repeat()) {
            let server = pick.server();
            match upstream.pick(&mut attempts, &key, now) {
                Ok(other) => {
                    let failed = std::mem::replace(&mut pick, other);
                    if let Some(answer) = answer {
                        kept = Some((answer, failed));
                    }
                    server.count_passed_on();
                    fresh = false;
                    continue;
                }
                // An answer, such as it is, is worth more than a place in line.
                Err(NoServer::Busy) if answer.is_none() && kept.is_none() => {
                    drop(pick);
                    match Box::pin(wait(exchange.client, upstream, &mut attempts, &key, NoServer::Busy)).await {
                        Ok(other) => pick = other,
                        Err(end) => {
                            exchange.seen.tried(None, status_of(&end), asked, micros() - asked);
                            return Outcome::None(end);
                        }
                    }
                    server.count_passed_on();
                    asked = micros();
                    fresh = false;
                    continue;
                }
                Err(_) => {}
            }
        }
        return match answer.map(|answer| (answer, pick)).or(kept) {
            Some((answer, pick)) => Outcome::Answer(answer, pick),
            None => Outcome::None(End::Status(failover::status(failure))),
        };
    }
}

/// Where the picked server is and how it is spoken to.
pub fn to<'a>(upstream: &'a Upstream, pick: &Pick<'a>) -> To<'a> {
    let config = upstream.config();
    let server = pick.server();
    // One that ends some day begins anew.
    let is_known = pick.bound && config.sticky.as_ref().is_some_and(|sticky| sticky.max_age.is_none());
    To {
        address: server.address(),
        host: server.host(),
        tls: config.tls.as_ref(),
        http2: config.http2,
        keepalive: config.keepalive,
        send_proxy: config.send_proxy,
        set_cookie: if is_known { "" } else { server.set_cookie() },
    }
}

/// What the log says of a request that no server was found for.
fn status_of(end: &End) -> Option<u16> {
    if let End::Status(status) = end { Some(*status) } else { None }
}

/// What the log says of a try.
fn shown(result: &Result<Answer, Failed>) -> Option<u16> {
    match result {
        Ok(answer) => Some(answer.head.status),
        Err(Failed::Server(failure)) => Some(failover::status(*failure)),
        Err(Failed::Rejected(_) | Failed::Client | Failed::Own(_)) => None,
    }
}

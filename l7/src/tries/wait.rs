//! Waiting for a server that has as many requests as it may have.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::Target;
use crate::answer::End;
use crate::client::Client;
use crate::clock::millis;
use crate::upstream::{Attempts, Key, NoServer, Pick};

/// A server may also come back without a request's having ended; so often it is looked for anyway.
const LOOK: Duration = Duration::from_millis(100);

/// A server, at once or when one has room, if the upstream has a queue.
pub async fn pick<'a>(
    client: &mut Client,
    target: &Target<'a>,
    attempts: &mut Attempts,
    key: &Key<'_>,
    now: u64,
) -> Result<Pick<'a>, End> {
    let upstream = target.upstream;
    let queue = upstream.config().queue.map(|limits| (limits, upstream.queue()));
    // Who comes later does not overtake.
    let first = match queue {
        Some((_, queue)) if queue.is_used() => Err(NoServer::Busy),
        _ => upstream.pick(attempts, key, now),
    };
    let (limits, queue) = match (first, queue) {
        (Ok(pick), _) => return Ok(pick),
        (Err(NoServer::Left), _) => return Err(End::Status(502)),
        (Err(NoServer::Busy), None) => return Err(End::Status(503)),
        (Err(NoServer::Busy), Some(queue)) => queue,
    };
    let Some(place) = queue.enter(limits.size) else { return Err(End::Status(503)) };
    let end = now + limits.timeout.as_millis() as u64;
    loop {
        let mut freed = pin!(place.freed());
        // From here on nothing is missed.
        freed.as_mut().enable();
        let now = millis();
        // From the primaries again: nobody was asked so far.
        *attempts = Attempts::default();
        match upstream.pick(attempts, key, now) {
            Ok(pick) => return Ok(pick),
            Err(NoServer::Left) => return Err(End::Status(502)),
            Err(NoServer::Busy) if now >= end => {
                queue.count_timed_out();
                return Err(End::Status(503));
            }
            Err(NoServer::Busy) => {}
        }
        client.deadline.set(Duration::from_millis(end - now).min(LOOK));
        let watch = !client.half_closed && !client.buffer.is_full();
        let stream = &client.stream;
        let event = client.deadline.within(poll_fn(|context| {
            if freed.as_mut().poll(context).is_ready() {
                return Poll::Ready(false);
            }
            if watch && stream.poll_read_ready(context).is_ready() { Poll::Ready(true) } else { Poll::Pending }
        }));
        if event.await == Ok(true) {
            client.read_meanwhile().map_err(|()| End::ClientGone)?;
        }
    }
}

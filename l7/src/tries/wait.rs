//! A request for which no server has room waits in the queue of its upstream.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use crate::answer::End;
use crate::client::Client;
use crate::clock::millis;
use crate::timers::Late;
use crate::upstream::queue::{Called, Ticket};
use crate::upstream::{Attempts, Key, NoServer, Pick, Upstream};

/// Who waits looks for itself this often: nobody says so when the time of a server that was left out is over.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A server after [`Upstream::pick`] has found `none`, or how the request ends.
pub async fn wait<'a>(
    client: &mut Client,
    upstream: &'a Upstream,
    attempts: &mut Attempts,
    key: &Key<'_>,
    none: NoServer,
) -> Result<Pick<'a>, End> {
    const UNAVAILABLE: End = End::Status(503);
    if none == NoServer::Left {
        return Err(End::Status(502));
    }
    let queue = upstream.config().queue.ok_or(UNAVAILABLE)?;
    let mut ticket = upstream.queue_up(attempts).ok_or(UNAVAILABLE)?;
    let end = millis() + queue.timeout.as_millis() as u64;
    loop {
        let now = millis();
        match upstream.pick_in_line(attempts, key, now) {
            Ok(pick) => return Ok(pick),
            Err(NoServer::Left) => return Err(End::Status(502)),
            Err(NoServer::Busy) if now >= end => return upstream.give_up(&ticket, attempts).ok_or(UNAVAILABLE),
            Err(NoServer::Busy) => {}
        }
        client.deadline.set(LOOK_EVERY.min(Duration::from_millis(end - now)));
        if let Some(Called::Place(place)) = called(client, &ticket).await? {
            match upstream.take(place, attempts) {
                Some(pick) => return Ok(pick),
                None => ticket = upstream.queue_up(attempts).ok_or(UNAVAILABLE)?,
            }
        }
    }
}

/// Waits to be called; `None` after the client's deadline. A client that closes its side meanwhile counts as gone.
async fn called(client: &mut Client, ticket: &Ticket) -> Result<Option<Called>, End> {
    client.stream.register().map_err(|_| End::ClientGone)?;
    loop {
        let watched = !client.half_closed && !client.buffer.is_full();
        let stream = &client.stream;
        let event = client.deadline.within(poll_fn(|context| match ticket.poll(context) {
            Poll::Ready(called) => Poll::Ready(Some(called)),
            Poll::Pending if watched => stream.poll_read_ready(context).map(|_| None),
            Poll::Pending => Poll::Pending,
        }));
        match event.await {
            Ok(Some(called)) => return Ok(Some(called)),
            Err(Late) => return Ok(None),
            Ok(None) => client.read_meanwhile().map_err(|()| End::ClientGone)?,
        }
        if watched && client.half_closed {
            return Err(End::ClientGone);
        }
    }
}

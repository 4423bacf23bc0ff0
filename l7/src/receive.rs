//! A request's body is read whole before a server is asked, so that it can be sent again.

use std::time::Duration;

use crate::answer::End;
use crate::client::Client;
use crate::http1::body::Reader;
use crate::http1::chunked::{self, Piece};
use crate::http1::{Body, Reject};
use crate::plan::Plan;
use crate::spool::Spool;
use crate::timers::Late;
use crate::write_all::write_all;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A body that is there.
#[derive(Debug)]
pub struct Received {
    /// How it goes to the server.
    pub framing: Body,
    /// The client has been told to go on.
    pub continued: bool,
}

impl Received {
    /// Writes what stands between the end of the head and the body.
    pub fn begin_body(&self, head: &mut Vec<u8>, spool: &Spool) {
        if self.framing == Body::Chunked && spool.len() > 0 {
            chunked::write_size(usize::try_from(spool.len()).unwrap_or(usize::MAX), head);
        }
    }
}

/// Reads the body into `spool`; what follows it on the way to the server goes to `tail`.
pub async fn receive(client: &mut Client, plan: &Plan, spool: &mut Spool, tail: &mut Vec<u8>) -> Result<Received, End> {
    spool.clear();
    tail.clear();
    let mut received = Received { framing: plan.body, continued: false };
    if !plan.has_body() {
        return Ok(received);
    }
    let limits = &plan.limits;
    let mut reader = Reader::new(plan.body);
    let begun = client.origin.worker.timers.now();
    loop {
        match reader.next(client.buffer.data()) {
            Ok(Piece::Data { framing, length }) => {
                if spool.len() + length as u64 > limits.body {
                    return Err(End::Rejected(Reject::new(413, "body too large")));
                }
                let data = &client.buffer.data()[framing..framing + length];
                spool.add(data, limits.body_in_memory).map_err(End::Own)?;
                client.buffer.consume(framing + length);
                continue;
            }
            Ok(Piece::Framing(used)) => client.buffer.consume(used),
            Ok(Piece::End(used)) => {
                client.buffer.consume(used);
                break;
            }
            Err(_) => return Err(End::Rejected(Reject::new(400, "chunked body"))),
        }
        let elapsed = Duration::from_millis(client.origin.worker.timers.now() - begun);
        client.deadline.set(limits.body_timeout.min(limits.body_patience(spool.len()).saturating_sub(elapsed)));
        if plan.expects_continue && !received.continued && spool.len() == 0 {
            received.continued = true;
            client.told.interim(CONTINUE.len());
            let proceed = write_all(&client.stream, CONTINUE);
            if !matches!(client.deadline.within(proceed).await, Ok(Ok(()))) {
                return Err(End::ClientGone);
            }
        }
        match client.deadline.within(client.stream.read(&mut client.buffer)).await {
            Ok(Ok(1..)) => {}
            Ok(_) => return Err(End::ClientGone),
            Err(Late) => return Err(End::Rejected(Reject::new(408, "body too slow"))),
        }
    }
    if plan.body == Body::Chunked {
        // A length serves everybody; only trailers need chunks.
        let trailers = if plan.nominates { b"" } else { reader.trailers() };
        if chunked::passed_on(trailers).next().is_some() {
            if spool.len() > 0 {
                tail.extend_from_slice(b"\r\n");
            }
            chunked::write_end(trailers, tail);
        } else {
            received.framing = Body::Length(spool.len());
        }
    }
    Ok(received)
}

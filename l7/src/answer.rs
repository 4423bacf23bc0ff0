//! Answers of our own: error pages, fixed responses, redirects.

use std::io;

use crate::client::{After, Client};
use crate::clock::with_date;
use crate::config::Action;
use crate::http1::body::Reader;
use crate::http1::chunked::Piece;
use crate::http1::write::{self, Reply};
use crate::http1::{Body, Reject};
use crate::plan::Plan;
use crate::write_all::write_all;

/// What we offer, for 405 and OPTIONS.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Why no server's answer goes to the client.
#[derive(Debug)]
pub enum End {
    /// Servers are to blame.
    Status(u16),
    /// The client is, and may still be sending.
    Rejected(Reject),
    ClientGone,
    Own(io::Error),
}

/// Answers a request that is not even understood; the connection can't go on.
pub async fn reject(client: &mut Client, reject: Reject, out: &mut Vec<u8>) -> After {
    tracing::debug!(client = %client.peer, status = reject.status, "request refused: {}", reject.reason);
    let page = Page { status: reject.status, head: false, minor: 1, keep_alive: false };
    page.send(client, &[], None, out).await
}

/// Answers a request that no server has answered.
pub async fn failed(client: &mut Client, plan: &Plan, end: End, out: &mut Vec<u8>) -> After {
    let (status, keep_alive) = match end {
        End::Status(status) => (status, plan.keep_alive),
        End::Rejected(why) => {
            tracing::debug!(client = %client.peer, status = why.status, "request refused: {}", why.reason);
            (why.status, false)
        }
        End::ClientGone => return After::Reset,
        End::Own(error) => {
            tracing::error!("cannot keep a request body: {error}");
            (500, false)
        }
    };
    Page { status, head: plan.is_head, minor: plan.minor, keep_alive }.send(client, &[], None, out).await
}

/// OPTIONS that may go no further.
pub async fn last_hop(client: &mut Client, plan: &Plan, out: &mut Vec<u8>) -> After {
    let page = Page { status: 204, head: plan.is_head, minor: plan.minor, keep_alive: skip_body(client, plan) };
    page.send(client, &[("Allow", METHODS)], Some(""), out).await
}

/// Does what a route without an upstream says.
/// `location`: of a redirect, filled in.
pub async fn route(client: &mut Client, plan: &Plan, action: &Action, location: &[u8], out: &mut Vec<u8>) -> After {
    let keep_alive = skip_body(client, plan);
    let page = |status| Page { status, head: plan.is_head, minor: plan.minor, keep_alive };
    match action {
        Action::Respond { status, body } => {
            let body = (!body.is_empty()).then_some(body.as_str());
            page(*status).send(client, &[], body, out).await
        }
        Action::Redirect { status, .. } => {
            // Of a checked target and host: ASCII.
            let location = String::from_utf8_lossy(location);
            page(*status).send(client, &[("Location", &location)], None, out).await
        }
        Action::Proxy(_) => page(500).send(client, &[], None, out).await,
    }
}

/// Takes a body that is there already out of the way; whether the connection can go on after that.
fn skip_body(client: &mut Client, plan: &Plan) -> bool {
    let mut reader = Reader::new(plan.body);
    loop {
        match reader.next(client.buffer.data()) {
            Ok(Piece::Data { framing, length }) => client.buffer.consume(framing + length),
            Ok(Piece::End(used)) => {
                client.buffer.consume(used);
                return plan.keep_alive;
            }
            Ok(Piece::Framing(_)) | Err(_) => return false,
        }
    }
}

struct Page {
    status: u16,
    head: bool,
    minor: u8,
    keep_alive: bool,
}

impl Page {
    /// Sends it, with the words for the status where there is no body.
    async fn send(&self, client: &mut Client, extra: &[(&str, &str)], body: Option<&str>, out: &mut Vec<u8>) -> After {
        let keep_alive = self.keep_alive && !client.worker.is_draining();
        let words;
        let body = if let Some(body) = body {
            body
        } else {
            words = format!("{} {}\n", self.status, write::reason(self.status));
            &words
        };
        let mut fields = extra.to_vec();
        if !body.is_empty() {
            fields.push(("Content-Type", "text/plain; charset=utf-8"));
        }
        if self.status == 405 {
            fields.push(("Allow", METHODS));
        }
        out.clear();
        with_date(|date| {
            let reply = Reply { body: Body::Length(body.len() as u64), minor: self.minor, keep_alive, date };
            write::own(self.status, &fields, body, self.head, reply, out);
        });
        client.deadline.set(crate::config::Limits::default().send_timeout);
        match client.deadline.within(write_all(&client.stream, out)).await {
            Ok(Ok(())) if keep_alive => After::KeepAlive,
            Ok(Ok(())) => After::Linger,
            _ => After::Reset,
        }
    }
}

//! Answers of our own: error pages, fixed responses, redirects.

use std::io;

use crate::client::{After, Client};
use crate::clock::with_date;
use crate::config::{Action, Edits, ErrorPages, Route};
use crate::http1::body::Reader;
use crate::http1::chunked::Piece;
use crate::http1::write::{self, Reply};
use crate::http1::{Body, Reject};
use crate::plan::Plan;
use crate::write_all::write_both;

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
pub async fn reject(client: &mut Client, reject: Reject, pages: &ErrorPages, out: &mut Vec<u8>) -> After {
    tracing::debug!(client = %client.origin.peer, status = reject.status, "request refused: {}", reject.reason);
    let page = Page { status: reject.status, head: false, minor: 1, keep_alive: false, pages, added: b"" };
    page.send(client, &[], None, out).await
}

/// Answers a request that no server has answered.
pub async fn failed(client: &mut Client, plan: &Plan, end: End, pages: &ErrorPages, out: &mut Vec<u8>) -> After {
    let (status, keep_alive) = match end {
        End::Status(status) => (status, plan.keep_alive),
        End::Rejected(why) => {
            tracing::debug!(client = %client.origin.peer, status = why.status, "request refused: {}", why.reason);
            (why.status, false)
        }
        End::ClientGone => return After::Reset,
        End::Own(error) => {
            tracing::error!("cannot keep a request body: {error}");
            (500, false)
        }
    };
    Page { status, head: plan.is_head, minor: plan.minor, keep_alive, pages, added: b"" }
        .send(client, &[], None, out)
        .await
}

/// OPTIONS that may go no further.
pub async fn last_hop(client: &mut Client, plan: &Plan, out: &mut Vec<u8>) -> After {
    let (keep_alive, pages) = (skip_body(client, plan), &ErrorPages::default());
    let page = Page { status: 204, head: plan.is_head, minor: plan.minor, keep_alive, pages, added: b"" };
    page.send(client, &[("Allow", METHODS)], Some(""), out).await
}

/// Answers a request that no route fits.
pub async fn nowhere(client: &mut Client, plan: &Plan, pages: &ErrorPages, out: &mut Vec<u8>) -> After {
    let keep_alive = skip_body(client, plan);
    Page { status: 404, head: plan.is_head, minor: plan.minor, keep_alive, pages, added: b"" }
        .send(client, &[], None, out)
        .await
}

/// Does what a route without an upstream says.
/// `location`: of a redirect, filled in.
/// `added`: fields of the response.
pub async fn route(
    client: &mut Client,
    plan: &Plan,
    route: &Route,
    location: &[u8],
    added: &[u8],
    out: &mut Vec<u8>,
) -> After {
    let (keep_alive, pages) = (skip_body(client, plan), &route.error_pages);
    let page = |status| Page { status, head: plan.is_head, minor: plan.minor, keep_alive, pages, added };
    match &route.action {
        Action::Respond { status, body } => {
            let body = (!body.is_empty()).then_some(body.as_str());
            page(*status).send(client, &[], body, out).await
        }
        Action::Redirect { status, .. } => {
            // Of a checked target and host: ASCII.
            let location = String::from_utf8_lossy(location);
            page(*status).send(client, &[("Location", &location)], None, out).await
        }
        Action::Proxy(_) | Action::Files(_) => page(500).send(client, &[], None, out).await,
    }
}

/// Takes a body that is there already out of the way; whether the connection can go on after that.
pub fn skip_body(client: &mut Client, plan: &Plan) -> bool {
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

/// A whole answer of our own.
pub struct Page<'a> {
    pub status: u16,
    pub head: bool,
    pub minor: u8,
    pub keep_alive: bool,
    /// What is sent in place of the words for the status.
    pub pages: &'a ErrorPages,
    /// Lines of fields.
    pub added: &'a [u8],
}

impl Page<'_> {
    /// Sends it; where there is no body, with the page for the status or the words for it.
    pub async fn send(
        &self,
        client: &mut Client,
        extra: &[(&str, &str)],
        body: Option<&str>,
        out: &mut Vec<u8>,
    ) -> After {
        const TEXT: &str = "text/plain; charset=utf-8";
        let keep_alive = self.keep_alive && !client.origin.worker.is_draining();
        let words;
        let (body, content_type) = match (body, self.pages.of(self.status)) {
            (Some(body), _) => (body.as_bytes(), TEXT),
            (None, Some(page)) => (page.body.as_slice(), page.content_type.as_str()),
            (None, None) => {
                words = format!("{} {}\n", self.status, write::reason(self.status));
                (words.as_bytes(), TEXT)
            }
        };
        let mut fields = extra.to_vec();
        if !body.is_empty() {
            fields.push(("Content-Type", content_type));
        }
        if self.status == 405 && !extra.iter().any(|(name, _)| *name == "Allow") {
            fields.push(("Allow", METHODS));
        }
        out.clear();
        with_date(|date| {
            let length = body.len() as u64;
            let (edits, added) = (&Edits::default(), self.added);
            let reply = Reply {
                body: Body::Length(length),
                minor: self.minor,
                keep_alive,
                date,
                edits,
                added,
                set_cookie: b"",
            };
            write::own(self.status, &fields, length, reply, out);
        });
        client.told.own(self.status, out.len());
        let body = if self.head || matches!(self.status, 204 | 304) { b"" } else { body };
        client.deadline.set(crate::config::Limits::default().send_timeout);
        match client.deadline.within(write_both(&client.stream, out, body)).await {
            Ok(Ok(())) if keep_alive => After::KeepAlive,
            Ok(Ok(())) => After::Linger,
            _ => After::Reset,
        }
    }
}

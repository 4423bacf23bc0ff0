//! Files as answers, as nginx's `root` and `index` give them.
//!
//! ```text
//!  asked (what the head says) ─▶ find (path, open) ─▶ conditional, range (304, 412, 206, 416) ─▶ head ─▶ send
//! ```
//!
//! * [`asked`]: what matters of a request, kept in its scratch memory
//! * [`path`]: the path below the root
//! * [`open`]: opening it without leaving the root
//! * [`find`]: the file that is meant: itself, an index, a compressed sibling
//! * [`conditional`], [`range`]: preconditions and ranges, without I/O
//! * [`content`]: what kind of content a name stands for
//! * [`send`]: the bytes

pub mod asked;
mod conditional;
pub mod content;
mod find;
mod open;
mod path;
mod range;
mod send;

use std::io::Write as _;

use crate::answer::{self, Page};
use crate::client::{After, Client};
use crate::clock::with_date;
use crate::config::{ErrorPages, Files};
use crate::http1::write;
use crate::plan::Plan;
use asked::{Asked, Tag};
use conditional::{Validators, Verdict};
use find::{Found, Representation, find};

const METHODS: &str = "GET, HEAD";

/// Answers with the file that is asked for. `asked`: what [`Asked::write`] made of the request; `added`: fields of the response.
pub async fn serve(
    client: &mut Client,
    plan: &Plan,
    files: &Files,
    pages: &ErrorPages,
    asked: &[u8],
    added: &[u8],
    out: &mut Vec<u8>,
) -> After {
    let keep_alive = answer::skip_body(client, plan);
    let page = |status| Page { status, head: plan.is_head, minor: plan.minor, keep_alive, pages, added };
    let asked = Asked::read(asked);
    if asked.first(Tag::OtherMethod).is_some() {
        return page(405).send(client, &[("Allow", METHODS)], None, out).await;
    }
    let file = match find(files, &asked, client.origin.worker.timers.now()) {
        Found::File(file) => file,
        Found::Folder => {
            let location = asked.location_of_folder();
            return page(301).send(client, &[("Location", &location)], None, out).await;
        }
        Found::Status(status) => return page(status).send(client, &[], None, out).await,
    };
    let validators = Validators::new(file.opened.modified, file.opened.size);
    let (status, first, length) = match conditional::verdict(&asked, &validators) {
        Verdict::Whole => (200, 0, file.opened.size),
        Verdict::Part { first, length } => (206, first, length),
        Verdict::NotModified => (304, 0, 0),
        Verdict::Failed => return page(412).send(client, &[], None, out).await,
        Verdict::Unsatisfiable => {
            let range = format!("bytes */{}", file.opened.size);
            return page(416).send(client, &[("Content-Range", &range)], None, out).await;
        }
    };
    let keep_alive = keep_alive && !client.origin.worker.is_draining();
    out.clear();
    let answer =
        Answer { status, first, length, file: &file, validators: &validators, vary: files.precompressed, added };
    answer.head(plan.minor, keep_alive, out);
    client.told.own(status, out.len());
    let length = if plan.is_head { 0 } else { length };
    match send::send(client, &file.opened.file, first..first + length, plan.limits.send_timeout, out).await {
        Ok(()) if keep_alive => After::KeepAlive,
        Ok(()) => After::Linger,
        Err(_) => After::Reset,
    }
}

struct Answer<'a> {
    status: u16,
    first: u64,
    length: u64,
    file: &'a Representation,
    validators: &'a Validators,
    vary: bool,
    added: &'a [u8],
}

impl Answer<'_> {
    fn head(&self, minor: u8, keep_alive: bool, out: &mut Vec<u8>) {
        with_date(|date| write::begin_own(self.status, date, out));
        if self.status != 304 {
            out.extend_from_slice(b"Content-Type: ");
            content::write(self.file.content_type, out);
            out.extend_from_slice(b"\r\n");
            if let Some(coding) = self.file.coding {
                write::write_field(b"Content-Encoding", coding.as_bytes(), out);
            }
        }
        write::write_field(b"ETag", self.validators.etag(), out);
        // Writing to memory does not fail.
        let _ = write!(out, "Last-Modified: {}\r\n", self.validators.modified());
        if self.vary {
            write::write_field(b"Vary", b"Accept-Encoding", out);
        }
        if self.status == 206 {
            let last = self.first + self.length - 1;
            let _ = write!(out, "Content-Range: bytes {}-{last}/{}\r\n", self.first, self.file.opened.size);
        } else if self.status == 200 {
            write::write_field(b"Accept-Ranges", b"bytes", out);
        }
        if self.status != 304 {
            write::number_field("Content-Length", self.length, out);
        }
        out.extend_from_slice(self.added);
        write::end_own(minor, keep_alive, out);
    }
}

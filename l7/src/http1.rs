//! HTTP/1.x messages without I/O (RFC 9110, RFC 9112): what a head says, how its body is framed, and what is written instead.
//!
//! * [`request`], [`response`]: heads, checked by a strict reading of the RFCs
//! * [`target`]: request targets, hosts, and the path that routes look at
//! * [`field`]: names that mean something to a proxy
//! * [`body`]: a body as it comes, whatever its framing
//! * [`chunked`]: the chunked transfer coding, in and out
//! * [`write`]: heads as we send them
//!
//! The parser of lines and fields is `httparse`. It tolerates a few things that we do not; each is checked here.

pub mod body;
pub mod chunked;
pub mod field;
pub mod framing;
pub mod request;
pub mod response;
pub mod target;
pub mod write;

pub use framing::Body;

/// A request or a response that is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reject {
    /// What the client is told.
    pub status: u16,
    /// For the log: in the words of the RFCs.
    pub reason: &'static str,
}

impl Reject {
    pub const fn new(status: u16, reason: &'static str) -> Self {
        Self { status, reason }
    }

    const fn bad(reason: &'static str) -> Self {
        Self::new(400, reason)
    }
}

/// Whether every LF of a head ends a line properly: no bare LF (RFC 9112 section 2.2), which `httparse` would let pass.
fn lines_end_in_crlf(head: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', head).all(|at| at > 0 && head[at - 1] == b'\r')
}

//! What happens after a try that did not bring a response: pure decisions (nginx `ngx_http_upstream_next`, and better where noted).

use crate::config::Retry;

/// How a try ended without a response that could be passed on as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No connection was made.
    Connect,
    ConnectTimeout,
    /// Writing failed, or the connection ended before a response.
    Closed,
    /// Nothing could be written, or nothing came, for too long.
    Timeout,
    /// The server has said that it did not look at the request (RFC 9113 section 8.7).
    Unprocessed,
    /// What came is no response.
    Invalid,
    /// A response whose status may count as a failure.
    Status(u16),
}

/// What has happened to the request so far.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Whether any byte of it may have reached the server.
    pub sent: bool,
    /// Whether all of it can be sent again.
    pub replayable: bool,
    /// The method may be repeated (RFC 9110 section 9.2.2).
    pub idempotent: bool,
    /// The try used a connection from the pool, which the server may have closed at the same moment.
    pub pooled: bool,
    /// Whether any byte of a response came.
    pub answered: bool,
    /// Servers asked, this one included.
    pub tries: u32,
    /// Milliseconds since the first try began.
    pub elapsed: u64,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Again, on a new connection to the same server: the pooled one was stale. Neither a try nor a failure.
    SameServer,
    /// Another server, if there is one; else as for `Stop`.
    NextServer,
    /// An error page with this status; for [`Failure::Status`] the server's own response.
    Stop(u16),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    pub next: Next,
    /// Whether the server's record gets worse.
    pub counts: bool,
}

/// Whether this status is a failure by the policy (never 2xx, 3xx).
pub fn is_failure(policy: &Retry, status: u16) -> bool {
    policy.on_status.contains(&status)
}

/// Decides.
pub fn decide(policy: &Retry, failure: Failure, progress: Progress) -> Decision {
    let unprocessed = failure == Failure::Unprocessed;
    let stale = progress.pooled && !progress.answered && (failure == Failure::Closed || unprocessed);
    let harmless = !progress.sent || progress.idempotent || policy.non_idempotent || unprocessed;
    let repeatable = progress.replayable && harmless;
    if stale {
        // Whether the server saw the request is unknown: only what may be repeated is.
        let next = if repeatable { Next::SameServer } else { Next::Stop(502) };
        return Decision { next, counts: false };
    }
    let listed = match failure {
        Failure::Connect | Failure::Closed | Failure::Unprocessed => policy.on_error,
        Failure::ConnectTimeout | Failure::Timeout => policy.on_timeout,
        Failure::Invalid => policy.on_invalid_header,
        Failure::Status(status) => is_failure(policy, status),
    };
    let tries_left = policy.tries == 0 || progress.tries < policy.tries;
    let limit = policy.timeout.as_millis() as u64;
    let time_left = limit == 0 || progress.elapsed < limit;
    let next =
        if listed && repeatable && tries_left && time_left { Next::NextServer } else { Next::Stop(status(failure)) };
    // Statuses only if listed, on the last try too; all else is the server's fault in any case.
    Decision { next, counts: !matches!(failure, Failure::Status(_)) || listed }
}

/// Whether the server may have worked on the request in vain: repeats of those are bounded, or a group that has too much to do would get
/// even more. A server that is gone costs nothing, however many requests it takes with it.
pub fn is_costly(failure: Failure) -> bool {
    matches!(failure, Failure::ConnectTimeout | Failure::Timeout | Failure::Status(_))
}

/// What the client is told when nobody else can be asked.
pub fn status(failure: Failure) -> u16 {
    match failure {
        Failure::ConnectTimeout | Failure::Timeout => 504,
        Failure::Status(status) => status,
        Failure::Connect | Failure::Closed | Failure::Unprocessed | Failure::Invalid => 502,
    }
}

/// Methods that may be repeated without harm (RFC 9110 section 9.2.2). Unknown ones may not.
pub fn is_idempotent(method: &[u8]) -> bool {
    const SAFE: [&[u8]; 6] = [b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE"];
    SAFE.contains(&method)
}

#[cfg(test)]
mod tests;

use super::*;

const FRESH: Progress =
    Progress { sent: true, replayable: true, idempotent: true, pooled: false, answered: false, tries: 1, elapsed: 0 };

fn next(failure: Failure, progress: Progress) -> Next {
    decide(&Retry::default(), failure, progress).next
}

#[test]
fn error_and_timeout_go_to_the_next_server() {
    for failure in [Failure::Connect, Failure::ConnectTimeout, Failure::Closed, Failure::Timeout, Failure::Invalid] {
        assert_eq!(decide(&Retry::default(), failure, FRESH), Decision { next: Next::NextServer, counts: true });
    }
    let never = Retry { on_error: false, on_timeout: false, on_invalid_header: false, ..Retry::default() };
    assert_eq!(decide(&never, Failure::Closed, FRESH), Decision { next: Next::Stop(502), counts: true });
    assert_eq!(decide(&never, Failure::Timeout, FRESH), Decision { next: Next::Stop(504), counts: true });
    assert_eq!(decide(&never, Failure::Invalid, FRESH), Decision { next: Next::Stop(502), counts: true });
}

#[test]
fn a_status_counts_and_moves_on_only_if_listed() {
    let listed = Retry { on_status: vec![503, 404], ..Retry::default() };
    assert_eq!(decide(&listed, Failure::Status(503), FRESH), Decision { next: Next::NextServer, counts: true });
    assert_eq!(decide(&listed, Failure::Status(404), FRESH), Decision { next: Next::NextServer, counts: true });
    assert_eq!(decide(&listed, Failure::Status(500), FRESH), Decision { next: Next::Stop(500), counts: false });
    let last = Retry { tries: 1, ..listed };
    assert_eq!(decide(&last, Failure::Status(503), FRESH), Decision { next: Next::Stop(503), counts: true });
}

#[test]
fn a_stale_pooled_connection_is_neither_a_try_nor_a_failure() {
    let pooled = Progress { pooled: true, ..FRESH };
    assert_eq!(decide(&Retry::default(), Failure::Closed, pooled), Decision { next: Next::SameServer, counts: false });
    let post = Progress { idempotent: false, ..pooled };
    assert_eq!(decide(&Retry::default(), Failure::Closed, post), Decision { next: Next::Stop(502), counts: false });
    let unsent = Progress { sent: false, ..post };
    assert_eq!(next(Failure::Closed, unsent), Next::SameServer);
    let answered = Progress { answered: true, ..pooled };
    assert_eq!(decide(&Retry::default(), Failure::Closed, answered), Decision { next: Next::NextServer, counts: true });
    assert_eq!(
        next(Failure::Timeout, pooled),
        Next::NextServer,
        "a server that does not answer is not a stale connection"
    );
}

#[test]
fn post_is_passed_on_only_while_unsent_or_by_wish() {
    let post = Progress { idempotent: false, ..FRESH };
    assert_eq!(next(Failure::Closed, post), Next::Stop(502));
    assert_eq!(next(Failure::Connect, Progress { sent: false, ..post }), Next::NextServer);
    let wish = Retry { non_idempotent: true, ..Retry::default() };
    assert_eq!(decide(&wish, Failure::Closed, post).next, Next::NextServer);
}

#[test]
fn a_body_that_cannot_be_sent_again_ends_it() {
    assert_eq!(next(Failure::Closed, Progress { replayable: false, ..FRESH }), Next::Stop(502));
}

#[test]
fn tries_count_the_first_one_and_time_is_checked_between_tries() {
    let two = Retry { tries: 2, ..Retry::default() };
    assert_eq!(decide(&two, Failure::Connect, FRESH).next, Next::NextServer);
    assert_eq!(decide(&two, Failure::Connect, Progress { tries: 2, ..FRESH }).next, Next::Stop(502));
    let second = Retry { timeout: std::time::Duration::from_secs(1), ..Retry::default() };
    assert_eq!(decide(&second, Failure::Connect, Progress { elapsed: 999, ..FRESH }).next, Next::NextServer);
    assert_eq!(decide(&second, Failure::Connect, Progress { elapsed: 1000, ..FRESH }).next, Next::Stop(502));
}

#[test]
fn methods_that_may_be_repeated() {
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        assert!(is_idempotent(method.as_bytes()));
    }
    for method in ["POST", "PATCH", "LOCK", "get", "PROPFIND", ""] {
        assert!(!is_idempotent(method.as_bytes()));
    }
}

#[test]
fn what_a_server_did_not_look_at_is_repeated_whatever_it_is() {
    let post = Progress { idempotent: false, ..FRESH };
    let moved = Decision { next: Next::NextServer, counts: true };
    assert_eq!(decide(&Retry::default(), Failure::Unprocessed, post), moved);
    let shared = Progress { pooled: true, ..post };
    assert_eq!(next(Failure::Unprocessed, shared), Next::SameServer, "on a session of its own");
    let streamed = Progress { replayable: false, ..post };
    assert_eq!(next(Failure::Unprocessed, streamed), Next::Stop(502));
}

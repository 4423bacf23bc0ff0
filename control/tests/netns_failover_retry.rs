//! What the proxy sends again to another server, and what it does not: the rules of nginx (`ngx_http_upstream.c`), and where Headgate does
//! better.

mod common;

use std::io::{Read, Write};
use std::net::Shutdown;

use common::proxy::{
    BACKUP, BACKUP_KEY, Bed, Do, PRIMARY, SECOND, Server, config, dies_after, good, is_from_backup, namespace, status,
    with_backup,
};
use headgate_testbed::privileged;

#[test]
fn rule_17_what_may_not_be_repeated_is_not() {
    if !privileged() {
        return;
    }
    for (method, repeated) in [("PUT", true), ("DELETE", true), ("POST", false), ("PATCH", false), ("LOCK", false)] {
        let (bed, primary, backup) = with_backup(&format!("r17-{method}").to_lowercase(), "", |_| Do::Close(vec![]));
        let (status, _) = bed.ask(method, b"body");
        assert_eq!(status, if repeated { 200 } else { 502 }, "{method}");
        assert_eq!((primary.requests().len(), backup.requests().len()), (1, usize::from(repeated)), "{method}");
        if repeated {
            assert_eq!(backup.requests()[0].body, b"body");
        }
        bed.finish();
    }
}

#[test]
fn rule_17_a_post_is_passed_on_when_nothing_was_sent_or_the_file_allows_it() {
    if !privileged() {
        return;
    }
    let topology = namespace("r17-refused");
    let backup = good(&topology, BACKUP);
    let bed = Bed::start(topology, &config("", &[(PRIMARY, ""), (BACKUP, BACKUP_KEY)], ""));
    assert!(is_from_backup(bed.ask("POST", b"body")));
    assert_eq!(backup.requests()[0].body, b"body");
    bed.finish();
    let (bed, _primary, backup) =
        with_backup("r17-allowed", "retry = { non_idempotent = true }", |_| Do::Close(vec![]));
    assert!(is_from_backup(bed.ask("POST", b"body")));
    assert_eq!(backup.requests().len(), 1);
    bed.finish();
}

#[test]
fn rule_18_a_large_body_reaches_the_next_server_whole() {
    if !privileged() {
        return;
    }
    let body: Vec<u8> = (0..8_000_000_u32).map(|n| (n % 251) as u8).collect();
    let topology = namespace("r18");
    dies_after(&topology, PRIMARY, 1_000_000);
    let backup = good(&topology, BACKUP);
    let servers = [(PRIMARY, ""), (BACKUP, BACKUP_KEY)];
    let bed = Bed::start(topology, &config("", &servers, ""));
    assert!(is_from_backup(bed.ask("PUT", &body)));
    assert!(backup.requests()[0].body == body, "damaged");
    // Unbuffered: what has been sent once is gone.
    let unbuffered = config("", &[(PRIMARY, "max_fails = 0"), servers[1]], "request_buffering = false");
    assert!(bed.daemon.reload(&unbuffered).unwrap().status.success());
    let mut stream = bed.raw(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 8000000\r\n\r\n");
    // The answer may come while we still send.
    let _ = stream.write_all(&body);
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert_eq!(backup.requests().len(), 1);
    bed.finish();
}

#[test]
fn rule_19_the_last_real_response_is_kept() {
    if !privileged() {
        return;
    }
    // The first says 503, the second breaks: the client gets the 503.
    let topology = namespace("r19");
    let _primary = Server::start(&topology, PRIMARY, |_, _| status(503, "sorry"));
    let _second = Server::start(&topology, SECOND, |_, _| Do::Close(vec![]));
    let text = config("retry = { on = [\"error\", \"http_503\"] }", &[(PRIMARY, ""), (SECOND, "")], "");
    let bed = Bed::start(topology, &text);
    let answer = bed.get("/");
    assert_eq!((answer.status, answer.text().as_str()), (503, "sorry"));
    bed.finish();
}

#[test]
fn rule_20_an_interim_response_does_not_stand_in_the_way_of_a_retry() {
    if !privileged() {
        return;
    }
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
    let (bed, _primary, _backup) = with_backup("r20", "", move |_| Do::Close(hints.as_bytes().to_vec()));
    let mut stream = bed.raw(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let mut got = String::new();
    stream.read_to_string(&mut got).unwrap();
    assert!(got.starts_with("HTTP/1.1 103 ") && got.contains("HTTP/1.1 200 ") && got.ends_with("9003"), "{got}");
    bed.finish();
}

#[test]
fn rule_21_a_client_that_only_stops_sending_gets_its_answer() {
    if !privileged() {
        return;
    }
    let topology = namespace("r21");
    let _primary = good(&topology, PRIMARY);
    let bed = Bed::start(topology, &config("", &[(PRIMARY, "")], ""));
    let mut stream = bed.raw(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    stream.shutdown(Shutdown::Write).unwrap();
    let mut got = String::new();
    stream.read_to_string(&mut got).unwrap();
    assert!(got.ends_with("9001"), "{got}");
    bed.finish();
}

#[test]
fn the_retry_budget_bounds_what_is_repeated() {
    if !privileged() {
        return;
    }
    // Everybody's first try hangs until its timeout: of 40 at a time a fifth may try again, the others end there.
    let topology = namespace("budget");
    let _primary = Server::start(&topology, PRIMARY, |_, _| Do::Hang);
    let backup = good(&topology, BACKUP);
    let bed = Bed::start(topology, &config("", &[(PRIMARY, "max_fails = 0"), (BACKUP, BACKUP_KEY)], ""));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let ask = |_| {
            let mut client = bed.client();
            scope.spawn(move || client.get("/").unwrap().status)
        };
        let threads: Vec<_> = (0..40).map(ask).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let served = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!(served, backup.requests().len());
    assert!(served >= 3 && statuses.iter().filter(|status| **status == 504).count() == 40 - served, "{statuses:?}");
    bed.finish();
}

#[test]
fn a_body_that_nobody_took_is_never_the_next_request() {
    if !privileged() {
        return;
    }
    let topology = namespace("unread");
    let bed = Bed::start(topology, &config("", &[(PRIMARY, "")], "request_buffering = false"));
    let hidden = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    let length = hidden.len();
    let mut stream =
        bed.raw(format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{hidden}").as_bytes());
    let mut got = String::new();
    stream.read_to_string(&mut got).unwrap();
    assert!(got.starts_with("HTTP/1.1 502 ") && got.contains("Connection: close\r\n"), "{got}");
    assert_eq!(got.matches("HTTP/1.1 ").count(), 1, "{got}");
    bed.finish();
}

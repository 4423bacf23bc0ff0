//! Which server the proxy asks, and what counts against one: the rules of nginx (`ngx_http_upstream*`), and where Headgate does better. What
//! is sent again is in `netns_failover_retry.rs`.

mod common;

use std::io::Read;
use std::time::{Duration, Instant};

use common::PATIENCE;
use common::proxy::{
    BACKUP, BACKUP_KEY, Bed, Do, OK, PRIMARY, SECOND, Server, config, good, is_from_backup, namespace, reply, status,
    with_backup,
};
use headgate_testbed::{privileged, wait_for};

#[test]
fn rule_01_a_server_is_out_after_one_failure_for_its_time_in_milliseconds() {
    if !privileged() {
        return;
    }
    let topology = namespace("r01");
    let primary =
        Server::start(&topology, PRIMARY, |number, _| if number == 0 { Do::Close(vec![]) } else { reply(OK) });
    let _backup = good(&topology, BACKUP);
    let servers = [(PRIMARY, "fail_timeout = \"700ms\""), (BACKUP, BACKUP_KEY)];
    let bed = Bed::start(topology, &config("", &servers, ""));
    assert!(is_from_backup(bed.ask("GET", b"")));
    let failed = Instant::now();
    assert_eq!((bed.count(PRIMARY, "failures"), bed.state(PRIMARY).as_str()), (1, "down"));
    wait_for(PATIENCE, "the primary is asked again", || bed.ask("GET", b"").1 == "ok").unwrap();
    let out = failed.elapsed();
    assert!(out >= Duration::from_millis(650), "{out:?}");
    assert_eq!((primary.requests().len(), bed.state(PRIMARY).as_str()), (2, "up"));
    assert!(bed.daemon.log().contains("the server has failed and is left out"), "{}", bed.daemon.log());
    bed.finish();
}

#[test]
fn rule_03_after_the_time_one_request_probes_and_the_others_keep_away() {
    if !privileged() {
        return;
    }
    let topology = namespace("r03");
    let primary = Server::start(&topology, PRIMARY, |number, _| if number == 0 { Do::Close(vec![]) } else { Do::Hang });
    let _backup = good(&topology, BACKUP);
    let servers = [(PRIMARY, "fail_timeout = \"500ms\""), (BACKUP, BACKUP_KEY)];
    let bed = Bed::start(topology, &config("", &servers, ""));
    assert!(is_from_backup(bed.ask("GET", b"")));
    wait_for(PATIENCE, "the time is up", || bed.state(PRIMARY) == "probing").unwrap();
    // The probe hangs; meanwhile nobody else is sent there.
    let mut probe = bed.client();
    std::thread::scope(|scope| {
        let probing = scope.spawn(move || probe.get("/probe").unwrap());
        wait_for(PATIENCE, "the probe is there", || primary.requests().len() == 2).unwrap();
        assert!((0..5).all(|_| is_from_backup(bed.ask("GET", b""))));
        assert_eq!(primary.requests().len(), 2);
        assert_eq!(probing.join().unwrap().text(), "9003", "the probe fails by its timeout and is passed on");
    });
    bed.finish();
}

#[test]
fn rule_05_all_workers_know() {
    if !privileged() {
        return;
    }
    let (bed, primary, _backup) = with_backup("r05", "", |_| Do::Close(vec![]));
    let workers = bed.daemon.json(&["status"]).unwrap()["proxy"]["workers"].as_array().unwrap().len();
    assert!(workers > 1, "the test needs several");
    assert!((0..40).all(|_| is_from_backup(bed.ask("GET", b""))));
    assert_eq!(primary.requests().len(), 1);
    bed.finish();
}

type Act = fn(usize) -> Do;

#[test]
fn rule_06_errors_before_the_head_are_failures_and_passed_on() {
    if !privileged() {
        return;
    }
    let cases: [(&str, Act); 6] = [
        ("closed", |_| Do::Close(vec![])),
        ("closed within the head", |_| Do::Close(b"HTTP/1.1 200 O".to_vec())),
        ("reset", |_| Do::Reset(vec![])),
        ("silent", |_| Do::Hang),
        ("nonsense", |_| reply("220 smtp.example.org\r\n")),
        ("too large a head", |_| reply(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(100_000)))),
    ];
    for (number, (name, act)) in cases.into_iter().enumerate() {
        let (bed, _primary, _backup) = with_backup(&format!("r06-{number}"), "", act);
        assert!(is_from_backup(bed.ask("GET", b"")), "{name}");
        assert_eq!((bed.count(PRIMARY, "failures"), bed.count(PRIMARY, "retries")), (1, 1), "{name}");
        bed.finish();
    }
}

#[test]
fn rule_06_a_connection_that_is_refused_or_swallowed_is_a_failure() {
    if !privileged() {
        return;
    }
    let topology = namespace("r06-connect");
    let _backup = good(&topology, BACKUP);
    // An address of a network where nobody answers: the director's own link, a host that is not there.
    let text = config("", &[(PRIMARY, ""), (BACKUP, BACKUP_KEY)], "");
    let silent = text.replace("127.0.0.1:9001", "10.0.0.77:80");
    let bed = Bed::start(topology, &text);
    assert!(is_from_backup(bed.ask("GET", b"")));
    assert_eq!(bed.count(PRIMARY, "failures"), 1);
    assert!(bed.daemon.reload(&silent).unwrap().status.success());
    let began = Instant::now();
    assert!(is_from_backup(bed.ask("GET", b"")));
    assert!(began.elapsed() < PATIENCE, "by the timeout of a second");
    bed.finish();
}

#[test]
fn rule_06_statuses_count_only_if_listed() {
    if !privileged() {
        return;
    }
    for (listed, failed, answer) in [("", 503, "9001"), ("retry = { on = [\"http_503\"] }", 503, "9003")] {
        let topology = namespace(&format!("r06-status-{answer}"));
        let _primary = Server::start(&topology, PRIMARY, move |_, _| status(failed, "9001"));
        let _backup = good(&topology, BACKUP);
        let bed = Bed::start(topology, &config(listed, &[(PRIMARY, ""), (BACKUP, BACKUP_KEY)], ""));
        assert_eq!(bed.get("/").text(), answer);
        assert_eq!(bed.count(PRIMARY, "failures"), u64::from(answer == "9003"));
        bed.finish();
    }
    // 403 and 404 are the application's answers, unless the file says otherwise.
    let topology = namespace("r06-404");
    let _primary = Server::start(&topology, PRIMARY, |_, _| status(404, "none"));
    let _backup = good(&topology, BACKUP);
    let servers = [(PRIMARY, ""), (BACKUP, BACKUP_KEY)];
    let bed = Bed::start(topology, &config("", &servers, ""));
    assert_eq!((bed.get("/").status, bed.count(PRIMARY, "failures")), (404, 0));
    let listed = config("retry = { on = [\"error\", \"http_404\"] }", &servers, "");
    assert!(bed.daemon.reload(&listed).unwrap().status.success());
    assert_eq!(bed.get("/").text(), "9003");
    bed.finish();
}

#[test]
fn rule_07_truncated_responses_count_and_stay_truncated() {
    if !privileged() {
        return;
    }
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello";
    let (bed, _primary, _backup) = with_backup("r07", "", move |_| Do::Close(cut.as_bytes().to_vec()));
    let mut stream = bed.raw(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut got = Vec::new();
    let _ = stream.read_to_end(&mut got);
    let text = String::from_utf8_lossy(&got);
    assert!(text.contains("Content-Length: 10\r\n") && text.ends_with("\r\n\r\nhello"), "{text}");
    assert_eq!((bed.count(PRIMARY, "failures"), bed.state(PRIMARY).as_str()), (1, "down"));
    bed.finish();
}

#[test]
fn rule_07_a_listed_status_on_the_last_try_counts_too() {
    if !privileged() {
        return;
    }
    let topology = namespace("r07-last");
    let _primary = Server::start(&topology, PRIMARY, |_, _| status(503, "one"));
    let _second = Server::start(&topology, SECOND, |_, _| status(503, "two"));
    let text = config("retry = { on = [\"http_503\"] }", &[(PRIMARY, ""), (SECOND, "")], "");
    let bed = Bed::start(topology, &text);
    let answer = bed.get("/");
    assert_eq!((answer.status, answer.text().as_str()), (503, "two"), "the real response of the last");
    assert_eq!((bed.count(PRIMARY, "failures"), bed.count(SECOND, "failures")), (1, 1));
    bed.finish();
}

#[test]
fn rule_07_a_client_that_goes_away_is_no_failure() {
    if !privileged() {
        return;
    }
    let topology = namespace("r07-abort");
    let primary = Server::start(&topology, PRIMARY, |_, _| Do::Hang);
    let text = config("", &[(PRIMARY, ""), (SECOND, "backup = true")], "").replace("read = \"1s\"", "read = \"1m\"");
    let bed = Bed::start(topology, &text);
    let stream = bed.raw(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    wait_for(PATIENCE, "the request is there", || primary.requests().len() == 1).unwrap();
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
    // Rule 21: the server is let go at once.
    wait_for(PATIENCE, "the connection to the server is closed", || primary.closed() == 1).unwrap();
    assert_eq!((bed.count(PRIMARY, "failures"), bed.count(PRIMARY, "in_flight")), (0, 0));
    bed.finish();
}

#[test]
fn rule_08_stale_pooled_connections_are_no_failures() {
    if !privileged() {
        return;
    }
    let topology = namespace("r08");
    // Each server answers one request per connection and closes it a moment later, without a word.
    let servers = [PRIMARY, SECOND].map(|port| {
        Server::start(&topology, port, move |_, _| {
            Do::Close(format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{port}").into_bytes())
        })
    });
    let bed = Bed::start(topology, &config("", &[(PRIMARY, ""), (SECOND, "")], ""));
    let mut client = bed.client();
    for _ in 0..200 {
        assert_eq!(client.get("/").unwrap().status, 200);
    }
    assert_eq!((bed.count(PRIMARY, "failures"), bed.count(SECOND, "failures")), (0, 0));
    assert_eq!(servers.iter().map(|server| server.requests().len()).sum::<usize>(), 200);
    bed.finish();
}

#[test]
fn rule_09_and_12_each_server_once_and_no_more_tries_than_allowed() {
    if !privileged() {
        return;
    }
    let topology = namespace("r09");
    let servers = [PRIMARY, SECOND, BACKUP].map(|port| Server::start(&topology, port, |_, _| Do::Close(vec![])));
    let ports = [(PRIMARY, ""), (SECOND, ""), (BACKUP, BACKUP_KEY)];
    let bed = Bed::start(topology, &config("", &ports, ""));
    assert_eq!(bed.get("/").status, 502);
    assert_eq!(servers.each_ref().map(|server| server.requests().len()), [1, 1, 1]);
    let two = config(
        "retry = { tries = 2 }",
        &ports.map(|(port, keys)| (port, if keys.is_empty() { "max_fails = 0" } else { keys })),
        "",
    );
    assert!(bed.daemon.reload(&two).unwrap().status.success());
    assert_eq!(bed.get("/").status, 502);
    assert_eq!(servers.each_ref().map(|server| server.requests().len()).iter().sum::<usize>(), 5);
    assert_eq!(servers[2].requests().len(), 1, "the second try was the last");
    bed.finish();
}

#[test]
fn rule_10_backups_serve_when_primaries_are_full() {
    if !privileged() {
        return;
    }
    let topology = namespace("r10");
    let primary = Server::start(
        &topology,
        PRIMARY,
        |_, request| if request.line.contains("/hang") { Do::Hang } else { reply(OK) },
    );
    let _backup = good(&topology, BACKUP);
    let bed = Bed::start(topology, &config("", &[(PRIMARY, "max_connections = 1"), (BACKUP, BACKUP_KEY)], ""));
    assert_eq!(bed.get("/").text(), "ok");
    let busy = bed.raw(b"GET /hang HTTP/1.1\r\nHost: h\r\n\r\n");
    wait_for(PATIENCE, "the primary is busy", || primary.requests().len() == 2).unwrap();
    assert_eq!(bed.get("/").text(), "9003");
    assert_eq!(bed.count(PRIMARY, "failures"), 0);
    drop(busy);
    bed.finish();
}

#[test]
fn rule_11_the_backup_is_left_as_soon_as_a_primary_works() {
    if !privileged() {
        return;
    }
    let topology = namespace("r11");
    let primary = Server::start(&topology, PRIMARY, |number, _| if number < 2 { Do::Close(vec![]) } else { reply(OK) });
    let _backup = good(&topology, BACKUP);
    let servers = [(PRIMARY, "fail_timeout = \"100ms\""), (BACKUP, BACKUP_KEY)];
    let bed = Bed::start(topology, &config("", &servers, ""));
    wait_for(PATIENCE, "the primary answers", || bed.get("/").text() == "ok").unwrap();
    assert!((0..10).all(|_| bed.get("/").text() == "ok"));
    assert_eq!(primary.requests().len(), 13, "two failures, the probe, and all after it");
    bed.finish();
}

#[test]
fn rule_12_no_try_begins_after_the_time_for_retries() {
    if !privileged() {
        return;
    }
    let (bed, _primary, backup) = with_backup("r12", "retry = { timeout = \"500ms\" }", |_| Do::Hang);
    assert_eq!(bed.get("/").status, 504, "the read timeout of a second comes first");
    assert_eq!(backup.requests().len(), 0);
    bed.finish();
}

#[test]
fn rule_13_a_server_that_is_alone_is_never_left_out() {
    if !privileged() {
        return;
    }
    let topology = namespace("r13");
    let primary = Server::start(&topology, PRIMARY, |number, _| if number < 5 { Do::Close(vec![]) } else { reply(OK) });
    let bed = Bed::start(topology, &config("", &[(PRIMARY, ""), (SECOND, "down = true")], ""));
    assert!((0..5).all(|_| bed.get("/").status == 502));
    assert_eq!(bed.get("/").text(), "ok");
    assert_eq!(primary.requests().len(), 6);
    bed.finish();
}

#[test]
fn rule_14_when_all_are_out_the_least_recently_failed_is_asked() {
    if !privileged() {
        return;
    }
    let topology = namespace("r14");
    let fails_once = |number: usize| if number == 0 { Do::Close(vec![]) } else { reply(OK) };
    let servers = [PRIMARY, SECOND].map(|port| Server::start(&topology, port, move |number, _| fails_once(number)));
    let bed = Bed::start(topology, &config("", &[(PRIMARY, ""), (SECOND, "")], ""));
    assert_eq!(bed.get("/").status, 502, "both fail");
    assert_eq!(bed.get("/").text(), "ok", "no answer would be worse");
    assert_eq!(servers.each_ref().map(|server| server.requests().len()), [2, 1]);
    assert_eq!(bed.state(PRIMARY), "up", "it has shown that it works");
    bed.finish();
}

#[test]
fn rule_15_a_server_that_is_down_is_never_asked() {
    if !privileged() {
        return;
    }
    let topology = namespace("r15");
    let down = good(&topology, PRIMARY);
    let _second = good(&topology, SECOND);
    let bed = Bed::start(topology, &config("balance = \"ip_hash\"", &[(PRIMARY, "down = true"), (SECOND, "")], ""));
    assert!((0..10).all(|_| bed.get("/").text() == "9002"));
    assert_eq!((down.connections(), bed.state(PRIMARY).as_str()), (0, "down"));
    bed.finish();
}

//! HTTP/2 towards servers: gRPC both ways, streams that are refused, nginx over TLS.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use common::PATIENCE;
use common::http2::{body, connect, request, run, send, server};
use common::nginx::nginx;
use common::proxy::{BACKUP, BACKUP_KEY, Bed, PRIMARY, PROXY, SECOND, at, config, namespace};
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use headgate_testbed::{Topology, privileged, wait_for};

/// The usual configuration with HTTP/2 on both sides.
fn http2(servers: &[(u16, &str)], route: &str) -> String {
    config("http2 = true", servers, route).replace("[[listener]]\n", "[[listener]]\nhttp2 = true\n")
}

fn answer(mut respond: SendResponse<Bytes>, text: &str) {
    let mut to = respond.send_response(http::Response::new(()), false).unwrap();
    to.send_data(Bytes::copy_from_slice(text.as_bytes()), true).unwrap();
}

/// Answers with its port and counts the requests.
fn good(topology: &Topology, port: u16) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    server(topology, port, move |request, respond| {
        counted.fetch_add(1, Relaxed);
        async move {
            body(request.into_body()).await.unwrap();
            answer(respond, &port.to_string());
        }
    });
    count
}

/// Sends each message back as soon as it comes, and a status at the end.
async fn echo(request: http::Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    assert_eq!(request.headers()["te"], "trailers");
    let mut from = request.into_body();
    let mut to = respond.send_response(http::Response::new(()), false).unwrap();
    while let Some(message) = from.data().await {
        let message = message.unwrap();
        from.flow_control().release_capacity(message.len()).unwrap();
        send(&mut to, message, false).await;
    }
    let mut status = http::HeaderMap::new();
    status.insert("grpc-status", http::HeaderValue::from_static("0"));
    to.send_trailers(status).unwrap();
}

#[test]
fn grpc_talks_both_ways_at_the_same_time() {
    if !privileged() {
        return;
    }
    let topology = namespace("h2grpc");
    server(&topology, PRIMARY, echo);
    let bed = Bed::start(topology, &http2(&[(PRIMARY, "")], ""));
    run(async {
        let mut session = connect(bed.ns(), PROXY).await;
        let mut call = request("POST", "/echo.Echo/Talk");
        call.headers_mut().insert("content-type", http::HeaderValue::from_static("application/grpc"));
        call.headers_mut().insert("te", http::HeaderValue::from_static("trailers"));
        let (response, mut there) = session.send_request(call, false).unwrap();
        send(&mut there, Bytes::from_static(b"first"), false).await;
        let mut back = response.await.unwrap().into_body();
        // Each message waits for the answer to the one before it.
        for word in ["first", "second", "third"] {
            if word != "first" {
                send(&mut there, Bytes::from_static(word.as_bytes()), false).await;
            }
            let message = back.data().await.unwrap().unwrap();
            assert_eq!(message, word);
            back.flow_control().release_capacity(message.len()).unwrap();
        }
        there.send_data(Bytes::new(), true).unwrap();
        let (rest, trailers) = body(back).await.unwrap();
        assert_eq!((rest.as_str(), trailers["grpc-status"].to_str().unwrap()), ("", "0"));
    });
    bed.finish();
}

#[test]
fn a_refused_request_goes_to_another_server_whatever_its_method() {
    if !privileged() {
        return;
    }
    let topology = namespace("h2refused");
    server(&topology, PRIMARY, |request, mut respond| async move {
        let _ = body(request.into_body()).await;
        respond.send_reset(Reason::REFUSED_STREAM);
    });
    let backup = good(&topology, BACKUP);
    let bed = Bed::start(topology, &http2(&[(PRIMARY, "max_fails = 0"), (BACKUP, BACKUP_KEY)], ""));
    for number in 1..=3 {
        assert_eq!(bed.ask("POST", b"an order"), (200, "9003".into()));
        assert_eq!(backup.load(Relaxed), number);
    }
    bed.finish();
}

#[test]
fn a_request_that_a_server_may_have_seen_is_repeated_only_if_it_may() {
    if !privileged() {
        return;
    }
    let topology = namespace("h2closed");
    server(&topology, PRIMARY, |request, mut respond| async move {
        let _ = body(request.into_body()).await;
        respond.send_reset(Reason::INTERNAL_ERROR);
    });
    let backup = good(&topology, BACKUP);
    let bed = Bed::start(topology, &http2(&[(PRIMARY, "max_fails = 0"), (BACKUP, BACKUP_KEY)], ""));
    assert_eq!(bed.ask("POST", b"an order").0, 502);
    assert_eq!(backup.load(Relaxed), 0);
    assert_eq!(bed.ask("PUT", b"a state"), (200, "9003".into()));
    bed.finish();
}

#[test]
fn requests_share_a_session_and_survive_its_end() {
    if !privileged() {
        return;
    }
    let topology = namespace("h2shared");
    let sessions = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sessions);
    let listener = topology.director().enter(|| std::net::TcpListener::bind(at(PRIMARY))).unwrap().unwrap();
    listener.set_nonblocking(true).unwrap();
    // Each session answers three requests and then says that it will take no more.
    std::thread::spawn(move || {
        common::http2::runtime().block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Relaxed);
                tokio::spawn(async {
                    let mut connection = h2::server::handshake(stream).await.unwrap();
                    let mut served = 0;
                    while let Some(Ok((_, respond))) = connection.accept().await {
                        answer(respond, "ok");
                        served += 1;
                        if served == 3 {
                            connection.graceful_shutdown();
                        }
                    }
                });
            }
        });
    });
    let text = format!("[proxy]\nworkers = [0]\n{}", http2(&[(PRIMARY, "")], ""));
    let bed = Bed::start(topology, &text);
    let mut client = bed.client();
    for _ in 0..12 {
        assert_eq!(client.get("/").unwrap().text(), "ok");
    }
    let sessions = sessions.load(Relaxed);
    assert!((4..=12).contains(&sessions), "{sessions}");
    assert_eq!(bed.count(PRIMARY, "failures"), 0);
    bed.finish();
}

#[test]
fn nginx_is_spoken_to_over_tls() {
    if !privileged() {
        return;
    }
    let topology = namespace("h2nginx");
    let home = topology.director().directory().to_str().unwrap().to_owned();
    let (cert, key) = (format!("{home}/a.pem"), format!("{home}/a.key"));
    let make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=a.test"];
    topology.director().run(&[&make[..], &["-keyout", &key, "-out", &cert]].concat()).unwrap();
    let (with, without) = (at(PRIMARY), at(SECOND));
    let servers = format!(
        "ssl_certificate {cert}; ssl_certificate_key {key};\n\
         server {{ listen {with} ssl http2; location / {{ return 200 \"$server_protocol $request_method $host\"; }} }}\n\
         server {{ listen {without} ssl; location / {{ return 200 \"$server_protocol\"; }} }}"
    );
    let _nginx = nginx(topology.director(), &[with, without], &servers);
    let text = |port| config("http2 = true\ntls = { verify = false }", &[(port, "")], "");
    let bed = Bed::start(topology, &text(PRIMARY));
    let mut client = bed.client();
    for _ in 0..3 {
        assert_eq!(client.get("/").unwrap().text(), "HTTP/2.0 GET 127.0.0.1");
    }
    assert_eq!(client.request("HEAD", "/", &[], b"").unwrap().status, 200);
    assert!(bed.daemon.reload(&text(SECOND)).unwrap().status.success());
    assert_eq!(bed.get("/").status, 502);
    assert!(bed.daemon.log().contains("no TLS with this server"), "{}", bed.daemon.log());
    // Checks speak as requests do.
    let check = "check = { type = \"http\", interval = \"100ms\", start = \"down\", body = \"^HTTP/2.0 GET\" }";
    let both =
        config(&format!("http2 = true\ntls = {{ verify = false }}\n{check}"), &[(PRIMARY, ""), (SECOND, "")], "");
    assert!(bed.daemon.reload(&both).unwrap().status.success());
    wait_for(PATIENCE, "one passes", || bed.state(PRIMARY) == "up").unwrap();
    let failing = || bed.server(SECOND)["check"]["reason"] != "not checked so far";
    wait_for(PATIENCE, "the other has been asked", failing).unwrap();
    assert_eq!((bed.state(SECOND).as_str(), bed.get("/").status), ("down", 200));
    bed.finish();
}

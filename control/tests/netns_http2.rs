//! HTTP/2 towards clients: curl, and sessions by the `h2` crate.

mod common;

use bytes::Bytes;
use common::http2::{body, connect, ended, request, run, send, until};
use common::proxy::{
    BACKUP, BACKUP_KEY, Bed, Do, PRIMARY, PROXY, Server, config, echo, good, namespace, reply, status,
};
use common::{BINARY, PATIENCE};
use headgate_testbed::{Daemon, privileged, wait_for};
use nix::sys::signal::Signal;

/// The usual configuration with HTTP/2 on its listener.
fn http2(servers: &[(u16, &str)], route: &str) -> String {
    config("", servers, route).replace("[[listener]]\n", "[[listener]]\nhttp2 = true\n")
}

#[test]
fn requests_of_http2_are_served_as_all_others() {
    if !privileged() {
        return;
    }
    let topology = namespace("h2serve");
    let large = "x".repeat(3_000_000);
    let server = Server::start(&topology, PRIMARY, move |_, request| match request.line.split(' ').nth(1) {
        Some("/large") => status(200, &large),
        Some("/early") => {
            reply("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        }
        Some("/trailers") => {
            reply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 7\r\n\r\n")
        }
        _ => status(200, &String::from_utf8_lossy(&request.body)),
    });
    let bed = Bed::start(topology, &http2(&[(PRIMARY, "")], ""));
    run(async {
        let mut session = connect(bed.ns(), PROXY).await;
        // All at the same time, on one connection.
        let large = session.send_request(request("GET", "/large"), true).unwrap().0;
        let early = session.send_request(request("GET", "/early"), true).unwrap().0;
        let trailers = session.send_request(request("GET", "/trailers"), true).unwrap().0;
        let (post, mut upload) = session.send_request(request("POST", "/"), false).unwrap();
        let upload = send(&mut upload, Bytes::from(vec![b'y'; 2_000_000]), true);
        let whole = async |response: h2::client::ResponseFuture| body(response.await?.into_body()).await;
        let (large, early, trailers, post, ()) =
            tokio::join!(whole(large), whole(early), whole(trailers), whole(post), upload);
        assert_eq!((large.unwrap().0.len(), post.unwrap().0.len()), (3_000_000, 2_000_000));
        assert_eq!(early.unwrap().0, "ok");
        let (text, trailers) = trailers.unwrap();
        assert_eq!((text.as_str(), trailers["x-sum"].to_str().unwrap()), ("ab", "7"));
        let head = session.send_request(request("HEAD", "/large"), true).unwrap().0.await.unwrap();
        assert_eq!(
            (head.headers()["content-length"].to_str().unwrap(), head.body().is_end_stream()),
            ("3000000", true)
        );
        let connect = session.send_request(http::Request::connect("a.test:443").body(()).unwrap(), true).unwrap();
        assert_eq!(connect.0.await.unwrap().status(), 405);
    });
    let head = &server.requests()[0].head;
    assert!(head.contains("Host: a.test\r\n") && head.contains("Via: 2.0 "), "{head}");
    // HTTP/1 on the same listener.
    assert_eq!(bed.get("/").status, 200);
    bed.finish();
}

#[test]
fn a_server_that_dies_is_not_noticed_over_http2_either() {
    if !privileged() {
        return;
    }
    let topology = namespace("h2failover");
    let _primary = Server::start(&topology, PRIMARY, |_, _| Do::Reset(Vec::new()));
    let _backup = good(&topology, BACKUP);
    let bed = Bed::start(topology, &http2(&[(PRIMARY, "max_fails = 0"), (BACKUP, BACKUP_KEY)], ""));
    run(async {
        let mut session = connect(bed.ns(), PROXY).await;
        for method in ["GET", "PUT"] {
            let (response, mut upload) = session.send_request(request(method, "/"), method == "GET").unwrap();
            if method == "PUT" {
                send(&mut upload, Bytes::from_static(b"whole"), true).await;
            }
            assert_eq!(body(response.await.unwrap().into_body()).await.unwrap().0, "9003", "{method}");
        }
    });
    bed.finish();
}

#[test]
fn what_is_cut_off_is_reset_and_who_gives_up_frees_the_server() {
    if !privileged() {
        return;
    }
    let topology = namespace("h2reset");
    let server = Server::start(&topology, PRIMARY, |_, request| {
        if request.line.contains("/cut") {
            Do::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec())
        } else {
            Do::Hang
        }
    });
    let bed = Bed::start(topology, &http2(&[(PRIMARY, "")], "").replace("read = \"1s\"", "read = \"1m\""));
    run(async {
        let mut session = connect(bed.ns(), PROXY).await;
        let cut = session.send_request(request("GET", "/cut"), true).unwrap().0;
        // The head may or may not get through before.
        let error = async { body(cut.await?.into_body()).await }.await.unwrap_err();
        assert!(error.is_reset() && error.is_remote(), "{error:?}");
        let (response, mut stream) = session.send_request(request("GET", "/hang"), true).unwrap();
        let closed = server.closed();
        until(|| server.requests().len() == 2).await;
        stream.send_reset(h2::Reason::CANCEL);
        drop(response);
        until(|| server.closed() > closed).await;
    });
    bed.finish();
}

#[test]
fn a_flood_of_resets_ends_the_connection() {
    if !privileged() {
        return;
    }
    let topology = namespace("h2rapid");
    let _server = Server::start(&topology, PRIMARY, |_, _| Do::Hang);
    let bed = Bed::start(topology, &http2(&[(PRIMARY, "")], ""));
    run(async {
        let mut session = connect(bed.ns(), PROXY).await;
        // For as long as it takes the proxy to see them.
        let error = loop {
            session = match session.ready().await {
                Ok(session) => session,
                Err(error) => break error,
            };
            let (_, mut stream) = session.send_request(request("GET", "/"), true).unwrap();
            tokio::task::yield_now().await;
            stream.send_reset(h2::Reason::CANCEL);
        };
        // Who goes on sending may find the connection reset before the reason was read.
        assert!(error.is_io() || error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM), "{error:?}");
    });
    bed.finish();
}

#[test]
fn websocket_goes_through_http2() {
    if !privileged() {
        return;
    }
    let topology = namespace("h2websocket");
    echo(&topology, PRIMARY);
    let bed = Bed::start(topology, &http2(&[(PRIMARY, "")], ""));
    run(async {
        let mut session = connect(bed.ns(), PROXY).await;
        // The settings have come with it.
        assert_eq!(session.send_request(request("GET", "/"), true).unwrap().0.await.unwrap().status(), 502);
        assert!(session.is_extended_connect_protocol_enabled());
        let mut connect = request("CONNECT", "/chat");
        connect.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
        let (response, mut there) = session.send_request(connect, false).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.headers().get("sec-websocket-accept").is_none());
        let mut back = response.into_body();
        for word in ["one", "two"] {
            send(&mut there, Bytes::from_static(word.as_bytes()), false).await;
            assert_eq!(back.data().await.unwrap().unwrap(), word);
        }
        there.send_data(Bytes::new(), true).unwrap();
        assert!(back.data().await.is_none_or(|end| end.unwrap().is_empty()), "it ends with the server's end");
        let mut other = request("CONNECT", "/chat");
        other.extensions_mut().insert(h2::ext::Protocol::from_static("telnet"));
        assert_eq!(session.send_request(other, true).unwrap().0.await.unwrap().status(), 501);
    });
    bed.finish();
}

#[test]
fn a_stop_lets_requests_of_http2_end() {
    if !privileged() {
        return;
    }
    let topology = namespace("h2drain");
    let gate = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let opened = std::sync::Arc::clone(&gate);
    let server = Server::start(&topology, PRIMARY, move |_, _| {
        wait_for(PATIENCE, "the gate opens", || opened.load(std::sync::atomic::Ordering::Relaxed)).unwrap();
        status(200, "last")
    });
    let text = http2(&[(PRIMARY, "")], "").replace("read = \"1s\"", "read = \"1m\"");
    let mut daemon = Daemon::start_with(topology.director(), BINARY, &text, &["--drain", "600"], &[]).unwrap();
    let ns = topology.director();
    run(async {
        let mut session = connect(ns, PROXY).await;
        let idle = connect(ns, PROXY).await;
        let response = session.send_request(request("GET", "/"), true).unwrap().0;
        until(|| !server.requests().is_empty()).await;
        daemon.signal(Signal::SIGTERM).unwrap();
        // Sessions end, the one with a request after it.
        ended(idle).await;
        gate.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(body(response.await.unwrap().into_body()).await.unwrap().0, "last");
    });
    assert!(daemon.wait(PATIENCE).unwrap().success(), "{}", daemon.log());
}

#[test]
fn browsers_get_http2_over_tls_unless_the_file_says_no() {
    if !privileged() {
        return;
    }
    let topology = namespace("h2tls");
    let home = topology.director().directory().to_str().unwrap().to_owned();
    let (cert, key) = (format!("{home}/a.pem"), format!("{home}/a.key"));
    let make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=a.test"];
    topology.director().run(&[&make[..], &["-keyout", &key, "-out", &cert]].concat()).unwrap();
    let large = "x".repeat(3_000_000);
    let _server = Server::start(&topology, PRIMARY, move |_, _| status(200, &large));
    let text = |more: &str| {
        let tls =
            format!("[[listener]]\ntls = {{ certificates = [{{ cert = \"{cert}\", key = \"{key}\" }}]{more} }}\n");
        config("", &[(PRIMARY, "")], "").replace("[[listener]]\n", &tls)
    };
    let bed = Bed::start(topology, &text(""));
    let url = format!("https://{PROXY}/");
    let curl = |more: &[&str]| {
        let command = ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_version} %{http_code} %{size_download}"];
        bed.ns().run(&[&command[..], more, &[&url]].concat()).unwrap()
    };
    assert_eq!(curl(&[]), "2 200 3000000");
    assert_eq!(curl(&["--http1.1"]), "1.1 200 3000000");
    assert!(bed.daemon.reload(&text(", http2 = false")).unwrap().status.success());
    assert_eq!(curl(&[]), "1.1 200 3000000");
    bed.finish();
}

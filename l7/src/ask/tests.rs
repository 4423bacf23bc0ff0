use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use super::*;

/// Asks a server that reads a head, says these pieces, and closes.
fn ask_for(method: &str, most: usize, says: &'static [&'static str]) -> (Result<Answer, AskError>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend_from_slice(&byte);
        }
        for piece in says {
            stream.write_all(piece.as_bytes()).unwrap();
        }
        String::from_utf8(head).unwrap()
    });
    let question = Question { method, path: "/healthz?a", authority: "app.test:80", most };
    let answer = run(ask(&To { address, host: None, tls: None, http2: false }, &question));
    (answer, server.join().unwrap())
}

fn run<T>(question: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, question)
}

#[test]
fn a_question_names_whom_it_asks_and_wants_nothing_more() {
    let (answer, head) = ask_for("HEAD", 99, &["HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n"]);
    assert_eq!(answer.unwrap(), Answer { status: 204, body: Vec::new() });
    assert!(head.starts_with("HEAD /healthz?a HTTP/1.1\r\nHost: app.test:80\r\n"), "{head}");
    assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
}

#[test]
fn bodies_are_read_whatever_their_framing_up_to_a_limit() {
    let body = |most, says| ask_for("GET", most, says).0.map(|answer| String::from_utf8(answer.body).unwrap()).unwrap();
    assert_eq!(
        body(99, &["HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "hello!"]),
        "hello"
    );
    assert_eq!(
        body(99, &["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel", "\r\n2\r\nlo\r\n0\r\n\r\n"]),
        "hello"
    );
    assert_eq!(body(99, &["HTTP/1.0 200 OK\r\n\r\nhel", "lo"]), "hello");
    assert_eq!(body(2, &["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"]), "he");
    assert_eq!(body(0, &["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"]), "");
}

#[test]
fn what_is_wrong_is_said_in_words() {
    let wrong = |says| ask_for("GET", 99, says).0.unwrap_err().to_string();
    assert_eq!(wrong(&[]), "closed without an answer");
    assert_eq!(wrong(&["HTTP/1.1 200 OK\r\n"]), "closed without an answer");
    assert_eq!(wrong(&["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"]), "closed in the middle of the answer");
    assert_eq!(wrong(&["220 smtp.test\r\n"]), "no HTTP: status line");
    assert_eq!(wrong(&["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"]), "no HTTP: chunked body");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = run(reach(free));
    assert_eq!(refused.unwrap_err().to_string(), "connection refused");
}

#[test]
fn servers_of_http2_are_asked_too() {
    let answer = run(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::task::spawn_local(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                let uri = request.uri().to_string();
                let response = http::Response::builder().status(201).body(()).unwrap();
                respond.send_response(response, false).unwrap().send_data(uri.into(), true).unwrap();
            }
        });
        let question = Question { method: "GET", path: "/healthz", authority: "app.test", most: 20 };
        ask(&To { address, host: None, tls: None, http2: true }, &question).await
    });
    assert_eq!(answer.unwrap(), Answer { status: 201, body: b"http://app.test/heal".to_vec() });
}

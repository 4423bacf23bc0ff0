use std::net::Ipv4Addr;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::config::Limits;
use crate::plan::To;

/// Both ends of a connection, the first as a server gets it.
async fn connection() -> (Stream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let stream = Stream::connect(listener.local_addr().unwrap()).await.unwrap();
    (stream, listener.accept().await.unwrap().0)
}

/// Sends all while the other end reads; what it got.
async fn deliver(outgoing: &mut Outgoing<'_>, input: &mut Buffer) -> Vec<u8> {
    let (stream, mut other) = connection().await;
    let mut got = Vec::new();
    let sending = async {
        while outgoing.send(&stream, input).unwrap() != Sent::All {
            std::future::poll_fn(|context| stream.poll_write_ready(context)).await.unwrap();
        }
        stream.finish_writing().unwrap();
    };
    let ((), read) = tokio::join!(sending, other.read_to_end(&mut got));
    read.unwrap();
    got
}

#[tokio::test]
async fn a_whole_request_goes_out_twice_the_same() {
    let body: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    for (in_memory, length) in [(1 << 20, 0), (1 << 20, 1000), (1 << 20, 1 << 20), (1 << 20, 3_000_000), (0, 3_000_000)]
    {
        for tail in [b"".as_slice(), b"\r\n0\r\n\r\n"] {
            let mut spool = Spool::default();
            body[..length].chunks(70_000).for_each(|part| spool.add(part, in_memory).unwrap());
            let mut outgoing = Outgoing::Whole(Whole::new(b"head\r\n", &spool, tail));
            let expected = [b"head\r\n", &body[..length], tail].concat();
            for _ in 0..2 {
                assert!(!outgoing.has_begun());
                let got = deliver(&mut outgoing, &mut Buffer::default()).await;
                assert!(got == expected, "{} bytes of {}", got.len(), expected.len());
                assert!(outgoing.has_begun() && outgoing.rewind());
            }
        }
    }
}

fn plan(body: Body, limit: u64) -> Plan {
    Plan {
        to: To::LastHop,
        body,
        is_head: false,
        idempotent: false,
        minor: 1,
        keep_alive: true,
        expects_continue: false,
        nominates: false,
        websocket: false,
        streams: false,
        client: None,
        bound: None,
        limits: Limits { body: limit, ..Limits::default() },
    }
}

fn input(bytes: &[u8]) -> Buffer {
    let mut buffer = Buffer::default();
    buffer.space()[..bytes.len()].copy_from_slice(bytes);
    buffer.filled(bytes.len());
    buffer
}

#[tokio::test]
async fn a_stream_is_framed_anew_and_what_follows_it_stays() {
    for (body, bytes, sent) in [
        (Body::Length(5), "helloGET", "head hello"),
        (
            Body::Chunked,
            "2;x\r\nhe\r\n3\r\nllo\r\n0\r\nX-A: 1\r\n\r\nGET",
            "head 2\r\nhe\r\n3\r\nllo\r\n0\r\nX-A: 1\r\n\r\n",
        ),
    ] {
        let (mut head, plan) = (b"head ".to_vec(), plan(body, 5));
        let mut outgoing = Outgoing::Streamed(Streamed::new(&mut head, &plan));
        let mut input = input(bytes.as_bytes());
        assert!(!outgoing.has_all_input() && outgoing.rewind());
        assert_eq!(deliver(&mut outgoing, &mut input).await, sent.as_bytes());
        assert!(outgoing.has_all_input() && !outgoing.rewind(), "it cannot be sent again");
        assert_eq!(input.data(), b"GET");
    }
}

#[tokio::test]
async fn a_stream_stops_at_its_limit_and_at_nonsense() {
    for (body, bytes, status) in [(Body::Chunked, "6\r\nhello!\r\n", 413), (Body::Chunked, "x\r\n", 400)] {
        let (mut head, plan) = (b"head ".to_vec(), plan(body, 5));
        let mut streamed = Streamed::new(&mut head, &plan);
        let (stream, _other) = connection().await;
        match streamed.send(&stream, &mut input(bytes.as_bytes())) {
            Err(SendError::Client(reject)) => assert_eq!(reject.status, status),
            other => panic!("{other:?}"),
        }
    }
}

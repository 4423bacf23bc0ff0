//! Asking a server once.

use std::io;
use std::net::SocketAddr;

use headgate_l7::http1::body::Reader;
use headgate_l7::http1::chunked::Piece;
use headgate_l7::http1::response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::check::{Http, Kind};

/// Bytes of a body that are looked at.
const BODY: usize = 64 << 10;

/// # Errors
/// In words: why the server does not pass.
pub async fn probe(target: SocketAddr, kind: &Kind) -> Result<(), String> {
    let stream = TcpStream::connect(target).await.map_err(|error| words(&error))?;
    match kind {
        // Closed at once: with a reset it would be gone without waiting.
        Kind::Tcp => Ok(()),
        Kind::Http(http) => ask(stream, target, http).await,
    }
}

async fn ask(mut stream: TcpStream, target: SocketAddr, http: &Http) -> Result<(), String> {
    let Http { method, path, host, status: expected, body } = http;
    let host = host.clone().unwrap_or_else(|| target.to_string());
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: headgate-check\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(|error| words(&error))?;
    let mut input = Vec::new();
    let (status, framing) = loop {
        let parsed = response::parse(&input, method == "HEAD", |response| {
            (response.status, response.is_interim(), response.body)
        });
        match parsed {
            Ok(Some(((status, interim, framing), length))) => {
                input.drain(..length);
                if !interim {
                    break (status, framing);
                }
            }
            Ok(None) => more(&mut stream, &mut input).await?,
            Err(invalid) => return Err(format!("no HTTP: {}", invalid.0)),
        }
    };
    if !expected.iter().any(|range| range.contains(&status)) {
        return Err(format!("status {status}"));
    }
    let Some(pattern) = body else { return Ok(()) };
    let (mut reader, mut content) = (Reader::new(framing), Vec::new());
    while content.len() < BODY {
        match reader.next(&input) {
            Ok(Piece::Data { framing, length }) => {
                content.extend_from_slice(&input[framing..framing + length]);
                input.drain(..framing + length);
            }
            Ok(Piece::End(_)) => break,
            Ok(Piece::Framing(used)) => {
                input.drain(..used);
                if stream.read_buf(&mut input).await.map_err(|error| words(&error))? == 0 {
                    break;
                }
            }
            Err(_) => return Err("no HTTP: chunked body".to_owned()),
        }
    }
    if pattern.is_match(&content) { Ok(()) } else { Err("the body does not match".to_owned()) }
}

async fn more(stream: &mut TcpStream, input: &mut Vec<u8>) -> Result<(), String> {
    match stream.read_buf(input).await {
        Ok(0) => Err("closed without an answer".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(words(&error)),
    }
}

fn words(error: &io::Error) -> String {
    // Without the number that Rust puts behind.
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

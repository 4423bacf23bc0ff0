//! One question to a server on a connection of its own, outside of what clients ask: for health checks.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::Builder;

use crate::buffer::Buffer;
use crate::http1::body::Reader;
use crate::http1::chunked::Piece;
use crate::http1::{Body, response};
use crate::http2::Io;
use crate::stream::Stream;
use crate::tls::Connector;
use crate::write_all::write_all;

const AGENT: &str = "headgate-check";

/// Where somebody is asked, and how he is spoken to.
#[derive(Debug, Clone, Copy)]
pub struct To<'a> {
    pub address: SocketAddr,
    /// The host name that the address was found by.
    pub host: Option<&'a str>,
    pub tls: Option<&'a Connector>,
    /// With TLS the server has to offer it.
    pub http2: bool,
}

/// A request without a body.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// Host and port.
    pub authority: &'a str,
    /// Bytes of the body that are read; the rest is left.
    pub most: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Its beginning, as it is without the framing.
    pub body: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("{}", words(.0))]
    Connection(#[from] io::Error),
    #[error("closed without an answer")]
    Closed,
    #[error("closed in the middle of the answer")]
    Cut,
    #[error("no HTTP: {0}")]
    Invalid(&'static str),
    #[error("the server does not offer HTTP/2")]
    NoHttp2,
    #[error("HTTP/2: {0}")]
    Http2(#[from] h2::Error),
}

/// Makes a connection and closes it.
///
/// # Errors
/// When the server cannot be reached.
pub async fn reach(address: SocketAddr) -> Result<(), AskError> {
    Stream::connect(address).await?;
    Ok(())
}

/// Connects, asks, and reads the answer.
///
/// # Errors
/// When the server is not who it should be, or its answer cannot be understood.
pub async fn ask(to: &To<'_>, question: &Question<'_>) -> Result<Answer, AskError> {
    let mut stream = Stream::connect(to.address).await?;
    if let Some(tls) = to.tls {
        let session = tls.session(to.host, to.address.ip()).map_err(io::Error::other)?;
        stream = stream.secure(session.into(), Buffer::default()).await?;
    }
    if !to.http2 {
        return ask_http1(&stream, question).await;
    }
    if to.tls.is_some() && !stream.has_agreed_on_http2() {
        return Err(AskError::NoHttp2);
    }
    ask_http2(stream, question).await
}

async fn ask_http1(stream: &Stream, question: &Question<'_>) -> Result<Answer, AskError> {
    let Question { method, path, authority, most } = question;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {AGENT}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    write_all(stream, request.as_bytes()).await?;
    let mut buffer = Buffer::default();
    let (status, framing) = loop {
        let take = |response: &response::Response<'_>| (response.status, response.is_interim(), response.body);
        match response::parse(buffer.data(), *method == "HEAD", take).map_err(|invalid| AskError::Invalid(invalid.0))? {
            Some(((status, interim, framing), length)) => {
                buffer.consume(length);
                if !interim {
                    break (status, framing);
                }
            }
            None if buffer.is_full() && !buffer.grow(2 * response::HEAD_MAX) => {
                return Err(AskError::Invalid("head too large"));
            }
            None if stream.read(&mut buffer).await? == 0 => return Err(AskError::Closed),
            None => {}
        }
    };
    let body = read_body(stream, &mut buffer, framing, *most).await?;
    Ok(Answer { status, body })
}

async fn read_body(stream: &Stream, buffer: &mut Buffer, framing: Body, most: usize) -> Result<Vec<u8>, AskError> {
    let (mut reader, mut body) = (Reader::new(framing), Vec::new());
    while body.len() < most {
        match reader.next(buffer.data()).map_err(|_| AskError::Invalid("chunked body"))? {
            Piece::Data { framing, length } => {
                let wanted = length.min(most - body.len());
                body.extend_from_slice(&buffer.data()[framing..framing + wanted]);
                buffer.consume(framing + length);
            }
            Piece::End(_) => break,
            Piece::Framing(used) => {
                buffer.consume(used);
                if stream.read(buffer).await? == 0 {
                    if reader.ends_with_stream() {
                        break;
                    }
                    return Err(AskError::Cut);
                }
            }
        }
    }
    Ok(body)
}

async fn ask_http2(stream: Stream, question: &Question<'_>) -> Result<Answer, AskError> {
    let scheme = if stream.is_plain() { "http" } else { "https" };
    let request = http::Request::builder()
        .method(question.method)
        .uri(format!("{scheme}://{}{}", question.authority, question.path))
        .header(http::header::USER_AGENT, AGENT)
        .header(http::header::ACCEPT, "*/*")
        .body(())
        .map_err(|_| AskError::Invalid("request"))?;
    let io = Io::new(stream, Buffer::default());
    let (send, connection) = Builder::new().enable_push(false).handshake::<_, Bytes>(io).await?;
    let talk = async {
        let (response, _) = send.ready().await?.send_request(request, true)?;
        let response = response.await?;
        let status = response.status().as_u16();
        let (mut from, mut body) = (response.into_body(), Vec::new());
        while body.len() < question.most
            && let Some(data) = from.data().await
        {
            let data = data?;
            let wanted = data.len().min(question.most - body.len());
            body.extend_from_slice(&data[..wanted]);
            from.flow_control().release_capacity(data.len())?;
        }
        Ok(Answer { status, body })
    };
    tokio::select! {
        biased;
        answer = talk => answer,
        ended = connection => Err(ended.err().map_or(AskError::Closed, AskError::Http2)),
    }
}

/// An error without the number that Rust puts behind.
pub fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests;

//! HTTP/1.1 requests out of a namespace, over one connection or one each.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::Namespace;

/// Generous for a loaded machine, short enough for a test to fail by itself.
const TIMEOUT: Duration = Duration::from_secs(5);

/// One keep-alive connection.
#[derive(Debug)]
pub struct HttpClient {
    reader: BufReader<TcpStream>,
    target: SocketAddr,
}

/// A response with its body decoded from its framing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// One request on a connection of its own.
pub fn http_get(ns: &Namespace, target: SocketAddr, path: &str) -> Result<Response> {
    HttpClient::connect(ns, target)?.request("GET", path, &[("Connection", "close")], b"")
}

impl HttpClient {
    /// Connects from inside the namespace; connect, read and write time out after 5 s.
    pub fn connect(ns: &Namespace, target: SocketAddr) -> Result<Self> {
        ns.enter(|| Self::connect_here(target, TIMEOUT))?
    }

    /// Connects from the namespace of the current thread.
    pub(crate) fn connect_here(target: SocketAddr, timeout: Duration) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&target, timeout).with_context(|| format!("connect to {target}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        Ok(Self { reader: BufReader::new(stream), target })
    }

    /// Our end of the connection.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        Ok(self.reader.get_ref().local_addr()?)
    }

    /// `GET path`, keeping the connection.
    pub fn get(&mut self, path: &str) -> Result<Response> {
        self.request("GET", path, &[], b"")
    }

    /// Any request; `Host` and, with a body, `Content-Length` are added.
    pub fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Response> {
        let mut request = Vec::new();
        write!(request, "{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.target)?;
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n")?;
        }
        if !body.is_empty() {
            write!(request, "Content-Length: {}\r\n", body.len())?;
        }
        request.extend(b"\r\n");
        request.extend(body);
        self.reader.get_mut().write_all(&request).context("send request")?;
        Response::read(&mut self.reader, method == "HEAD").with_context(|| format!("{method} {path}"))
    }
}

impl Response {
    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The name of the [`super::HttpBackend`] that answered.
    pub fn server(&self) -> Option<&str> {
        self.header("X-Server")
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Reads one response; `head_only` for the answer to HEAD.
    pub fn read(reader: &mut impl BufRead, head_only: bool) -> Result<Self> {
        let status_line = line(reader)?;
        let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.with_context(|| format!("status line {status_line:?}"))?;
        let mut response = Self { status, headers: Vec::new(), body: Vec::new() };
        loop {
            let field = line(reader)?;
            if field.is_empty() {
                break;
            }
            let (name, value) = field.split_once(':').with_context(|| format!("header line {field:?}"))?;
            response.headers.push((name.to_owned(), value.trim().to_owned()));
        }
        if !head_only && !matches!(status, 100..=199 | 204 | 304) {
            response.body = response.read_body(reader)?;
        }
        Ok(response)
    }

    fn read_body(&self, reader: &mut impl BufRead) -> Result<Vec<u8>> {
        if self.header("Transfer-Encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            return read_chunks(reader);
        }
        let mut body = Vec::new();
        if let Some(length) = self.header("Content-Length") {
            let length: u64 = length.parse().with_context(|| format!("Content-Length {length:?}"))?;
            reader.take(length).read_to_end(&mut body)?;
            ensure!(body.len() as u64 == length, "body ended after {} of {length} bytes", body.len());
        } else {
            reader.read_to_end(&mut body)?;
        }
        Ok(body)
    }
}

fn read_chunks(reader: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size_line = line(reader)?;
        let digits = size_line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(digits, 16).with_context(|| format!("chunk size {size_line:?}"))?;
        if size == 0 {
            while !line(reader)?.is_empty() {}
            return Ok(body);
        }
        let before = body.len() as u64;
        reader.by_ref().take(size).read_to_end(&mut body)?;
        ensure!(body.len() as u64 - before == size, "chunk cut off");
        ensure!(line(reader)?.is_empty(), "chunk without its end");
    }
}

fn line(reader: &mut impl BufRead) -> Result<String> {
    let mut text = String::new();
    if reader.read_line(&mut text)? == 0 {
        bail!("connection closed by the peer");
    }
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}

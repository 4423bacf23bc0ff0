//! A greeting and EHLO (RFC 5321 sections 3.1 and 4.2).

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::words;

/// Bytes of all replies together.
const MOST: u64 = 64 << 10;

pub async fn ask(target: SocketAddr, helo: &str) -> Result<(), String> {
    let stream = TcpStream::connect(target).await.map_err(|error| words(&error))?;
    let (from, mut to) = stream.into_split();
    let mut from = BufReader::new(from.take(MOST));
    expect(&mut from, b'2', "greeting").await?;
    to.write_all(format!("EHLO {helo}\r\n").as_bytes()).await.map_err(|error| words(&error))?;
    expect(&mut from, b'2', "EHLO").await?;
    to.write_all(b"QUIT\r\n").await.map_err(|error| words(&error))?;
    expect(&mut from, b'2', "QUIT").await
}

/// A reply of one or more lines, whose code begins with this digit.
async fn expect(from: &mut (impl AsyncBufReadExt + Unpin), first: u8, of: &str) -> Result<(), String> {
    loop {
        let mut line = Vec::new();
        from.read_until(b'\n', &mut line).await.map_err(|error| words(&error))?;
        if !line.ends_with(b"\n") {
            return Err(format!("{of}: closed without a reply"));
        }
        let text = line.trim_ascii_end();
        let is_reply = text.len() >= 3 && text[..3].iter().all(u8::is_ascii_digit);
        match text.get(3) {
            _ if !is_reply => return Err(format!("{of}: no SMTP: {}", shown(text))),
            Some(b'-') => {}
            None | Some(b' ') if text[0] == first => return Ok(()),
            _ => return Err(format!("{of}: {}", shown(text))),
        }
    }
}

fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(&line[..line.len().min(80)]).escape_debug().to_string()
}

//! HTTP/1 messages, read strictly and by other code than the proxy's own: what this accepts, anybody does.

use std::fmt::Write;

/// A message, or as much of it as is there.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// The first line.
    pub line: String,
    /// Names in lower case.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
    pub framing: Framing,
    /// Whether its end was seen.
    pub complete: bool,
    /// Bytes of the head.
    pub head_length: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Framing {
    #[default]
    None,
    ContentLength,
    Chunked,
    UntilClose,
}

impl Framing {
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ContentLength => "content-length",
            Self::Chunked => "chunked",
            Self::UntilClose => "close",
        }
    }
}

/// What a message is, which decides about its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Request,
    Response { to_head: bool },
}

/// Looks for a message at the beginning of `input`; `None` while its head is incomplete. Returns the message and the bytes it has.
///
/// # Errors
/// When it is no HTTP/1.
pub fn read(input: &[u8], kind: Kind, closed: bool) -> Result<Option<(Message, usize)>, String> {
    let Some(end) = find(input, b"\r\n\r\n") else { return Ok(None) };
    let head = &input[..end + 2];
    let mut lines = head.split_inclusive(|byte| *byte == b'\n');
    let line = text(ended(lines.next().unwrap_or_default())?)?;
    let mut message = Message { line, head_length: end + 4, ..Message::default() };
    for line in lines {
        message.fields.push(field(ended(line)?)?);
    }
    let status = message.status();
    message.framing = framing(&message, kind, status)?;
    let rest = &input[end + 4..];
    let used = match message.framing {
        Framing::None => {
            message.complete = true;
            0
        }
        Framing::ContentLength => {
            let length = content_length(&message)?;
            message.body = rest[..length.min(rest.len())].to_vec();
            message.complete = rest.len() >= length;
            message.body.len()
        }
        Framing::Chunked => chunks(rest, &mut message)?,
        Framing::UntilClose => {
            message.body = rest.to_vec();
            message.complete = closed;
            rest.len()
        }
    };
    Ok(Some((message, end + 4 + used)))
}

impl Message {
    /// The value, lines joined; empty when there is none.
    pub fn value(&self, name: &str) -> String {
        self.lines(name).join(", ")
    }

    pub fn lines(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Of a response.
    pub fn status(&self) -> u16 {
        self.line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// Of a request.
    pub fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or("")
    }

    /// Whether it says that the connection ends with it.
    pub fn says_close(&self) -> bool {
        self.value("connection").split(',').any(|option| option.trim().eq_ignore_ascii_case("close"))
    }
}

fn find(input: &[u8], what: &[u8]) -> Option<usize> {
    input.windows(what.len()).position(|window| window == what)
}

fn ended(line: &[u8]) -> Result<&[u8], String> {
    line.strip_suffix(b"\r\n").ok_or_else(|| format!("a line without CRLF: {}", show(line)))
}

/// Bytes as characters; no controls.
fn text(line: &[u8]) -> Result<String, String> {
    if line.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f) {
        return Err(format!("a control character: {}", show(line)));
    }
    Ok(line.iter().map(|byte| char::from(*byte)).collect())
}

fn field(line: &[u8]) -> Result<(String, String), String> {
    let line = text(line)?;
    let (name, value) = line.split_once(':').ok_or_else(|| format!("no field: {line:?}"))?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(format!("no field name: {name:?}"));
    }
    Ok((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()))
}

fn framing(message: &Message, kind: Kind, status: u16) -> Result<Framing, String> {
    let (lengths, codings) = (message.lines("content-length"), message.lines("transfer-encoding"));
    let bodyless = match kind {
        Kind::Request => false,
        Kind::Response { to_head } => to_head || matches!(status, 100..=199 | 204 | 304),
    };
    match (lengths.as_slice(), codings.as_slice()) {
        ([_, ..], [_, ..]) => Err("Content-Length and Transfer-Encoding".to_owned()),
        ([_, _, ..], _) => Err("Content-Length more than once".to_owned()),
        _ if bodyless => Ok(Framing::None),
        ([_], []) => Ok(Framing::ContentLength),
        ([], ["chunked"]) => Ok(Framing::Chunked),
        ([], []) if kind == Kind::Request => Ok(Framing::None),
        ([], []) => Ok(Framing::UntilClose),
        (_, codings) => Err(format!("Transfer-Encoding {codings:?}")),
    }
}

fn content_length(message: &Message) -> Result<usize, String> {
    let value = message.value("content-length");
    let plain = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|_| plain).ok_or_else(|| format!("Content-Length {value:?}"))
}

/// Reads chunks into the message; the bytes used. Extensions are refused: the proxy drops them.
fn chunks(input: &[u8], message: &mut Message) -> Result<usize, String> {
    let mut at = 0;
    loop {
        let Some(end) = find(&input[at..], b"\r\n") else { return Ok(input.len()) };
        let size = text(&input[at..at + end])?;
        let plain = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let length = usize::from_str_radix(&size, 16).ok().filter(|_| plain);
        let length = length.ok_or_else(|| format!("chunk size {size:?}"))?;
        at += end + 2;
        if length == 0 {
            break;
        }
        let data = &input[at..];
        message.body.extend_from_slice(&data[..length.min(data.len())]);
        if data.len() < length + 2 {
            return Ok(input.len());
        }
        if &data[length..length + 2] != b"\r\n" {
            return Err("no CRLF behind a chunk".to_owned());
        }
        at += length + 2;
    }
    loop {
        let Some(end) = find(&input[at..], b"\r\n") else { return Ok(input.len()) };
        let line = &input[at..at + end];
        at += end + 2;
        if line.is_empty() {
            message.complete = true;
            return Ok(at);
        }
        message.trailers.push(field(line)?);
    }
}

/// The beginning of some bytes for a message.
pub fn show(bytes: &[u8]) -> String {
    let mut shown = String::new();
    for byte in bytes.iter().take(80) {
        let _ = write!(shown, "{}", byte.escape_ascii());
    }
    shown
}

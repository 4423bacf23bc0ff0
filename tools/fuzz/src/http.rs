//! A second, slow and simple reading of HTTP/1 messages, for what the proxy sends: whatever it accepts must look the same to it.

/// A head as anybody would read it.
#[derive(Debug, PartialEq, Eq)]
pub struct Head<'a> {
    pub first: &'a [u8],
    pub fields: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Head<'a> {
    /// The values of all fields of this name.
    pub fn all(&self, name: &str) -> Vec<&'a [u8]> {
        let named = |field: &&(&[u8], &[u8])| field.0.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(named).map(|field| field.1).collect()
    }

    /// All fields but these.
    pub fn without(&self, names: &[&str]) -> Vec<(&'a [u8], &'a [u8])> {
        let named = |name: &[u8]| names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        self.fields.iter().copied().filter(|(name, _)| !named(name)).collect()
    }
}

/// Reads a head that we wrote, the whole of `text`.
///
/// # Panics
/// When two recipients could read it differently: a bare CR or LF, a control byte, no or an odd field name, framing said twice.
pub fn read(text: &[u8]) -> Head<'_> {
    let lines = text.strip_suffix(b"\r\n\r\n").unwrap_or_else(|| panic!("no end: {:?}", show(text)));
    let mut fields = Vec::new();
    let mut first = None;
    for line in split(lines) {
        let clean = line.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f));
        assert!(clean && !line.is_empty(), "line {:?}", show(line));
        if first.is_none() {
            first = Some(line);
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or_else(|| panic!("line {:?}", show(line)));
        let name = &line[..colon];
        assert!(!name.is_empty() && name.iter().all(|byte| is_token(*byte)), "name {:?}", show(name));
        fields.push((name, line[colon + 1..].trim_ascii()));
    }
    let head = Head { first: first.unwrap_or_default(), fields };
    let (lengths, codings) = (head.all("content-length"), head.all("transfer-encoding"));
    assert!(lengths.len() + codings.len() <= 1, "framed twice: {:?}", show(text));
    assert!(lengths.iter().all(|value| value.iter().all(u8::is_ascii_digit) && !value.is_empty()));
    assert!(codings.iter().all(|value| *value == b"chunked"));
    head
}

/// Body and trailer section of a chunked message, and how many bytes it took; `None` when it is none or not whole.
pub fn chunks(input: &[u8]) -> Option<(Vec<u8>, &[u8], usize)> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let end = at + find(&input[at..], b"\r\n")?;
        let line = std::str::from_utf8(input[at..end].split(|byte| b"; \t".contains(byte)).next()?).ok()?;
        let length = usize::from_str_radix(line, 16).ok()?;
        at = end + 2;
        if length == 0 {
            break;
        }
        body.extend_from_slice(input.get(at..at.checked_add(length)?)?);
        at += length;
        if input.get(at..at + 2)? != b"\r\n" {
            return None;
        }
        at += 2;
    }
    let begin = at;
    while !input[at..].starts_with(b"\r\n") {
        at += find(&input[at..], b"\r\n")? + 2;
    }
    Some((body, &input[begin..at], at + 2))
}

/// Bytes for a message.
pub fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Where a message is cut to come in two parts: everywhere in a short one, here and there in a long one.
pub fn cuts(length: usize) -> impl Iterator<Item = usize> {
    const MANY: usize = 48;
    (0..length).step_by((length / MANY).max(1))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn split(mut text: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    while let Some(end) = find(text, b"\r\n") {
        lines.push(&text[..end]);
        text = &text[end + 2..];
    }
    lines.push(text);
    lines
}

//! What others have sent, written so that it can neither end a line nor pretend to be something else.

const HEX: &[u8; 16] = b"0123456789ABCDEF";
/// Bytes that are looked at together.
const STEP: usize = 16;

/// As nginx's default: `\xHH` for quotes, backslashes, control characters and all beyond ASCII.
pub fn text(value: &[u8], out: &mut Vec<u8>) {
    let is_odd = |byte: u8| byte.wrapping_sub(0x20) > 0x5e || byte == b'"' || byte == b'\\';
    escaped(value, is_odd, out, |byte, out| out.extend_from_slice(&[b'\\', b'x', high(byte), low(byte)]));
}

/// Between quotes. What is no UTF-8 is replaced.
pub fn json(value: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    if value.is_ascii() {
        json_part(value, out);
    } else {
        for chunk in value.utf8_chunks() {
            json_part(chunk.valid().as_bytes(), out);
            if !chunk.invalid().is_empty() {
                out.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
    }
    out.push(b'"');
}

fn json_part(value: &[u8], out: &mut Vec<u8>) {
    let is_odd = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\' || byte == 0x7f;
    escaped(value, is_odd, out, |byte, out| match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        _ => out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high(byte), low(byte)]),
    });
}

/// Most values have nothing odd in them: so they are copied at once, and searched in steps without branches, for which the compiler finds
/// wide instructions.
fn escaped(value: &[u8], is_odd: impl Fn(u8) -> bool, out: &mut Vec<u8>, escape: impl Fn(u8, &mut Vec<u8>)) {
    let mut rest = value;
    loop {
        let (steps, _) = rest.as_chunks::<STEP>();
        let has_odd = |step: &[u8; STEP]| step.iter().fold(false, |odd, byte| odd | is_odd(*byte));
        let plain = STEP * steps.iter().position(has_odd).unwrap_or(steps.len());
        let Some(odd) = rest[plain..].iter().position(|byte| is_odd(*byte)) else { break };
        let at = plain + odd;
        out.extend_from_slice(&rest[..at]);
        escape(rest[at], out);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

fn high(byte: u8) -> u8 {
    HEX[usize::from(byte >> 4)]
}

fn low(byte: u8) -> u8 {
    HEX[usize::from(byte & 15)]
}

#[cfg(test)]
mod tests;

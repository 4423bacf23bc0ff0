//! What the targets for HTTP begin with: the messages of the corpus that the proxy is tested with (tools/replay/http-corpus/README.md).

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::LONGEST;
use crate::run::root;

/// Of version 1, and of version 2 with an extension.
const PROXY_HEADERS: [&[u8]; 2] = [
    b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10\xc0\0\x02\x07\x0a\0\0\x01\xdc\x04\x01\xbb\x04\0\x01\0",
];

/// Writes the seeds of a target, each into a file, and nothing for a target that needs none.
///
/// # Errors
/// When the corpus can't be read or the folder can't be written.
pub fn write(target: &str, folder: &Path) -> Result<()> {
    let seeds = match target {
        "request_head" => messages("requests.json", |case| &case["steps"], |case| &case["bytes"])?,
        "response_head" => with_choice(messages("responses.json", upstream_steps, |case| &case["upstream"]["send"])?),
        "chunked" => {
            let mut all = messages("requests.json", |case| &case["steps"], |case| &case["bytes"])?;
            all.extend(messages("responses.json", upstream_steps, |case| &case["upstream"]["send"])?);
            with_choice(all.into_iter().filter_map(|message| chunked_body(&message)).collect())
        }
        "proxy_header" => PROXY_HEADERS.map(<[u8]>::to_vec).to_vec(),
        _ => Vec::new(),
    };
    for (number, seed) in seeds.iter().filter(|seed| seed.len() <= LONGEST).enumerate() {
        let path = folder.join(format!("{number:04}"));
        fs::write(&path, seed).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

fn upstream_steps(case: &Value) -> &Value {
    &case["upstream"]["steps"]
}

/// The bytes of all cases of a file: what is sent at once, or all steps of it.
fn messages(file: &str, steps: fn(&Value) -> &Value, at_once: fn(&Value) -> &Value) -> Result<Vec<Vec<u8>>> {
    let path = root().join("tools/replay/http-corpus").join(file);
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let file: Value = serde_json::from_str(&text).with_context(|| format!("parse {}", path.display()))?;
    let of_steps = |case: &Value| -> Vec<u8> {
        let steps = steps(case).as_array().map_or(&[][..], Vec::as_slice);
        steps.iter().flat_map(|step| [&step["send"], &step["send_bytewise"]]).flat_map(bytes).collect()
    };
    let cases = file["cases"].as_array().with_context(|| format!("{}: no cases", path.display()))?;
    Ok(cases.iter().map(|case| [bytes(at_once(case)), of_steps(case)].concat()).collect())
}

/// A string whose characters are bytes, or a list of such strings and repetitions.
fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.chars().map(|character| character as u8).collect(),
        Value::Array(parts) => parts.iter().flat_map(bytes).collect(),
        Value::Object(part) => {
            let count = part.get("count").and_then(Value::as_u64).unwrap_or(0).min(LONGEST as u64 + 1);
            part.get("repeat").map_or_else(Vec::new, |text| bytes(text).repeat(count as usize))
        }
        _ => Vec::new(),
    }
}

/// What follows the head of a chunked message.
fn chunked_body(message: &[u8]) -> Option<Vec<u8>> {
    let end = message.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let chunked = message[..end].to_ascii_lowercase().windows(7).any(|window| window == b"chunked");
    (chunked && end < message.len()).then(|| message[end..].to_vec())
}

/// The byte in front with which these targets choose how a message is looked at; each value comes up.
fn with_choice(messages: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    messages.into_iter().enumerate().map(|(number, message)| [vec![number as u8 % 8], message].concat()).collect()
}

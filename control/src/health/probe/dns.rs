//! A question by UDP (RFC 1035 section 4).

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;

use super::datagram::open;
use super::words;
use crate::health::check::Record;

const INTERNET: u16 = 1;
const RECURSION_DESIRED: u16 = 0x0100;
const IS_RESPONSE: u8 = 0x80;

pub async fn ask(target: SocketAddr, name: &str, record: Record) -> Result<(), String> {
    let id = RandomState::new().hash_one(target) as u16;
    let socket = open(target).await?;
    socket.send(&question(id, name, record)).await.map_err(|error| words(&error))?;
    let mut answer = [0; 4096];
    loop {
        let length = socket.recv(&mut answer).await.map_err(|error| words(&error))?;
        // Somebody else's answer is no answer.
        let [high, low, flags, code, ..] = answer[..length] else { continue };
        if u16::from_be_bytes([high, low]) == id && flags & IS_RESPONSE != 0 {
            return judge(code & 15);
        }
    }
}

/// `name` has been checked: labels of 1 to 63 bytes.
fn question(id: u16, name: &str, record: Record) -> Vec<u8> {
    let mut message = Vec::with_capacity(name.len() + 18);
    for word in [id, RECURSION_DESIRED, 1, 0, 0, 0] {
        message.extend(word.to_be_bytes());
    }
    for label in name.split('.').filter(|label| !label.is_empty()) {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend((record as u16).to_be_bytes());
    message.extend(INTERNET.to_be_bytes());
    message
}

/// RFC 1035 section 4.1.1.
fn judge(code: u8) -> Result<(), String> {
    let name = match code {
        0 => return Ok(()),
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        _ => return Err(format!("error {code}")),
    };
    Err(name.to_owned())
}

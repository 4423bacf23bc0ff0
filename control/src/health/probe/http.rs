use std::net::SocketAddr;

use headgate_l7::ask::{Question, To, ask as ask_http};

use crate::health::check::Http;

/// Bytes of a body that are looked at.
const BODY: usize = 64 << 10;
/// For a digest, which is of all of it.
const WHOLE: usize = 1 << 20;

pub async fn ask(target: SocketAddr, http: &Http) -> Result<(), String> {
    let authority = http.host.clone().unwrap_or_else(|| target.to_string());
    let most = if http.digest.is_some() { WHOLE + 1 } else { BODY };
    let question = Question { method: &http.method, path: &http.path, authority: &authority, most };
    let to = To { address: target, host: http.found_by.as_deref(), tls: http.tls.as_ref(), http2: http.http2 };
    let answer = ask_http(&to, &question).await.map_err(|error| error.to_string())?;
    if !http.status.iter().any(|range| range.contains(&answer.status)) {
        return Err(format!("status {}", answer.status));
    }
    if http.body.as_ref().is_some_and(|pattern| !pattern.is_match(&answer.body[..answer.body.len().min(BODY)])) {
        return Err("the body does not match".to_owned());
    }
    match http.digest {
        Some(_) if answer.body.len() > WHOLE => Err("the body is too large for a digest".to_owned()),
        Some(digest) if digest != md5(&answer.body) => Err("the body has another digest".to_owned()),
        _ => Ok(()),
    }
}

fn md5(bytes: &[u8]) -> [u8; 16] {
    use md5::{Digest as _, Md5};
    Md5::digest(bytes).into()
}

//! Asking a server once.

use std::net::SocketAddr;

use headgate_l7::ask::{Question, To, ask, reach};

use super::check::{Http, Kind};

/// Bytes of a body that are looked at.
const BODY: usize = 64 << 10;

/// # Errors
/// In words: why the server does not pass.
pub async fn probe(target: SocketAddr, kind: &Kind) -> Result<(), String> {
    match kind {
        Kind::Tcp => reach(target).await.map_err(|error| error.to_string()),
        Kind::Http(http) => ask_http(target, http).await,
    }
}

async fn ask_http(target: SocketAddr, http: &Http) -> Result<(), String> {
    let authority = http.host.clone().unwrap_or_else(|| target.to_string());
    let most = if http.body.is_some() { BODY } else { 0 };
    let question = Question { method: &http.method, path: &http.path, authority: &authority, most };
    let to = To { address: target, host: http.found_by.as_deref(), tls: http.tls.as_ref(), http2: http.http2 };
    let answer = ask(&to, &question).await.map_err(|error| error.to_string())?;
    if !http.status.iter().any(|range| range.contains(&answer.status)) {
        return Err(format!("status {}", answer.status));
    }
    match &http.body {
        Some(pattern) if !pattern.is_match(&answer.body) => Err("the body does not match".to_owned()),
        _ => Ok(()),
    }
}

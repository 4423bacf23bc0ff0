//! Asking a server once.

mod datagram;
mod dns;
mod exec;
mod http;
mod ping;
mod smtp;

use std::net::SocketAddr;
use std::time::Duration;

use headgate_l7::ask::{reach, words};

use super::check::{Check, Kind};

/// That a server has passed, and what it says about its weight.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    pub weight: Option<u32>,
}

/// # Errors
/// In words: why the server does not pass.
pub async fn probe(target: SocketAddr, check: &Check) -> Result<Passed, String> {
    // Some take care of it themselves: for them the end of the time is no failure.
    let longest = match &check.kind {
        Kind::Udp { .. } | Kind::Exec(_) => check.timeout + Duration::from_secs(1),
        _ => check.timeout,
    };
    let asked = tokio::time::timeout(longest, ask(target, check)).await;
    asked.unwrap_or_else(|_| Err(format!("no answer within {:?}", check.timeout)))
}

async fn ask(target: SocketAddr, check: &Check) -> Result<Passed, String> {
    match &check.kind {
        Kind::Tcp => reach(target).await.map_err(|error| error.to_string())?,
        Kind::Http(http) => http::ask(target, http).await?,
        Kind::Smtp { helo } => smtp::ask(target, helo).await?,
        Kind::Dns { name, record } => dns::ask(target, name, *record).await?,
        Kind::Udp { payload, reply } => datagram::ask(target, payload, reply.as_ref(), check.timeout).await?,
        Kind::Ping => ping::ask(target.ip()).await?,
        Kind::Exec(exec) => return exec::ask(target, exec, check.timeout).await,
    }
    Ok(Passed::default())
}

#[cfg(test)]
mod tests;

//! A datagram and what comes back.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use headgate_l7::config::Pattern;
use tokio::net::UdpSocket;

use super::words;

/// A socket that hears of this address only.
pub async fn open(target: SocketAddr) -> Result<UdpSocket, String> {
    let any: SocketAddr =
        if target.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).await.map_err(|error| words(&error))?;
    socket.connect(target).await.map_err(|error| words(&error))?;
    Ok(socket)
}

/// Without a reply that is wanted, silence is good: a host without a listener would refuse.
pub async fn ask(target: SocketAddr, payload: &[u8], reply: Option<&Pattern>, timeout: Duration) -> Result<(), String> {
    let socket = open(target).await?;
    socket.send(payload).await.map_err(|error| words(&error))?;
    let mut answer = vec![0; usize::from(u16::MAX)];
    match tokio::time::timeout(timeout, socket.recv(&mut answer)).await {
        Ok(Err(error)) => Err(words(&error)),
        Ok(Ok(length)) if reply.is_some_and(|pattern| !pattern.is_match(&answer[..length])) => {
            Err("the answer does not match".to_owned())
        }
        Err(_) if reply.is_some() => Err(format!("no answer within {timeout:?}")),
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}

//! What comes before the first request of a connection: the PROXY protocol, TLS, and which version of HTTP it is.

pub mod proxy_header;

use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::sync::Arc;

use crate::client::Client;
use crate::config::Listener;
use crate::http2;
use crate::origin::{Secured, Version};
use crate::timers::Late;
use crate::tls::{Acceptor, Named};

/// Whether a listener's connections begin with anything but a request.
pub fn is_needed(listener: &Listener) -> bool {
    listener.proxy_protocol || listener.tls.is_some() || listener.http2
}

/// Goes through it; after that the first request is to be read.
///
/// # Errors
/// When the connection is of no use.
pub async fn open(client: &mut Client) -> io::Result<()> {
    let snapshot = client.origin.worker.snapshot();
    let Some(index) = snapshot.listener(&client.origin.listener) else { return Err(ErrorKind::NotFound.into()) };
    let listener = &snapshot.listeners[index].0;
    client.deadline.set(listener.limits.head_timeout);
    if listener.proxy_protocol {
        take_proxy_header(client).await?;
    }
    if let Some(tls) = &listener.tls {
        secure(client, tls).await?;
    } else if listener.http2 && begins_with_http2(client).await? {
        client.origin.version = Version::Http2;
    }
    Ok(())
}

/// Reads once; 0 at the end of the stream.
async fn read(client: &mut Client) -> io::Result<usize> {
    let read = client.stream.read(&mut client.buffer);
    client.deadline.within(read).await.map_err(|Late| ErrorKind::TimedOut)?
}

/// What the balancer in front says about the connection holds for all that follows.
async fn take_proxy_header(client: &mut Client) -> io::Result<()> {
    let header = loop {
        match proxy_header::parse(client.buffer.data()) {
            Ok(Some(header)) => break header,
            Ok(None) => {}
            Err(malformed) => return Err(io::Error::new(ErrorKind::InvalidData, malformed)),
        }
        if read(client).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    };
    client.buffer.consume(header.length);
    if let Some(source) = header.source {
        client.origin.set_peer(source);
    }
    Ok(())
}

/// Makes the handshake.
async fn secure(client: &mut Client, tls: &Acceptor) -> io::Result<()> {
    let session = tls.session().map_err(io::Error::other)?;
    let (stream, begun) = (client.stream.take(), std::mem::take(&mut client.buffer));
    let handshake = stream.secure(session.into(), begun);
    client.stream = client.deadline.within(handshake).await.map_err(|Late| ErrorKind::TimedOut)??;
    let named = Named::new(Arc::clone(tls.names()), client.stream.server_name());
    client.origin.tls = Some(Rc::new(Secured { named, version: client.stream.tls_version() }));
    if client.stream.has_agreed_on_http2() {
        client.origin.version = Version::Http2;
    }
    Ok(())
}

/// Whether the client speaks HTTP/2 without asking (RFC 9113 section 3.3).
async fn begins_with_http2(client: &mut Client) -> io::Result<bool> {
    loop {
        let known = client.buffer.data().len().min(http2::PREFACE.len());
        if client.buffer.data()[..known] != http2::PREFACE[..known] {
            return Ok(false);
        }
        if known == http2::PREFACE.len() {
            return Ok(true);
        }
        if read(client).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
}

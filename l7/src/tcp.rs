//! Connections that are passed on as they are: a server is chosen, and bytes go both ways until both sides have ended.

use std::io::ErrorKind;

use crate::client::Client;
use crate::clock::micros;
use crate::config::{Action, Forward};
use crate::exchange::Server;
use crate::timers::Late;
use crate::tls::hello::{self, Hello, hello};
use crate::tries::to;
use crate::tries::wait::wait;
use crate::tunnel::tunnel;
use crate::upstream::{Attempts, Key, Pick, Upstream};

/// Serves a connection to its end.
pub async fn serve(client: &mut Client) {
    let snapshot = client.origin.worker.snapshot();
    let Some(index) = snapshot.listener(&client.origin.listener) else { return };
    let (listener, router) = &snapshot.listeners[index];
    let name = if router.has_hosts() {
        client.deadline.set(listener.limits.head_timeout);
        match name(client).await {
            Ok(name) => name,
            Err(error) => return refused(client, &error.to_string()),
        }
    } else {
        None
    };
    let found = router.find(name.as_deref().unwrap_or_default().as_bytes(), b"/", &|_| true);
    let Some(Action::Proxy(forward)) = found.map(|index| &listener.routes[index].action) else {
        return refused(client, "no route for its name");
    };
    let upstream = &snapshot.upstreams[forward.upstream];
    let Some((server, pick)) = connected(client, upstream, forward).await else {
        client.stream.reset_on_close();
        return;
    };
    tunnel(client, server, forward.timeouts.read).await;
    drop(pick);
    client.stream.end();
}

fn refused(client: &Client, why: &str) {
    tracing::debug!(client = %client.origin.peer, listener = %client.origin.listener, "connection refused: {why}");
}

/// The name that the client asks for by TLS, whether that ends here or not.
async fn name(client: &mut Client) -> std::io::Result<Option<String>> {
    if client.origin.tls.is_some() {
        return Ok(client.stream.server_name());
    }
    loop {
        match hello(client.buffer.data()) {
            Hello::Named(name) => return Ok(Some(name)),
            Hello::Unnamed => return Ok(None),
            Hello::Partial if client.buffer.data().len() >= hello::MAX => return Ok(None),
            Hello::Partial => {}
        }
        let read = client.stream.read(&mut client.buffer);
        if client.deadline.within(read).await.map_err(|Late| ErrorKind::TimedOut)?? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
}

/// A connection to the first server that takes one.
async fn connected<'a>(client: &mut Client, upstream: &'a Upstream, forward: &Forward) -> Option<(Server, Pick<'a>)> {
    let address = client.address();
    let hashed = address.to_string();
    let key = Key { client: address, hashed: hashed.as_bytes(), bound: None };
    let mut attempts = Attempts::default();
    let mut pick = match upstream.pick(&mut attempts, &key, micros() / 1000) {
        Ok(pick) => pick,
        Err(none) => wait(client, upstream, &mut attempts, &key, none).await.ok()?,
    };
    loop {
        let begun = micros();
        client.deadline.set(forward.timeouts.connect);
        let result = client.deadline.within(to(upstream, &pick).connect(client)).await;
        let now = micros();
        match result {
            Ok(Ok(stream)) => {
                pick.succeeded(now - begun, now / 1000);
                return Some((Server { stream, buffer: crate::buffer::Buffer::default(), pooled: false }, pick));
            }
            Ok(Err(error)) => {
                tracing::debug!(upstream = %upstream.config().name, server = %pick.server().name(), "no connection: {error}");
            }
            Err(Late) => {
                tracing::debug!(upstream = %upstream.config().name, server = %pick.server().name(), "no connection in time");
            }
        }
        pick.failed(now / 1000);
        let other = upstream.pick(&mut attempts, &key, now / 1000).ok()?;
        pick.server().count_passed_on();
        pick = other;
    }
}

//! HTTP/2 clients and servers by the `h2` crate, in the namespace of a test.

use std::future::{Future, poll_fn};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use headgate_testbed::{Namespace, Topology};
use tokio::runtime::{Builder, Runtime};

use super::PATIENCE;
use super::proxy::at;

pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Runs a test's exchange, which has to end in time.
pub fn run<T>(exchange: impl Future<Output = T>) -> T {
    runtime().block_on(async { tokio::time::timeout(PATIENCE, exchange).await.expect("it ends in time") })
}

/// A session with a listener, without TLS. It is driven on the runtime that this is called in.
pub async fn connect(ns: &Namespace, address: SocketAddr) -> SendRequest<Bytes> {
    let stream = ns.enter(|| TcpStream::connect(address)).unwrap().unwrap();
    stream.set_nonblocking(true).unwrap();
    let stream = tokio::net::TcpStream::from_std(stream).unwrap();
    let (send, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    send.ready().await.unwrap()
}

pub fn request(method: &str, path: &str) -> http::Request<()> {
    http::Request::builder().method(method).uri(format!("http://a.test{path}")).body(()).unwrap()
}

/// All of a body, as text, and the trailers behind it.
pub async fn body(mut from: RecvStream) -> Result<(String, http::HeaderMap), h2::Error> {
    let mut all = Vec::new();
    while let Some(data) = from.data().await {
        let data = data?;
        from.flow_control().release_capacity(data.len())?;
        all.extend_from_slice(&data);
    }
    let trailers = from.trailers().await?.unwrap_or_default();
    Ok((String::from_utf8(all).unwrap(), trailers))
}

/// Sends all of it, as far as the window allows at a time.
pub async fn send(to: &mut SendStream<Bytes>, mut data: Bytes, end: bool) {
    while !data.is_empty() {
        to.reserve_capacity(data.len());
        let capacity = poll_fn(|context| to.poll_capacity(context)).await.unwrap().unwrap();
        let part = data.split_to(capacity.min(data.len()));
        to.send_data(part, end && data.is_empty()).unwrap();
    }
}

/// Waits until it is so.
pub async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until a session takes no more requests.
pub async fn ended(session: SendRequest<Bytes>) {
    let now = || Context::from_waker(Waker::noop());
    until(|| matches!(session.clone().poll_ready(&mut now()), Poll::Ready(Err(_)))).await;
}

/// A server that does with each request what `act` says.
pub fn server<F>(
    topology: &Topology,
    port: u16,
    act: impl Fn(http::Request<RecvStream>, SendResponse<Bytes>) -> F + Send + Sync + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = topology.director().enter(|| TcpListener::bind(at(port))).unwrap().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let act = std::sync::Arc::new(act);
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut connection) = h2::server::handshake(stream).await else { continue };
                let act = std::sync::Arc::clone(&act);
                let serve = async move {
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        tokio::spawn(act(request, respond));
                    }
                };
                tokio::spawn(serve);
            }
        });
    });
}

//! Listening sockets, one of each address per worker, and what comes in.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nix::{setsockopt_impl, sockopt_impl};
use socket2::{SockAddr, SockRef, Socket};
use tokio::io::Interest;

use crate::client;
use crate::config::Protocol;
use crate::origin::Origin;
use crate::stream::Stream;
use crate::worker::Worker;

const BACKLOG: i32 = 4096;
/// Connections accepted before others of the thread get their turn.
const ACCEPTS: usize = 32;
/// After an accept failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long the kernel keeps a connection that brings nothing to itself.
const DEFER_SECONDS: u32 = 1;

sockopt_impl!(DeferAccept, SetOnly, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, u32);

/// A socket of one worker. The address need not be ours yet: a virtual address may be on another node.
pub fn listen(address: SocketAddr, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM.nonblocking(),
        Some(socket2::Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
        socket.set_freebind_v6(true)?;
    } else {
        socket.set_freebind_v4(true)?;
    }
    if protocol == Protocol::Http {
        // Clients speak first: a connection that has not brought anything need not be looked at.
        nix::sys::socket::setsockopt(&socket, DeferAccept, &DEFER_SECONDS)?;
    }
    // Inherited by accepted connections.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// A listening socket. To tokio it is a stream, which can be asked for readiness alone: its own listener makes each connection known to the
/// reactor at once.
pub struct Listening(tokio::net::TcpStream);

impl Listening {
    pub fn new(socket: Socket) -> io::Result<Self> {
        tokio::net::TcpStream::from_std(socket.into()).map(Self)
    }

    /// # Errors
    /// `WouldBlock` when nobody waits.
    fn try_accept(&self) -> io::Result<(Socket, SockAddr)> {
        let accept = || SockRef::from(&self.0).accept4(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC);
        self.0.try_io(Interest::READABLE, accept)
    }
}

/// Takes connections until it is ended.
pub async fn accept(worker: Rc<Worker>, name: Arc<str>, socket: Listening) {
    while socket.0.readable().await.is_ok() {
        for _ in 0..ACCEPTS {
            match socket.try_accept() {
                Ok((socket, peer)) => {
                    let Some(peer) = peer.as_socket() else { continue };
                    let origin = Origin::new(Rc::clone(&worker), Arc::clone(&name), peer);
                    tokio::task::spawn_local(client::serve(origin, Stream::new(socket.into())));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(listener = %name, "cannot accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        tokio::task::yield_now().await;
    }
}

/// The connection ended while it waited: no trouble of ours.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

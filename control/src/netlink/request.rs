//! A netlink socket and requests on it.
//!
//! A request succeeds only when the kernel said so: by an acknowledgement, or for a dump by its end mark. A socket that dies in between is
//! an error, never a short answer.

use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::Stream;
use nix::sys::socket::{setsockopt, sockopt};
use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::sys::{AsyncSocket, Socket, SocketAddr};
use rtnetlink::{Handle, MulticastGroup};
use tokio::task::AbortHandle;

use super::error::NetlinkError;

/// Messages that answer no request: those of the multicast groups, and overrun marks.
pub type Events = Box<dyn Stream<Item = (NetlinkMessage<RouteNetlinkMessage>, SocketAddr)> + Send + Unpin>;

/// One netlink socket, served by a task of the runtime it was opened on.
#[derive(Debug)]
pub struct Requests {
    handle: Handle,
    task: AbortHandle,
}

/// The answer to a dump.
#[derive(Debug)]
pub struct Dump {
    /// Each message with the flags of its header.
    pub messages: Vec<(RouteNetlinkMessage, u16)>,
    /// The kernel's tables changed meanwhile, entries may be missing.
    pub interrupted: bool,
}

/// The kernel answers a request while it is being sent; only a lost answer takes this long.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

impl Requests {
    /// Opens a socket in the network namespace of this thread, as a member of the groups, with room for `receive_buffer` bytes of
    /// messages not read yet.
    ///
    /// Must be called on a tokio runtime whose threads all are in that namespace.
    pub fn open(groups: &[MulticastGroup], receive_buffer: usize) -> Result<(Self, Events), NetlinkError> {
        let (mut connection, handle, events) =
            rtnetlink::new_multicast_connection(groups).map_err(NetlinkError::Socket)?;
        connection.set_forward_done(true);
        connection.set_forward_ack(true);
        enlarge(connection.socket_mut().socket_ref(), receive_buffer);
        let task = tokio::spawn(connection).abort_handle();
        Ok((Self { handle, task }, Box::new(events)))
    }

    /// Whether the socket was closed by an error.
    pub fn is_closed(&self) -> bool {
        self.task.is_finished()
    }

    /// Sends a request that changes something and waits for the kernel's acknowledgement. `flags` beyond REQUEST and ACK.
    pub async fn change(&self, what: &str, message: RouteNetlinkMessage, flags: u16) -> Result<(), NetlinkError> {
        self.send(what, message, NLM_F_REQUEST | NLM_F_ACK | flags).await.map(|_| ())
    }

    /// Asks for one object.
    pub async fn query(&self, what: &str, message: RouteNetlinkMessage) -> Result<Dump, NetlinkError> {
        self.send(what, message, NLM_F_REQUEST | NLM_F_ACK).await
    }

    /// Asks for all objects of a kind.
    pub async fn dump(&self, what: &str, message: RouteNetlinkMessage) -> Result<Dump, NetlinkError> {
        self.send(what, message, NLM_F_REQUEST | NLM_F_DUMP).await
    }

    async fn send(&self, what: &str, message: RouteNetlinkMessage, flags: u16) -> Result<Dump, NetlinkError> {
        let mut message = NetlinkMessage::from(message);
        message.header.flags = flags;
        let closed = || NetlinkError::Closed { request: what.to_owned() };
        let mut answers = pin!(self.handle.clone().request(message).map_err(|_| closed())?);

        let mut dump = Dump { messages: Vec::new(), interrupted: false };
        loop {
            let answer = match tokio::time::timeout(ANSWER_WITHIN, answers.next()).await {
                Ok(Some(answer)) => answer,
                Ok(None) => return Err(closed()),
                Err(_) => return Err(NetlinkError::NoAnswer { request: what.to_owned(), within: ANSWER_WITHIN }),
            };
            dump.interrupted |= answer.header.flags & NLM_F_DUMP_INTR != 0;
            let code = match answer.payload {
                NetlinkPayload::InnerMessage(inner) => {
                    dump.messages.push((inner, answer.header.flags));
                    continue;
                }
                NetlinkPayload::Error(error) => error.raw_code(),
                NetlinkPayload::Done(done) => done.code,
                _ => continue,
            };
            if code == 0 {
                return Ok(dump);
            }
            let source = std::io::Error::from_raw_os_error(code.saturating_abs());
            return Err(NetlinkError::Refused { request: what.to_owned(), source });
        }
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A best effort: with a smaller buffer more is lost and read anew. Only CAP_NET_ADMIN may go beyond `net.core.rmem_max`.
fn enlarge(socket: &Socket, bytes: usize) {
    let forced = setsockopt(socket, sockopt::RcvBufForce, &bytes);
    if let Err(error) = forced.or_else(|_| setsockopt(socket, sockopt::RcvBuf, &bytes)) {
        tracing::debug!(%error, bytes, "the receive buffer of a netlink socket keeps its default size");
    }
}

//! What can go wrong between us and the kernel.

use std::io;
use std::time::Duration;

/// Why a netlink socket could not be opened or a request failed.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// The socket could not be opened, bound or set up.
    #[error("cannot open a netlink socket: {0}")]
    Socket(#[source] io::Error),
    /// The kernel refused the request.
    #[error("{request}: the kernel answered: {source}")]
    Refused {
        request: String,
        #[source]
        source: io::Error,
    },
    /// No answer came. The kernel answers at once, so the answer was lost when the socket's buffer overran.
    #[error("{request}: no answer from the kernel within {} ms", within.as_millis())]
    NoAnswer { request: String, within: Duration },
    /// The socket was closed before the answer was complete.
    #[error("{request}: the netlink socket was closed")]
    Closed { request: String },
    /// There is no such interface in this network namespace.
    #[error("there is no interface named {0:?}")]
    NoSuchLink(String),
}

impl NetlinkError {
    /// The error number of the kernel's refusal.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}

//! HTTP/2 (RFC 9113), by the `h2` crate: to us and from us, each stream is an HTTP/1 message on a connection within the thread, so that requests
//! go their one way (see `client.rs`) whatever the client and the server speak.
//!
//! ```text
//!  client ══h2══ inbound ──pipe── client.rs … exchange.rs ──pipe── outbound ══h2══ server
//! ```
//!
//! * [`inbound`]: connections of clients
//! * [`outbound`]: connections to servers
//! * [`message`]: heads, translated
//! * [`body`]: bodies, passed on both ways
//! * [`io`]: our connections as `h2` wants them

mod body;
mod inbound;
mod io;
mod message;
mod outbound;

pub use inbound::serve;
pub use io::Io;
pub use outbound::Sessions;

/// What a client sends first (RFC 9113 section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes that may be under way on a stream, and on a connection, before the receiver has to say that it takes more.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// Bytes of a stream that wait to be sent.
const SEND_BUFFER: usize = 128 << 10;

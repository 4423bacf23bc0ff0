//! IP protocol numbers as the plain bytes that keys of the connection table hold.

use headgate_wire::Protocol;

pub const TCP: u8 = Protocol::TCP.0;
pub const UDP: u8 = Protocol::UDP.0;

//! Raw packets: capture, crafted frames, ICMP answers to a limited TTL.

mod capture;
mod frames;
mod packet_socket;
mod ttl;

pub use capture::{Capture, Frame};
pub use frames::FrameSender;
pub use ttl::{Probe, TtlReply, ttl_probe};

//! Sending crafted frames.

use anyhow::{Context, Result, ensure};
use socket2::Socket;

use super::packet_socket;
use crate::Namespace;

/// Sends whole Ethernet frames out of a device, as they are.
#[derive(Debug)]
pub struct FrameSender {
    socket: Socket,
}

impl FrameSender {
    /// Opens `device` of the namespace.
    pub fn open(ns: &Namespace, device: &str) -> Result<Self> {
        Ok(Self { socket: packet_socket::open(ns, device, 0)? })
    }

    /// Sends one frame, from the destination address on, without its check sequence.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        let sent = self.socket.send(frame).with_context(|| format!("send frame of {} bytes", frame.len()))?;
        ensure!(sent == frame.len(), "sent {sent} of {} bytes", frame.len());
        Ok(())
    }
}

//! Packet sockets bound to one device.

use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{LinkAddr, bind, recvfrom};
use socket2::{Domain, Protocol, Socket, Type};

use crate::Namespace;

/// `PACKET_OUTGOING` of linux/if_packet.h: a frame this host sends.
const OUTGOING: u8 = 4;
/// All Ethernet types.
pub(super) const ALL: u16 = 0x0003;

/// Opens a socket for whole frames on `device`. With `ethertype` 0 it only sends.
pub(crate) fn open(ns: &Namespace, device: &str, ethertype: u16) -> Result<Socket> {
    ns.enter(|| -> Result<Socket> {
        // A packet socket's protocol is in network order; bound without a protocol of its own it keeps this one.
        let protocol = Protocol::from(i32::from(ethertype.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol)).context("open packet socket")?;
        let address = link_address(device)?;
        bind(socket.as_raw_fd(), &address).with_context(|| format!("bind to {device}"))?;
        drain(&socket)?;
        Ok(socket)
    })?
    .with_context(|| format!("packet socket on {device} in {}", ns.name()))
}

/// One frame and whether this host sent it; `None` after the socket's read time-out.
pub(super) fn receive(socket: &Socket, buffer: &mut [u8]) -> Result<Option<(usize, bool)>> {
    match recvfrom::<LinkAddr>(socket.as_raw_fd(), buffer) {
        Ok((length, from)) => Ok(Some((length, from.is_some_and(|from| from.pkttype() == OUTGOING)))),
        Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
        Err(error) => Err(error).context("receive frame"),
    }
}

fn link_address(device: &str) -> Result<LinkAddr> {
    let found = getifaddrs()?
        .filter(|interface| interface.interface_name == device)
        .find_map(|interface| interface.address.and_then(|address| address.as_link_addr().copied()));
    found.with_context(|| format!("no device {device}"))
}

/// Between its creation and the bind the socket collected frames of all devices.
fn drain(socket: &Socket) -> Result<()> {
    socket.set_read_timeout(Some(Duration::from_millis(1)))?;
    let mut buffer = [0; 64];
    let mut drained = 0;
    while receive(socket, &mut buffer)?.is_some() {
        drained += 1;
        ensure!(drained < 100_000, "the device never falls silent");
    }
    Ok(())
}

//! One packet with a small TTL (hop limit) and the ICMP error it provokes, as traceroute does.

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::Namespace;

/// What to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// A datagram.
    Udp,
    /// A SYN; the connection is given up afterwards.
    Tcp,
}

/// An ICMP or ICMPv6 error about the probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TtlReply {
    pub from: IpAddr,
    pub icmp_type: u8,
    pub code: u8,
    /// The packet the error is about, from its IP header on, as far as it was quoted.
    pub quoted: Vec<u8>,
}

impl TtlReply {
    /// Time exceeded in transit (ICMP type 11, ICMPv6 type 3).
    pub fn is_time_exceeded(&self) -> bool {
        self.icmp_type == if self.from.is_ipv4() { 11 } else { 3 }
    }

    /// Destination of the quoted packet: what the sender of the probe believes to have written to.
    pub fn quoted_destination(&self) -> Option<IpAddr> {
        quoted_destination(&self.quoted)
    }
}

/// Sends a probe from the namespace to `target` with `ttl` and waits for the error about it.
/// `None`: no error within `timeout`.
pub fn ttl_probe(
    ns: &Namespace,
    probe: Probe,
    target: SocketAddr,
    ttl: u8,
    timeout: Duration,
) -> Result<Option<TtlReply>> {
    let v4 = target.is_ipv4();
    let (domain, icmp) = if v4 { (Domain::IPV4, Protocol::ICMPV4) } else { (Domain::IPV6, Protocol::ICMPV6) };
    let kind = if probe == Probe::Udp { Type::DGRAM } else { Type::STREAM };
    let (mut listener, sender) = ns.enter(|| -> std::io::Result<_> {
        Ok((Socket::new(domain, Type::RAW, Some(icmp))?, Socket::new(domain, kind, None)?))
    })??;
    if v4 {
        sender.set_ttl_v4(u32::from(ttl))?;
    } else {
        sender.set_unicast_hops_v6(u32::from(ttl))?;
    }
    sender.set_nonblocking(true)?;
    match sender.connect(&SockAddr::from(target)) {
        // EINPROGRESS: the SYN is on its way.
        Err(error) if error.raw_os_error() != Some(nix::errno::Errno::EINPROGRESS as i32) => {
            return Err(error).with_context(|| format!("connect to {target}"));
        }
        _ => {}
    }
    if probe == Probe::Udp {
        sender.send(b"headgate ttl probe").with_context(|| format!("send to {target}"))?;
    }
    let local = sender.local_addr()?.as_socket().context("local address")?;
    let end = Instant::now() + timeout;
    let mut buffer = vec![0; 65536];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        listener.set_read_timeout(Some(left))?;
        let reply = if v4 { receive_v4(&mut listener, &mut buffer) } else { receive_v6(&listener, &mut buffer) };
        match reply {
            Ok(Some(reply)) if quotes(&reply.quoted, local.port()) => return Ok(Some(reply)),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error).context("receive ICMP"),
        }
    }
}

/// An IPv4 raw socket delivers the IP header as well.
fn receive_v4(listener: &mut Socket, buffer: &mut [u8]) -> std::io::Result<Option<TtlReply>> {
    let length = listener.read(buffer)?;
    let packet = &buffer[..length];
    let Some(&first) = packet.first() else { return Ok(None) };
    let header = usize::from(first & 15) * 4;
    let (Some(source), Some(message)) = (packet.get(12..16), packet.get(header..)) else { return Ok(None) };
    let source = Ipv4Addr::new(source[0], source[1], source[2], source[3]);
    Ok(error_message(source.into(), message, &[3, 11, 12]))
}

/// An IPv6 raw socket delivers the payload alone; the source comes from the socket address.
fn receive_v6(listener: &Socket, buffer: &mut [u8]) -> std::io::Result<Option<TtlReply>> {
    let (length, from) =
        nix::sys::socket::recvfrom::<nix::sys::socket::SockaddrIn6>(std::os::fd::AsRawFd::as_raw_fd(listener), buffer)?;
    let Some(from) = from else { return Ok(None) };
    Ok(error_message(from.ip().into(), &buffer[..length], &[1, 2, 3, 4]))
}

fn error_message(from: IpAddr, message: &[u8], types: &[u8]) -> Option<TtlReply> {
    let (&[icmp_type, code, ..], quoted) = (message, message.get(8..)?) else { return None };
    types.contains(&icmp_type).then(|| TtlReply { from, icmp_type, code, quoted: quoted.to_vec() })
}

/// Whether the quoted packet has our source port.
fn quotes(quoted: &[u8], port: u16) -> bool {
    let header = match quoted.first().map(|first| first >> 4) {
        Some(4) => usize::from(quoted[0] & 15) * 4,
        Some(6) => 40,
        _ => return false,
    };
    quoted.get(header..header + 2) == Some(port.to_be_bytes().as_slice())
}

fn quoted_destination(quoted: &[u8]) -> Option<IpAddr> {
    match quoted.first()? >> 4 {
        4 => <[u8; 4]>::try_from(quoted.get(16..20)?).ok().map(|bytes| Ipv4Addr::from(bytes).into()),
        6 => <[u8; 16]>::try_from(quoted.get(24..40)?).ok().map(|bytes| Ipv6Addr::from(bytes).into()),
        _ => None,
    }
}

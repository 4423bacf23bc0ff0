//! The IP packet around a message, as a raw socket or a capture shows it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use headgate_wire::checksum::Sum;

use crate::message::PROTOCOL;
use crate::reason::Reason;

/// A VRRP message and what its IP header says.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// Or hop limit.
    pub ttl: u8,
    pub message: &'a [u8],
}

const ETHERNET: usize = 14;
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
/// More fragments, and the offset.
const FRAGMENT: u16 = 0x3fff;

/// Of a whole Ethernet frame without its check sequence.
///
/// # Errors
/// Those of the IP layer, which the kernel finds itself before a raw socket sees anything.
pub fn of_frame(frame: &[u8]) -> Result<Datagram<'_>, Reason> {
    let (header, packet) = frame.split_at_checked(ETHERNET).ok_or(Reason::TruncatedIp)?;
    match [header[12], header[13]] {
        IPV4 => of_ipv4(packet),
        IPV6 => of_ipv6(packet),
        _ => Err(Reason::NotVrrp),
    }
}

/// Of an IPv4 packet, which may have padding behind it.
///
/// # Errors
/// As [`of_frame`].
pub fn of_ipv4(packet: &[u8]) -> Result<Datagram<'_>, Reason> {
    let header = packet.first_chunk::<IPV4_HEADER>().ok_or(Reason::TruncatedIp)?;
    if header[9] != PROTOCOL.0 {
        return Err(Reason::NotVrrp);
    }
    let (length, total) = (usize::from(header[0] & 0xf) * 4, usize::from(u16::from_be_bytes([header[2], header[3]])));
    if packet.len() < total || packet.len() < length {
        return Err(Reason::TruncatedIp);
    }
    if header[0] >> 4 != 4
        || length < IPV4_HEADER
        || total < length
        || !Sum::new().add_bytes(&packet[..length]).is_valid()
    {
        return Err(Reason::IpHeader);
    }
    if u16::from_be_bytes([header[6], header[7]]) & FRAGMENT != 0 {
        return Err(Reason::Fragment);
    }
    let [source, destination] =
        [12, 16].map(|at| Ipv4Addr::from([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]));
    if source.is_unspecified() || source.is_broadcast() || source.is_multicast() {
        return Err(Reason::BadSource);
    }
    Ok(Datagram {
        source: source.into(),
        destination: destination.into(),
        ttl: header[8],
        message: &packet[length..total],
    })
}

fn of_ipv6(packet: &[u8]) -> Result<Datagram<'_>, Reason> {
    let header = packet.first_chunk::<IPV6_HEADER>().ok_or(Reason::TruncatedIp)?;
    if header[6] != PROTOCOL.0 {
        return Err(Reason::NotVrrp);
    }
    let end = IPV6_HEADER + usize::from(u16::from_be_bytes([header[4], header[5]]));
    if packet.len() < end {
        return Err(Reason::TruncatedIp);
    }
    if header[0] >> 4 != 6 {
        return Err(Reason::IpHeader);
    }
    let address = |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&header[at..at + 16]).unwrap_or_default());
    let (source, destination) = (address(8), address(24));
    if source.is_unspecified() || source.is_multicast() {
        return Err(Reason::BadSource);
    }
    Ok(Datagram {
        source: source.into(),
        destination: destination.into(),
        ttl: header[7],
        message: &packet[IPV6_HEADER..end],
    })
}

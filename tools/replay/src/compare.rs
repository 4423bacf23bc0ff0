//! Whether a frame is the recorded one, apart from what no implementation need repeat, and how frames are shown.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const ETHER: usize = 14;
const ICMP: u8 = 1;
const IPV4_IN: u8 = 4;
const TCP: u8 = 6;
const UDP: u8 = 17;
const IPV6_IN: u8 = 41;
const FRAGMENT: u8 = 44;
const ICMP6: u8 = 58;

/// The IP header of a frame, as far as the comparison looks at it.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub protocol: u8,
    /// Where the payload begins in the frame. IPv6 extension headers count as payload.
    pub payload: usize,
}

/// Reads the IP header of an Ethernet frame.
pub fn header(frame: &[u8]) -> Option<Header> {
    let ip = frame.get(ETHER..)?;
    match ip.first()? >> 4 {
        4 => {
            let address = |at: usize| Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(ip.get(at..at + 4)?).ok()?)));
            let payload = ETHER + usize::from(ip[0] & 15) * 4;
            Some(Header { source: address(12)?, destination: address(16)?, protocol: *ip.get(9)?, payload })
        }
        6 => {
            let address =
                |at: usize| Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(ip.get(at..at + 16)?).ok()?)));
            Some(Header { source: address(8)?, destination: address(24)?, protocol: *ip.get(6)?, payload: ETHER + 40 })
        }
        _ => None,
    }
}

/// `frame` without what may differ from run to run. `own`: the director made the packet itself.
///
/// Zeroed are the identification and header checksum of IPv4 headers that the director made without DF, and the flow label of its IPv6
/// headers. The header of a tunnel is always the director's, and so is the identification of IPv6 fragments.
pub fn essence(frame: &[u8], own: bool) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let Some(header) = header(&frame) else {
        return frame;
    };
    if header.protocol == FRAGMENT {
        // The identification.
        frame[header.payload + 4..header.payload + 8].fill(0);
    }
    let tunnel = matches!(header.protocol, IPV4_IN | IPV6_IN);
    if !own && !tunnel {
        return frame;
    }
    if header.source.is_ipv6() {
        frame[ETHER + 1] &= 0xf0;
        frame[ETHER + 2..ETHER + 4].fill(0);
    } else if own || frame[ETHER + 6] & 0x40 == 0 {
        frame[ETHER + 4..ETHER + 6].fill(0);
        frame[ETHER + 10..ETHER + 12].fill(0);
    }
    frame
}

/// Whether `answer`, recorded after `question` came in, is what a host or router without IPVS sends: the packet forwarded as it is, a
/// reset, an echo reply, or an ICMP error about a closed port, an unknown protocol or a bad header.
pub fn is_from_the_stack(question: &[u8], answer: &[u8]) -> bool {
    let (Some(asked), Some(answered)) = (header(question), header(answer)) else {
        return false;
    };
    let payload = |at: usize| answer.get(answered.payload + at).copied().unwrap_or_default();
    let back = answered.destination == asked.source;
    let forwarded = answered.source == asked.source
        && answered.destination == asked.destination
        && question.get(asked.payload..) == answer.get(answered.payload..);
    let reset = back && answered.source == asked.destination && answered.protocol == TCP && payload(13) & 4 != 0;
    let icmp = matches!(
        (answered.protocol, payload(0), payload(1)),
        (ICMP, 0, 0) | (ICMP6, 129, 0) | (ICMP, 3, 2 | 3) | (ICMP, 12, _) | (ICMP6, 1, 4) | (ICMP6, 4, _)
    );
    forwarded || reset || (back && icmp)
}

/// Whether `frame` is the IP packet `packet` forwarded by a router, as far as the payload shows. A kernel that put an IPv6 datagram together
/// gives its fragments a new identification.
pub fn is_forwarded(packet: &[u8], frame: &[u8]) -> bool {
    let framed = [&frame[..ETHER.min(frame.len())], packet].concat();
    let (Some(before), Some(after)) = (header(&framed), header(frame)) else {
        return false;
    };
    let same = (before.source, before.destination) == (after.source, after.destination);
    let (before, after) = (essence(&framed, false), essence(frame, false));
    same && before.get(ETHER + 40..) == after.get(ETHER + 40..)
}

/// A frame in a line.
pub fn show(frame: &[u8]) -> String {
    let Some(header) = header(frame) else {
        return format!("{} bytes", frame.len());
    };
    let at = |n: usize| frame.get(header.payload + n).copied().unwrap_or_default();
    let ports = (u16::from_be_bytes([at(0), at(1)]), u16::from_be_bytes([at(2), at(3)]));
    let Header { source, destination, .. } = header;
    match header.protocol {
        TCP => format!("TCP {source}:{} > {destination}:{} flags {:#x} {}", ports.0, ports.1, at(13), frame.len()),
        UDP => format!("UDP {source}:{} > {destination}:{} {}", ports.0, ports.1, frame.len()),
        ICMP | ICMP6 => format!("ICMP {source} > {destination} {}/{} {}", at(0), at(1), frame.len()),
        other => format!("protocol {other} {source} > {destination} {}", frame.len()),
    }
}

/// Where two frames first differ, with a few bytes of both.
pub fn difference(expected: &[u8], got: &[u8]) -> String {
    let at = expected.iter().zip(got).position(|(a, b)| a != b).unwrap_or(expected.len().min(got.len()));
    let bytes = |frame: &[u8]| {
        let part = frame.get(at..(at + 8).min(frame.len())).unwrap_or_default();
        part.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
    };
    format!("at byte {at}: {} instead of {}", bytes(got), bytes(expected))
}

//! Whether a frame is well formed and its checksums right, and how to make them right.

use headgate_wire::checksum::{Sum, pseudo_header_v4, pseudo_header_v6};
use headgate_wire::{Protocol, icmpv4, icmpv6, ipv4, ipv6, tcp, udp};

/// Length of an Ethernet header without tags.
pub const ETHER: usize = 14;

/// Where a packet's upper layer lies, and what its checksum covers besides.
struct Upper {
    protocol: Protocol,
    start: usize,
    end: usize,
    pseudo: Sum,
}

/// Finds the upper layer of a whole packet. `None`: malformed, or a fragment.
fn upper(packet: &[u8]) -> Option<Upper> {
    if packet.first()? >> 4 == 4 {
        let (header, _) = ipv4::Header::parse(packet).ok()?;
        if header.is_fragment() {
            return None;
        }
        let (start, end) = (header.header_len(), usize::from(header.total_len()));
        let len = u16::try_from(end.checked_sub(start)?).ok()?;
        let pseudo = pseudo_header_v4(header.source(), header.destination(), header.protocol(), len);
        return Some(Upper { protocol: header.protocol(), start, end, pseudo });
    }
    let (header, _) = ipv6::Header::parse(packet).ok()?;
    let protocol = header.next_header();
    let (start, end) = (ipv6::HEADER_LEN, header.total_len());
    let pseudo = pseudo_header_v6(header.source_bytes(), header.destination_bytes(), protocol, (end - start) as u32);
    Some(Upper { protocol, start, end, pseudo })
}

/// Makes the checksums of the packet in an untagged frame right, as far as it is well formed.
pub fn repair(frame: &mut [u8]) {
    let Some(packet) = frame.get_mut(ETHER..) else { return };
    if packet.first().is_some_and(|first| first >> 4 == 4) {
        let len = usize::from(packet[0] & 15) * 4;
        if len >= ipv4::MIN_LEN && packet.len() >= len {
            ipv4::fill_checksum(&mut packet[..len]);
        }
    }
    let Some(Upper { protocol, start, end, pseudo }) = upper(packet) else { return };
    let segment = &mut packet[start..end];
    match protocol {
        Protocol::TCP if segment.len() >= tcp::MIN_LEN => tcp::fill_checksum(segment, pseudo),
        Protocol::UDP if segment.len() >= udp::HEADER_LEN => udp::fill_checksum(segment, pseudo),
        Protocol::ICMP if segment.len() >= icmpv4::HEADER_LEN => icmpv4::fill_checksum(segment),
        Protocol::ICMPV6 if segment.len() >= icmpv6::HEADER_LEN => icmpv6::fill_checksum(segment, pseudo),
        _ => {}
    }
}

/// Whether the packet is well formed in what we rewrite, and all its checksums are right, in tunnels too. Fragments are
/// checked as far as their IP header.
pub fn is_right(packet: &[u8]) -> bool {
    match packet.first().map(|first| first >> 4) {
        Some(4) => {
            let len = usize::from(packet[0] & 15) * 4;
            if ipv4::Header::parse(packet).is_err() || !ipv4::verify_checksum(&packet[..len]) {
                return false;
            }
        }
        Some(6) if ipv6::Header::parse(packet).is_ok() => {}
        _ => return false,
    }
    let Some(Upper { protocol, start, end, pseudo }) = upper(packet) else { return true };
    let segment = &packet[start..end];
    match protocol {
        Protocol::TCP => segment.len() < tcp::MIN_LEN || tcp::verify_checksum(segment, pseudo),
        Protocol::UDP => segment.len() < udp::HEADER_LEN || udp::verify_checksum(segment, pseudo),
        Protocol::ICMP => segment.len() < icmpv4::HEADER_LEN || icmpv4::verify_checksum(segment),
        Protocol::ICMPV6 => segment.len() < icmpv6::HEADER_LEN || icmpv6::verify_checksum(segment, pseudo),
        Protocol::IPIP | Protocol::IPV6 => is_right(segment),
        _ => true,
    }
}

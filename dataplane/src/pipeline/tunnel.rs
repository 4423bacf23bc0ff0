//! IP in IP: the outer header (RFC 2003, RFC 2473, RFC 4213; field by field as `ip_vs_tunnel_xmit` of `ip_vs_xmit.c` fills it).

use std::net::IpAddr;

use headgate_wire::{Protocol, ipv4, ipv6};
use headgate_xsk::Frame;

use super::Pipeline;

/// Bytes that the outer header takes from the MTU.
#[inline(always)]
pub(super) fn overhead(outer: IpAddr) -> u16 {
    match outer {
        IpAddr::V4(_) => ipv4::MIN_LEN as u16,
        IpAddr::V6(_) => ipv6::Header::LEN as u16,
    }
}

/// What the outer header takes over from the inner one.
struct Inner {
    protocol: Protocol,
    tos: u8,
    ttl: u8,
    dont_fragment: bool,
}

impl Pipeline {
    /// Puts an outer IP header in front of the packet, from `source` to `server`. False when no source of the right family is known or
    /// the frame has no room.
    pub(super) fn encapsulate(
        &mut self,
        frame: &mut Frame,
        server: IpAddr,
        source: Option<IpAddr>,
        pmtu_disc: bool,
    ) -> bool {
        let Some(inner) = Inner::of(frame.bytes()) else {
            return false;
        };
        match (source, server) {
            (Some(IpAddr::V4(source)), IpAddr::V4(server)) => {
                // RFC 4213 §3.2.1: IPv6 inside leaves DF clear, so that the path fragments rather than loses.
                let dont_fragment = pmtu_disc && inner.dont_fragment;
                let ident = if dont_fragment { 0 } else { self.next_ident() };
                let mut header = ipv4::Header::new();
                header.set_tos(inner.tos);
                header.set_total_len((frame.len() + ipv4::MIN_LEN) as u16);
                header.set_id(ident);
                header.set_dont_fragment(dont_fragment);
                header.set_ttl(inner.ttl);
                header.set_protocol(inner.protocol);
                header.set_source(source);
                header.set_destination(server);
                header.fill_own_checksum();
                put_in_front(frame, header.as_bytes())
            }
            (Some(IpAddr::V6(source)), IpAddr::V6(server)) => {
                let mut header = ipv6::Header::new();
                header.set_traffic_class(inner.tos);
                header.set_payload_len(frame.len() as u16);
                header.set_next_header(inner.protocol);
                header.set_hop_limit(inner.ttl);
                header.set_source(&source.octets());
                header.set_destination(&server.octets());
                put_in_front(frame, header.as_bytes())
            }
            _ => false,
        }
    }

    pub(super) fn next_ident(&mut self) -> u16 {
        self.ident = self.ident.wrapping_add(1);
        self.ident
    }
}

impl Inner {
    fn of(packet: &[u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => {
                let (header, _) = ipv4::Header::parse(packet).ok()?;
                Some(Self {
                    protocol: Protocol::IPIP,
                    tos: outer_tos(header.tos()),
                    ttl: header.ttl(),
                    dont_fragment: header.dont_fragment(),
                })
            }
            6 => {
                let (header, _) = ipv6::Header::parse(packet).ok()?;
                Some(Self {
                    protocol: Protocol::IPV6,
                    tos: outer_tos(header.traffic_class()),
                    ttl: header.hop_limit(),
                    dont_fragment: false,
                })
            }
            _ => None,
        }
    }
}

fn put_in_front(frame: &mut Frame, header: &[u8]) -> bool {
    match frame.push_front(header.len()) {
        Some(room) => {
            room.copy_from_slice(header);
            true
        }
        None => false,
    }
}

/// ECN of the outer header (RFC 3168 §9.1.1, full functionality): congestion already experienced inside is not shown outside.
fn outer_tos(tos: u8) -> u8 {
    if tos & 3 == 3 { (tos & !3) | 2 } else { tos }
}

#[cfg(all(test, not(loom)))]
mod tests;

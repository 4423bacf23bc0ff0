//! The frames that tell switches and hosts where an address has gone: gratuitous ARP (RFC 5227 section 3) and unsolicited neighbour
//! advertisements (RFC 4861 section 7.2.6), as keepalived sends them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use headgate_wire::Protocol;
use headgate_wire::checksum::pseudo_header_v6;

pub type Mac = [u8; 6];

const BROADCAST: Mac = [0xff; 6];
/// Of ff02::1.
const ALL_NODES_MAC: Mac = [0x33, 0x33, 0, 0, 0, 1];
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const OVERRIDE: u8 = 0x20;
const ROUTER: u8 = 0x80;

/// `routes`: the interface forwards IPv6 packets, which a neighbour advertisement has to say.
pub fn frame(address: IpAddr, mac: Mac, routes: bool) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => gratuitous_arp(address, mac),
        IpAddr::V6(address) => neighbour_advertisement(address, mac, routes),
    }
}

/// A request of an address for itself.
fn gratuitous_arp(address: Ipv4Addr, mac: Mac) -> Vec<u8> {
    let mut frame = Vec::with_capacity(42);
    frame.extend(BROADCAST);
    frame.extend(mac);
    frame.extend([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
    frame.extend(mac);
    frame.extend(address.octets());
    frame.extend(BROADCAST);
    frame.extend(address.octets());
    frame
}

fn neighbour_advertisement(address: Ipv6Addr, mac: Mac, routes: bool) -> Vec<u8> {
    let flags = if routes { OVERRIDE | ROUTER } else { OVERRIDE };
    let mut icmp = vec![136, 0, 0, 0, flags, 0, 0, 0];
    icmp.extend(address.octets());
    icmp.extend([2, 1]);
    icmp.extend(mac);
    let sum = pseudo_header_v6(&address.octets(), &ALL_NODES.octets(), Protocol::ICMPV6, icmp.len() as u32);
    let checksum = sum.add_bytes(&icmp).checksum();
    icmp[2..4].copy_from_slice(&checksum.to_be_bytes());

    let mut frame = Vec::with_capacity(86);
    frame.extend(ALL_NODES_MAC);
    frame.extend(mac);
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    frame.extend((icmp.len() as u16).to_be_bytes());
    frame.extend([Protocol::ICMPV6.0, 255]);
    frame.extend(address.octets());
    frame.extend(ALL_NODES.octets());
    frame.extend(icmp);
    frame
}
